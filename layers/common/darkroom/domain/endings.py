"""Whether a picture's file has come to its end, told by its own bytes while they pass by.

Every format says where it ends: PNG by its IEND chunk, JPEG by its EOI marker, GIF by its trailer, WebP and AVIF by the lengths
of their parts. What follows a whole file is ignored. A finder holds a few bytes, and looks at none of them twice.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable

from darkroom.domain import isobmff

_NEVER = 1 << 62
_PNG_SIGNATURE = 8
_RIFF_HEADER = 12
_WEBP_IMAGES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
_GIF_HEADER = 13
_GIF_EXTENSION, _GIF_IMAGE, _GIF_TRAILER = 0x21, 0x2C, 0x3B
_JPEG_BEGIN = b"\xff\xd8\xff"
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
# A marker that ends the picture, or has a length. The others are fillers, restarts, and 0xFF within the picture's data.
_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
_BOXES = frozenset({b"ftyp", b"meta", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"free", b"skip", b"wide", b"uuid"})
_ITEMS_WITHIN = 512 * 1024
"""An AVIF may put half a megabyte of profiles before its items' places."""


class EndFinder(ABC):
    """Follows the parts of one file; `found` says whether what was fed so far is a whole picture."""

    def __init__(self, *, skip: int = 0) -> None:
        self.found = False
        self._done = False
        self._at = 0
        self._rest = b""
        self._ahead = skip

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        if self._done:
            return
        data = self._rest + chunk
        to = self._walk(data, self._ahead) if self._ahead <= len(data) else self._ahead
        self._at += min(to, len(data))
        self._rest, self._ahead = data[to:], max(0, to - len(data))

    @abstractmethod
    def _walk(self, data: bytes, at: int) -> int:
        """Return where the first part begins that needs more than `data`, from the part at `at` on.

        That may lie behind `data`, and is always near its end. `self._at` is the place of `data[0]` in the file.
        """


class _Png(EndFinder):
    def __init__(self) -> None:
        super().__init__(skip=_PNG_SIGNATURE)
        self._has_data = False
        self._is_last = False

    def _walk(self, data: bytes, at: int) -> int:
        while not self._is_last and len(data) - at >= 8:
            kind = data[at + 4 : at + 8]
            self._is_last = kind == b"IEND" and self._has_data
            self._has_data |= kind == b"IDAT"
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        self.found = self._done = self._is_last and at <= len(data)
        return at


class _Jpeg(EndFinder):
    """Pictures that follow the first one at once (CIPA DC-007, MPF) belong to the file: each one that begins has to end."""

    def __init__(self) -> None:
        super().__init__()
        self._has_scan = False

    def _walk(self, data: bytes, at: int) -> int:
        while at <= len(data):
            if self.found:
                if len(data) - at < len(_JPEG_BEGIN):
                    return at
                if not data.startswith(_JPEG_BEGIN, at):
                    self._done = True
                    return at
                self.found = self._has_scan = False
            marker = _JPEG_MARKER.search(data, at)
            if marker is None:
                return max(at, len(data) - data.endswith(b"\xff"))
            at = marker.end()
            if data[at - 1] == _JPEG_END:
                self.found = self._has_scan
                continue
            if len(data) - at < 2:
                return marker.start()
            self._has_scan |= data[at - 1] == _JPEG_SCAN
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
        return at


class _Gif(EndFinder):
    def __init__(self) -> None:
        super().__init__()
        self._is_begun = self._has_image = self._in_blocks = False

    def _walk(self, data: bytes, at: int) -> int:
        if not self._is_begun:
            if len(data) < _GIF_HEADER:
                return at
            self._is_begun = True
            at = _GIF_HEADER + _gif_table(data[10])
        while at < len(data):
            if self._in_blocks:
                at = self._pass_blocks(data, at)
            elif data[at] == _GIF_IMAGE:
                if len(data) - at < 10:
                    return at
                at += 11 + _gif_table(data[at + 9])
                self._has_image = self._in_blocks = True
            elif data[at] == _GIF_EXTENSION:
                at += 2
                self._in_blocks = True
            elif data[at] == _GIF_TRAILER and self._has_image:
                self.found = self._done = True
                return at
            else:
                # Decoders skip what is no block.
                at += 1
        return at

    def _pass_blocks(self, data: bytes, at: int) -> int:
        size = len(data)
        while at < size:
            block = data[at]
            at += 1 + block
            if block == 0:
                self._in_blocks = False
                break
        return at


def _gif_table(flags: int) -> int:
    """The bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


class _Webp(EndFinder):
    def __init__(self) -> None:
        super().__init__()
        self._end = 0
        self._has_image = False

    def _walk(self, data: bytes, at: int) -> int:
        if self._end == 0:
            if len(data) < _RIFF_HEADER:
                return at
            self._end = 8 + int.from_bytes(data[4:8], "little")
            at = _RIFF_HEADER
        while at <= len(data):
            end = self._end - self._at
            if end - at < 8:
                return self._close(data, max(at, end))
            if len(data) - at < 8:
                return at
            self._has_image |= data[at : at + 4] in _WEBP_IMAGES
            length = int.from_bytes(data[at + 4 : at + 8], "little")
            at += 8 + length
            # The padding of an odd length, where the file has any.
            at += length & 1 if at < end else 0
        return at

    def _close(self, data: bytes, end: int) -> int:
        if not self._has_image:
            return _NEVER
        self.found = self._done = end <= len(data)
        return end


class _IsoBmff(EndFinder):
    """A file that ends between two boxes may lack the next one: so the items have to be there that its `meta` box lists."""

    def __init__(self) -> None:
        super().__init__()
        self._head = bytearray()
        self._size = 0
        self._kinds: set[bytes] = set()
        self._last = b""
        self._items_end: int | None = None
        self._is_between = False

    def feed(self, chunk: bytes) -> None:
        self._head += chunk[: _ITEMS_WITHIN - len(self._head)]
        self._size += len(chunk)
        super().feed(chunk)
        self.found = self._is_between and self._size >= (self._items_end or 0)

    def _walk(self, data: bytes, at: int) -> int:
        while at <= len(data):
            self._is_between = self._suffices()
            length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            if len(kind) < 4 or (length == 1 and len(data) - at < 16):
                return at
            if self._is_between and kind not in _BOXES:
                self._done = True
                return at
            if length == 0:
                # Up to the end of the file, wherever that is.
                self._kinds.add(kind)
                self._is_between = self._suffices()
                self._done = True
                return at
            self._is_between = False
            self._kinds.add(kind)
            self._last = kind
            at += max(8, int.from_bytes(data[at + 8 : at + 16], "big") if length == 1 else length)
        return at

    def _suffices(self) -> bool:
        """Whether the boxes that were passed can be a picture."""
        if self._last == b"meta":
            self._items_end = isobmff.items_end(self._head)
        described = self._items_end is not None or not self._kinds.isdisjoint((b"meta", b"moov"))
        return described and (self._items_end is not None or b"mdat" in self._kinds)


_FINDERS: dict[str, Callable[[], EndFinder]] = {
    "image/png": _Png,
    "image/jpeg": _Jpeg,
    "image/webp": _Webp,
    "image/gif": _Gif,
    "image/avif": _IsoBmff,
}


def end_finder(content_type: str) -> EndFinder:
    """A finder for a new file of a type that `sniff` gives; KeyError for any other."""
    return _FINDERS[content_type]()
