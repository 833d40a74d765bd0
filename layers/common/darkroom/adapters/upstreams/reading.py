"""Reads JSON that somebody else wrote: an object, or a named reason why it is none."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from darkroom.domain.addresses import split_address
from darkroom.domain.texts import MARK, storable

_NUMBER = re.compile(r"-?\d{1,20}(\.\d{0,20})?")
_MILLISECONDS_FROM = 1e11  # as seconds that would be the year 5138
MAX_URL = 8192
_LAST = 253_402_300_799  # the last second that a datetime can hold


class Unreadable(Exception):
    """The body is not one JSON object; the message says in a few words why."""


def read_object(raw: bytes) -> dict[str, Any]:
    """The object in `raw`; raises Unreadable, also for a name that is given twice and for NaN: readers differ on those.

    Every text in it is storable: JSON can say halves of characters, which nothing else can.
    """
    try:
        found = all_storable(json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_constant))
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8") from error
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error
    except ValueError as error:
        raise Unreadable("not JSON") from error
    if not isinstance(found, dict):
        raise Unreadable("not a JSON object")
    return found


def object_or_none(raw: bytes) -> dict[str, Any] | None:
    """The object in `raw`, None when it holds none."""
    try:
        return read_object(raw)
    except Unreadable:
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str | None:
    """A string that says something, or a whole number as text; None for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**20 else None
    return value.strip() or None if isinstance(value, str) else None


def first_text(*values: Any) -> str | None:
    """The first of `values` that is a text."""
    return next((found for found in map(text, values) if found), None)


def is_web_address(url: Any) -> bool:
    """Whether `url` is an http(s) URL that could be fetched."""
    if not isinstance(url, str) or len(url) > MAX_URL or not url.isprintable() or " " in url or MARK in url:
        return False
    try:
        parts = split_address(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def unix_seconds(value: Any) -> float | None:
    """A moment given as seconds, milliseconds or ISO 8601 text (UTC unless it says otherwise); None when it is none of them."""
    if isinstance(value, str):
        value = value.strip()
        if not _NUMBER.fullmatch(value):
            return _iso(value)
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LAST * 1000:
        return None
    return value / 1000 if value >= _MILLISECONDS_FROM else float(value)


def _iso(value: str) -> float | None:
    try:
        moment = datetime.fromisoformat(value)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= _LAST else None


def all_storable(value: Any) -> Any:
    """Return the JSON `value` with storable texts and names throughout; raises RecursionError where it is nested too deeply."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [all_storable(one) for one in value]
    return {storable(name): all_storable(one) for name, one in value.items()} if isinstance(value, dict) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a name is given twice")
    return found


def _no_constant(name: str) -> float:
    raise Unreadable(f"{name} is not JSON")
