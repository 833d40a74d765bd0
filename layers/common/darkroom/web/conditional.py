"""What a caller prefers, accepts and already has: the headers Prefer, Accept and If-None-Match."""

import re
from collections.abc import Iterator

# Up to the next comma outside quotes.
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_SECONDS = re.compile(r'"([0-9]{1,9})"|([0-9]{1,9})')
_QUALITY = re.compile(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", re.I)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def wait_seconds(prefer: str, *, cap: float) -> float | None:
    """How long `Prefer: wait=N` asks us to wait, at most `cap`; bare `wait` is the cap. None: not asked, or malformed.

    What cannot be understood is ignored (RFC 7240).
    """
    for found in _PREFERENCE.finditer(prefer):
        name, _, value = (part.strip() for part in found[0].partition(";")[0].partition("="))
        if name.lower() == "wait":
            return _seconds(value, cap)
    return None


def _seconds(value: str, cap: float) -> float | None:
    if value in ("", '""'):
        return cap
    number = _SECONDS.fullmatch(value)
    return min(float(number[1] or number[2]), cap) if number else None


def applied(seconds: float) -> str:
    """The value of Preference-Applied."""
    return f"wait={seconds:g}"


def etag(version: int) -> str:
    """Weak: the same version may be written differently by the next release."""
    return f'W/"{version}"'


def is_known(if_none_match: str, tag: str) -> bool:
    """Whether the caller has that version already (weak comparison, RFC 9110)."""
    if if_none_match.strip() == "*":
        return True
    wanted = tag.removeprefix("W/")
    return any(found[1] == wanted for found in _TAG.finditer(if_none_match))


def prefers_json(accept: str) -> bool:
    """Whether JSON is asked for by name, and rather than an image: a browser and `*/*` want the picture itself."""
    ranges = dict(_ranges(accept))
    images = max((quality for kind, quality in ranges.items() if kind.startswith("image/")), default=0.0)
    return ranges.get("application/json", 0.0) > images


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        kind, *parameters = part.split(";")
        qualities = [float(found[1]) for found in map(_QUALITY.fullmatch, parameters) if found]
        yield kind.strip().lower(), min(qualities[0], 1.0) if qualities else 1.0
