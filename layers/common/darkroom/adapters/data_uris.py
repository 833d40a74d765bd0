"""Outputs that come inside their own address: base64 in a `data:` URI, decoded while it is read."""

import binascii
from collections.abc import Iterator

from darkroom.errors import OutputRefused
from darkroom.ports import Download

_TYPE_WITHIN = 200  # characters in which the media type has to end
_STEP = 4 * 16_384  # characters at a time: whole groups of four, 48 KiB of picture


def is_data_uri(url: str) -> bool:
    """Whether `url` holds its bytes itself."""
    return url[:5].lower() == "data:"


def open_data_uri(url: str) -> Download:
    """The bytes in `url`, of which nothing but one chunk is held at a time; raises OutputRefused when it is not base64.

    The chunks raise OutputRefused where the base64 turns out to be broken.
    """
    head, comma, _ = url[:_TYPE_WITHIN].partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise _refused("the data URI is not base64")
    begin, end = len(head) + 1, _end(url)
    if end <= begin or (end - begin) % 4 == 1:
        raise _refused("the data URI's base64 is not whole")
    return Download(size=(end - begin) * 3 // 4, chunks=_chunks(url, begin, end), repeatable=False)


def _end(url: str) -> int:
    """Where the base64 ends without its padding, of which two are the most."""
    end = len(url)
    for _ in range(2):
        end -= url[end - 1] == "="
    return end


def _chunks(url: str, begin: int, end: int) -> Iterator[bytes]:
    for at in range(begin, end, _STEP):
        piece = url[at : min(at + _STEP, end)]
        if "=" in piece:
            raise _refused("the data URI's base64 ends before its end")
        try:
            yield binascii.a2b_base64(piece + "=" * (-len(piece) % 4), strict_mode=True)
        except ValueError as error:
            raise _refused("the data URI's base64 is broken") from error


def _refused(message: str) -> OutputRefused:
    return OutputRefused(message, code="no_output")
