"""Reads one text as a picture: an address, or base64 in every spelling that gateways have been seen to use."""

import base64
import re
from urllib.parse import unquote

from darkroom.adapters.upstreams.reading import MAX_URL, is_web_address
from darkroom.domain.pictures import sniff
from darkroom.domain.task import Output

UNKNOWN_TYPE = "data:application/octet-stream;base64,"
"""What is stored is judged by its bytes, not by this."""

NO_ADDRESS = "its address is none that can be fetched"
BROKEN = "its base64 is broken"

_MAX_PREFIXES = 4
_PREFIX = re.compile(
    r"""[\s"'<]{0,8}(?:data:)?[a-z0-9.+*/-]{0,80}(?:\s{0,2};\s{0,2}[a-z0-9.+=_-]{1,40}){0,4}\s{0,2},\s{0,8}""", re.I
)
_CANONICAL = re.compile(r"data:[a-z0-9.+*/-]{0,80}(?:;[a-z0-9.+=_-]{1,40}){0,4};base64,", re.I)
_STRANGE = re.compile(r"[^A-Za-z0-9+/]")
_PADDING = ("=", "==")
_LINES = re.compile(r"\\[nrt]|\s+")
_QUOTES = "<>\"'`"
_HEAD = 64  # characters of base64: enough of a file to tell a picture


def picture_of(text: str, *, declared: bool = False) -> Output | str:
    """Return the picture that `text` is, or in a few words why it is none.

    `declared`: the field was to hold base64, so whatever can be decoded is taken. Elsewhere base64 without a `data:` in front has
    to begin as pictures do: words are base64 too.
    """
    if (address := address_of(text)) is not None:
        return Output(url=address)
    begin, prefixed = _behind_prefixes(text)
    if not (declared or prefixed or _begins_like_a_picture(text[: 2 * _HEAD])):
        return NO_ADDRESS
    return _file(text, begin)


def address_of(text: str) -> str | None:
    """Return the http(s) address that `text` is, without what is often written around one; None for anything else."""
    if len(text) > 2 * MAX_URL:
        return None
    bare = text.strip().strip(_QUOTES).strip().replace("\\/", "/")
    if bare.startswith("//"):
        bare = f"https:{bare}"
    if bare[:4].lower() != "http":
        return None
    # As browsers read addresses (WHATWG, URL): lines and tabs are no part of one.
    bare = bare.translate(_NO_LINES)
    return bare if is_web_address(bare) else None


_NO_LINES = str.maketrans("", "", "\t\r\n")


def _behind_prefixes(text: str) -> tuple[int, bool]:
    """Where the base64 begins, and whether anything says that it is some. The prefix may be there twice."""
    at, prefixed = 0, False
    for _ in range(_MAX_PREFIXES):
        found = _PREFIX.match(text, at)
        if found is None:
            break
        said = found[0].lower()
        # Without ";base64" the text behind has to look like a picture: an SVG, for one, is written out.
        if "base64" not in said and not ("data:" in said and _begins_like_a_picture(text[found.end() : found.end() + 2 * _HEAD])):
            break
        at, prefixed = found.end(), True
    return at, prefixed


def _begins_like_a_picture(head: str) -> bool:
    clean = _alphabetic(head)[:_HEAD]
    try:
        return sniff(base64.b64decode(clean[: len(clean) // 4 * 4], validate=True)) is not None
    except ValueError:
        return False


def _file(text: str, begin: int) -> Output | str:
    """The file as a `data:` URI; one that is in order already is not copied."""
    strange = _STRANGE.search(text, begin)
    in_order = strange is None or text[strange.start() : strange.start() + 3] in _PADDING
    head = text[:begin] if _CANONICAL.fullmatch(text, 0, begin) else ""
    if in_order and _is_whole((strange.start() if strange else len(text)) - begin):
        return Output(url=text if head else UNKNOWN_TYPE + text[begin:])
    clean = _alphabetic(text[begin:])
    if _STRANGE.search(clean) is not None or not _is_whole(len(clean)):
        return BROKEN
    return Output(url=(head or UNKNOWN_TYPE) + clean + "=" * (-len(clean) % 4))


def _alphabetic(file: str) -> str:
    """`file` in base64's usual alphabet, without lines and padding, as far as that can be had."""
    if "%" in file:
        file = unquote(file, errors="replace")
    file = _LINES.sub("", file).replace("\\/", "/")
    return file.replace("-", "+").replace("_", "/").rstrip("=.,;)" + _QUOTES)


def _is_whole(length: int) -> bool:
    """Whether so many characters can be the whole of something: one beyond groups of four holds no byte."""
    return length > 0 and length % 4 != 1
