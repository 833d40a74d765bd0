"""Takes out of a text what a log, a row or a support ticket must never hold."""

import re
from functools import cache

KEY_MARK = "[key]"

# Every pattern eats all it scans, so that hostile text costs linear time. Slashes may be escaped, once or more, as in JSON.
_SLASH = r"\\{0,8}/"
_URL = rf"""(\b[a-z][a-z0-9+.-]{{1,15}}:(?:{_SLASH}){{2}})((?:[^\s"<>?#\\]|{_SLASH}|\\{{1,8}}u(?!003f|0023)[0-9a-f]{{4}})*)"""
_QUERY = r"""(?:[?#]|\\{1,8}u00(?:3f|23))(?:\\{1,8}(?:u[0-9a-f]{4}|/)|[^\s"<>\\])*"""
_USER = r"[^@/\\]*@"
_BEARER = r"\b(bearer)(\s{1,8})[a-z0-9._~+/=-]{6,}"
_KEY = r"\b(?:(?:hi-)?sk[-_]|whsec_|drk_)[a-z0-9_-]{8,}"
_DOOR_KEY = r"\b[0-9a-f]{8}\.\d{1,4}\.\d{1,12}\.[0-9a-f]{40}\b"
_DATA_URI = r"\bdata:([a-z0-9.+/-]{0,80})(?:;[a-z0-9=-]{1,40}){0,4},[a-z0-9+/=%_.~\\-]*"
# What a pattern cannot do without: most texts that are told have none of it, and looking for a word costs next to nothing.
_SIGNS = {
    _DATA_URI: ("data:",),
    _URL: (":/", ":\\"),
    _BEARER: ("bearer",),
    _KEY: ("sk-", "sk_", "whsec_", "drk_"),
    _DOOR_KEY: (".",),
}

_PATTERN_OF = {sign: pattern for pattern, signs in _SIGNS.items() for sign in signs}


@cache
def _pattern(text: str, *, folded: bool = True) -> re.Pattern[str]:
    """Compiled when it is needed: all of them together are 13 million instructions, which every cold start would pay."""
    return re.compile(text, re.I if folded else 0)


def redact(text: str, cap: int) -> str:
    """`text` in at most `cap` characters, without URL queries, user names in URLs, tokens, keys and embedded files."""
    if text.isalnum():
        # A status word or an id without marks.
        return text[:cap]
    text = text.encode(errors="replace").decode()
    folded = text.casefold()
    found = [pattern for sign, pattern in _PATTERN_OF.items() if sign in folded]
    if _DATA_URI in found:
        text = _pattern(_DATA_URI).sub(r"data:\1,[cut]", text)
    if _URL in found:
        text = _without_queries(text)
    if _BEARER in found:
        text = _pattern(_BEARER).sub(rf"\1\2{KEY_MARK}", text)
    if _KEY in found:
        text = _pattern(_KEY).sub(KEY_MARK, text)
    if _DOOR_KEY in found:
        text = _pattern(_DOOR_KEY, folded=False).sub("[token]", text)
    return text[:cap]


def redact_bytes(raw: bytes, cap: int) -> bytes:
    """The same for a body of any encoding; at most `cap` bytes of UTF-8."""
    return redact(raw.decode(errors="replace"), cap).encode()[:cap].decode(errors="ignore").encode()


def _without_queries(text: str) -> str:
    kept: list[str] = []
    at = 0
    for found in _pattern(_URL).finditer(text):
        if found.start() < at:
            continue
        user = _pattern(_USER, folded=False).match(found[2])
        kept += [text[at : found.start()], found[1], found[2][user.end() if user else 0 :]]
        query = _pattern(_QUERY).match(text, found.end())
        at = query.end() if query else found.end()
    return "".join([*kept, text[at:]])
