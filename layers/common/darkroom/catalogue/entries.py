"""Reading one entry of the catalogue by hand: each complaint names the entry and what is wrong with it."""

import json
from collections.abc import Callable, Collection
from typing import Any

from darkroom.catalogue.offers import Json
from darkroom.errors import ConfigurationError


def check(where: str, holds: bool, complaint: str) -> None:
    """Raises ConfigurationError where something does not hold."""
    if not holds:
        raise ConfigurationError(f"catalogue: {where}: {complaint}")


def known_only(entry: Any, names: Collection[str], where: str) -> Json:
    """`entry`, if it is an object without mistyped fields."""
    check(where, isinstance(entry, dict), "it must be an object")
    strange = ", ".join(name for name in entry if name not in names)
    check(where, not strange, f"unknown field {strange}; there are {', '.join(names)}")
    found: Json = entry
    return found


def field(entry: Json, name: str, kind: type, where: str) -> Any:
    """A field that must be there."""
    value = entry.get(name)
    # True is an int to Python, and to nobody else.
    right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    check(where, right, f"{name} must be of type {kind.__name__}")
    return value


def optional(entry: Json, name: str, kind: type, where: str) -> Any:
    """A field that may be missing or null."""
    return field(entry, name, kind, where) if entry.get(name) is not None else None


def texts(entry: Json, name: str, where: str) -> tuple[str, ...]:
    """A list of texts."""
    found = field(entry, name, list, where)
    check(where, all(isinstance(one, str) for one in found), f"{name} must be a list of texts")
    return tuple(found)


def one_of(allowed: Collection[Any]) -> Callable[[Any], bool]:
    """Whether a value is among `allowed`, at the same cost however many those are."""
    known = frozenset(map(_hashable, allowed))
    return lambda value: _hashable(value) in known


def _hashable(value: Any) -> Any:
    return (json.dumps(value, sort_keys=True),) if isinstance(value, list | dict) else value
