"""Takes out of a text what a log, a row or a support ticket must never hold."""

import re

KEY_MARK = "[key]"

# Every pattern eats all it scans, so that hostile text costs linear time. Slashes may be escaped, once or more, as in JSON.
_SLASH = r"\\{0,8}/"
_URL = re.compile(
    rf"""(\b[a-z][a-z0-9+.-]{{1,15}}:(?:{_SLASH}){{2}})((?:[^\s"<>?#\\]|{_SLASH}|\\{{1,8}}u(?!003f|0023)[0-9a-f]{{4}})*)""", re.I
)
_QUERY = re.compile(r"""(?:[?#]|\\{1,8}u00(?:3f|23))(?:\\{1,8}(?:u[0-9a-f]{4}|/)|[^\s"<>\\])*""", re.I)
_USER = re.compile(r"[^@/\\]*@")
_BEARER = re.compile(r"\b(bearer)(\s{1,8})[a-z0-9._~+/=-]{6,}", re.I)
_KEY = re.compile(r"\b(?:(?:hi-)?sk[-_]|whsec_|drk_)[a-z0-9_-]{8,}", re.I)
_CALLBACK_TOKEN = re.compile(r"\b[0-9a-f]{8}\.\d{1,4}\.[0-9a-f]{40}\b")
_DATA_URI = re.compile(r"\bdata:([a-z0-9.+/-]{0,80})(?:;[a-z0-9=-]{1,40}){0,4},[a-z0-9+/=%_.~\\-]*", re.I)
# Every pattern above needs one of these: most texts that are told have none, and are looked through once.
_SUSPECT = re.compile(r"[:.]|bearer|sk[-_]|whsec_|drk_", re.I)


def redact(text: str, cap: int) -> str:
    """`text` in at most `cap` characters, without URL queries, user names in URLs, tokens, keys and embedded files."""
    text = text.encode(errors="replace").decode()
    if not _SUSPECT.search(text):
        return text[:cap]
    text = _DATA_URI.sub(r"data:\1,[cut]", text)
    text = _without_queries(text)
    text = _BEARER.sub(rf"\1\2{KEY_MARK}", text)
    text = _KEY.sub(KEY_MARK, text)
    return _CALLBACK_TOKEN.sub("[token]", text)[:cap]


def redact_bytes(raw: bytes, cap: int) -> bytes:
    """The same for a body of any encoding; at most `cap` bytes of UTF-8."""
    return redact(raw.decode(errors="replace"), cap).encode()[:cap].decode(errors="ignore").encode()


def _without_queries(text: str) -> str:
    kept: list[str] = []
    at = 0
    for found in _URL.finditer(text):
        if found.start() < at:
            continue
        user = _USER.match(found[2])
        kept += [text[at : found.start()], found[1], found[2][user.end() if user else 0 :]]
        query = _QUERY.match(text, found.end())
        at = query.end() if query else found.end()
    return "".join([*kept, text[at:]])
