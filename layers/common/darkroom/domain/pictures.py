"""What kind of picture some bytes are, and how large, told from their first bytes alone."""

from collections.abc import Callable
from dataclasses import dataclass

from darkroom.domain import isobmff

TYPE_KNOWN_AT = 4096
"""With so many bytes, or the whole file, a None from `sniff` is final."""

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif", "image/gif": "gif"}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as stored (not turned by its EXIF); the sides are None while the head is too short to tell."""

    content_type: str
    width: int | None = None
    height: int | None = None


class _Broken(Exception):
    """These bytes start like a picture and cannot be one."""


def sniff(head: bytes | bytearray) -> Picture | None:
    """The picture that starts with `head`, None when it is none that we store. Never raises, whatever the bytes.

    The type is known from `TYPE_KNOWN_AT` bytes on. The sides of a PNG, GIF or WebP lie in its first 30 bytes; those of a
    JPEG behind its EXIF and colour profile, those of an AVIF behind its list of boxes: call again with more.
    """
    for content_type, starts, measure in _KINDS:
        if starts(head):
            return _picture(content_type, measure, head)
    return None


def extension(content_type: str) -> str:
    """The file name's ending for a type that `sniff` gives; KeyError for any other."""
    return _EXTENSIONS[content_type]


def _picture(content_type: str, measure: Callable[[bytes | bytearray], Size | None], head: bytes | bytearray) -> Picture | None:
    try:
        size = measure(head)
    except _Broken:
        return None
    if size is None:
        return Picture(content_type)
    return Picture(content_type, *size) if min(size) > 0 else None


# -- PNG and GIF --------------------------------------------------------------------------------------


def _is_png(head: bytes | bytearray) -> bool:
    return head.startswith(b"\x89PNG\r\n\x1a\n")


def _png(head: bytes | bytearray) -> Size | None:
    if len(head) < 24:
        return None
    if head[12:16] != b"IHDR":
        raise _Broken
    return _big(head, 16, 4), _big(head, 20, 4)


def _is_gif(head: bytes | bytearray) -> bool:
    return head.startswith((b"GIF87a", b"GIF89a"))


def _gif(head: bytes | bytearray) -> Size | None:
    return None if len(head) < 10 else (_little(head, 6, 2), _little(head, 8, 2))


# -- JPEG ---------------------------------------------------------------------------------------------


def _is_jpeg(head: bytes | bytearray) -> bool:
    return head.startswith(b"\xff\xd8\xff")


def _jpeg(head: bytes | bytearray) -> Size | None:
    """Walks the segments up to the frame header; garbage between segments is skipped, as every decoder does."""
    at = 2
    while 0 <= (at := head.find(b"\xff", at)) < len(head) - 1:
        marker = head[at + 1]
        if marker in (0x00, 0xFF) or marker in _JPEG_WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (_JPEG_SCAN, _JPEG_END):
            raise _Broken
        if marker in _JPEG_FRAMES:
            return None if len(head) < at + 9 else (_big(head, at + 7, 2), _big(head, at + 5, 2))
        if len(head) < at + 4:
            return None
        at += 2 + max(2, _big(head, at + 2, 2))
    return None


# -- WebP ---------------------------------------------------------------------------------------------


def _is_webp(head: bytes | bytearray) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _webp(head: bytes | bytearray) -> Size | None:
    chunk = bytes(head[12:16])
    if len(chunk) == 4 and chunk not in _WEBP_CHUNKS:
        raise _Broken
    needed, measure = _WEBP_CHUNKS.get(chunk, (0, None))
    return measure(head) if measure and len(head) >= needed else None


def _lossy(head: bytes | bytearray) -> Size:
    if head[23:26] != b"\x9d\x01\x2a":
        raise _Broken
    return _little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF


def _lossless(head: bytes | bytearray) -> Size:
    if head[20] != 0x2F:
        raise _Broken
    bits = _little(head, 21, 4)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _extended(head: bytes | bytearray) -> Size:
    return _little(head, 24, 3) + 1, _little(head, 27, 3) + 1


_WEBP_CHUNKS = {b"VP8 ": (30, _lossy), b"VP8L": (25, _lossless), b"VP8X": (30, _extended)}


def _big(head: bytes | bytearray, at: int, size: int) -> int:
    return int.from_bytes(head[at : at + size], "big")


def _little(head: bytes | bytearray, at: int, size: int) -> int:
    return int.from_bytes(head[at : at + size], "little")


_KINDS = (
    ("image/png", _is_png, _png),
    ("image/jpeg", _is_jpeg, _jpeg),
    ("image/webp", _is_webp, _webp),
    ("image/gif", _is_gif, _gif),
    ("image/avif", isobmff.is_avif, isobmff.size),
)
