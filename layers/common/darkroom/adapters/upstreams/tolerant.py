"""Reads answers that cannot be asked for again: whatever stands in or around the JSON, what it says of pictures is found.

Strict JSON is read as such. Otherwise: byte order marks, bytes of other encodings, control characters in texts, NaN, names given
twice, escapes that are none, trailing commas, comments and words around, a stream of events, and whole parts of what broke off.
Callbacks are not read here: what they fail to say, a look can ask for.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from darkroom.adapters.upstreams.images import EVENTS
from darkroom.adapters.upstreams.reading import all_storable, mapping, object_or_none, text

_LARGE = 16 * 1024 * 1024
_ENCODINGS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_UNMARKED = ((b"{\0", "utf-16-le"), (b"[\0", "utf-16-le"), (b"\0{", "utf-16-be"), (b"\0[", "utf-16-be"))
_ASCII = bytes(range(128)) + b"?" * 128

_ESCAPE = re.compile(r'\\(["\\/bfnrt]|u[0-9a-fA-F]{4})?')
_COMMA = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|,(?=[ \t\r\n]*[\]}])', re.S)
_OPENS = re.compile(r"[{\[]")
_FIELD = re.compile(r"^(?:data|event|id|retry):[ \t]?", re.M)

# A try that fails costs what it read, and this much besides; together they may read the text a few times.
_TRY = 1024
_READ_AGAIN = 4
_MAX_DIGITS = 400


def read_tolerantly(raw: bytes, *, whole: bool = True) -> dict[str, Any] | None:
    """Return the object that `raw` holds, of several one that says what they say together; None when there is none.

    Not `whole`: the rest of it did not come.
    """
    raw = _compact(raw)
    if whole and (found := object_or_none(raw)) is not None:
        return found
    words = _decoded(raw).lstrip()
    # A page of a proxy, which holds objects of other people.
    if words.startswith("<"):
        return None
    value = _repaired(words) if whole else None
    try:
        return joined(all_storable(list(_values(words)) if value is None else [value]))
    except RecursionError:
        return None


def _compact(raw: bytes) -> bytes:
    """A text with one character beyond Latin-1 takes up to four bytes for each: of large answers only ASCII is kept."""
    return raw if len(raw) <= _LARGE or raw.isascii() else raw.translate(_ASCII)


def _decoded(raw: bytes) -> str:
    marked = next((name for mark, name in (*_ENCODINGS, *_UNMARKED) if raw.startswith(mark)), "utf-8")
    return raw.decode(marked, errors="replace")


# -- one value, or several -------------------------------------------------------------------------------


def _repaired(words: str) -> Any:
    """The one value that is all of `words`, after repairs where those help; None when it is not one.

    Very long words are not repaired, which takes copies: their parts are found one by one.
    """
    for repair in (_unchanged, _with_escapes, _without_commas)[: 1 if len(words) > _LARGE else None]:
        words = repair(words)
        try:
            return _JSON.decode(words)
        except (ValueError, RecursionError):
            continue
    return None


def _unchanged(words: str) -> str:
    return words


def _with_escapes(words: str) -> str:
    """A backslash that escapes nothing stands for itself; a text that was cut may end within an escape."""
    return _ESCAPE.sub(lambda found: found[0] if found[1] else "\\\\", words)


def _without_commas(words: str) -> str:
    return _COMMA.sub(lambda found: "" if found[0] == "," else found[0], words)


def _values(words: str) -> Iterator[Any]:
    """The objects and lists in `words`, in order; a stream may break one over several lines."""
    found = False
    for value in _scan(words):
        found = True
        yield value
    if not found and _FIELD.search(words):
        yield from _scan(_FIELD.sub("", words))


def _scan(words: str) -> Iterator[Any]:
    at, budget = 0, _READ_AGAIN * len(words) + 64 * _TRY
    while budget > 0 and (opens := _OPENS.search(words, at)):
        begin = opens.start()
        try:
            value, at = _JSON.raw_decode(words, begin)
        except json.JSONDecodeError as error:
            reached = len(words) if error.msg.startswith("Unterminated") else error.pos
            budget -= reached - begin + _TRY
            at = begin + 1
        except RecursionError:
            return
        else:
            yield value


def _telling(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that is given twice, the last value that says something."""
    found = dict(pairs)
    if len(found) != len(pairs):
        found |= {name: value for name, value in pairs if value not in (None, "", [], {})}
    return found


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


_JSON = json.JSONDecoder(object_pairs_hook=_telling, parse_int=_number, parse_constant=lambda _: None, strict=False)


# -- streams ----------------------------------------------------------------------------------------------


def joined(values: list[Any]) -> dict[str, Any] | None:
    """Return what the `values` of one answer say together: a chat's pieces become its message, other events stay in order."""
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    events = [one for one in flat if isinstance(one, dict)]
    if not events:
        listed = [one for one in flat if isinstance(one, str)]
        return {"data": listed} if listed else None
    whole = dict(events[0]) if len(events) == 1 else _together(events)
    choices = whole.get("choices")
    if isinstance(choices, list) and any("delta" in mapping(choice) for choice in choices):
        whole["choices"] = _choices(choices)
        whole.pop(EVENTS, None)
    return whole


def _together(events: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {EVENTS: events}
    for event in events:
        for name in ("id", "error", "code", "message", "success"):
            if name in event:
                whole.setdefault(name, event[name])
    choices = [choice for event in events for choice in _listed(event.get("choices"))]
    return whole | {"choices": choices} if choices else whole


def _choices(pieces: list[Any]) -> list[dict[str, Any]]:
    """A chat's choices from the pieces of each, as they would have been without a stream."""
    found: dict[str, dict[str, Any]] = {}
    for piece in map(mapping, pieces):
        choice = found.setdefault(text(piece.get("index")) or "0", {"message": {}, "finish_reason": None})
        choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
        for said in (piece.get("delta"), piece.get("message")):
            for name, value in mapping(said).items():
                choice["message"].setdefault(name, []).append(value)
    return [choice | {"message": {name: _one(parts) for name, parts in choice["message"].items()}} for choice in found.values()]


def _one(parts: list[Any]) -> Any:
    """The pieces of one field: texts and lists go on, of anything else the last counts."""
    said = [part for part in parts if part is not None]
    if said and all(isinstance(part, str) for part in said):
        return "".join(said)
    if said and all(isinstance(part, list) for part in said):
        return [one for part in said for one in part]
    return said[-1] if said else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
