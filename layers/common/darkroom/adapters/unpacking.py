"""Bodies that a server packed although it was not asked to: unpacked while they are read, a little at a time."""

import zlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

from darkroom.domain.pictures import sniff
from darkroom.errors import DownloadInterrupted

_GZIP = b"\x1f\x8b\x08"
_STEP = 65_536
_TELLING = 16
"""So many bytes tell a picture, but for some AVIFs, from what is packed."""

_NOT_OURS = frozenset({"br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"})
"""Registered content codings (RFC 9110, 16.6.1) that we cannot undo."""


def unpacked(chunks: Iterator[bytes], codings: str) -> tuple[Iterator[bytes], bool]:
    """Return a body's own bytes, and whether they had been packed; `codings` is what its Content-Encoding says.

    The bytes decide: a picture is one whatever the header says, and so is gzip. A word that names no coding means nothing.
    Raises DownloadInterrupted, now or while the bytes are read, when they cannot be unpacked.
    """
    head = b""
    while len(head) < _TELLING and (chunk := next(chunks, None)) is not None:
        head += chunk
    body = chain((head,), chunks)
    named = {word.strip().lower() for word in codings.split(",")}
    if sniff(head) is not None:
        return body, False
    if head.startswith(_GZIP):
        return _inflated(body, zlib.MAX_WBITS | 16), True
    if "deflate" in named:
        return _inflated(body, zlib.MAX_WBITS if _is_zlib(head) else -zlib.MAX_WBITS), True
    if foreign := named & _NOT_OURS:
        raise DownloadInterrupted(f"an encoded body ({', '.join(sorted(foreign))})")
    return body, False


def _is_zlib(head: bytes) -> bool:
    """Whether there is a header before the deflated bytes (RFC 1950, 2.2), as there should be, or none, as some servers do it."""
    return head[:1] != b"" and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0


def _inflated(chunks: Iterator[bytes], wbits: int) -> Iterator[bytes]:
    """Members of gzip may follow each other; what else follows is none of the picture's."""
    member = zlib.decompressobj(wbits)
    for chunk in chunks:
        rest = chunk
        while rest:
            if member.eof:
                member = zlib.decompressobj(wbits)
            yield from _inflate(member, rest)
            rest = member.unused_data.lstrip(b"\0")
            if rest and not _GZIP.startswith(rest[: len(_GZIP)]):
                return
    if not member.eof:
        raise DownloadInterrupted("an encoded body that ends early")


def _inflate(member: Any, data: bytes) -> Iterator[bytes]:
    """All that `data` adds to the member, in pieces of bounded size."""
    piece = b""
    while not member.eof and (data or len(piece) == _STEP):
        try:
            piece = member.decompress(data, _STEP)
        except zlib.error as error:
            raise DownloadInterrupted("an encoded body that is broken") from error
        yield piece
        data = member.unconsumed_tail
