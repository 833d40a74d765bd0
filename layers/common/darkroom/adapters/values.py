"""Python values as the table's typed ones and back: texts, numbers, bytes, flags, and records with short names."""

from collections.abc import Iterable, Mapping
from typing import Any

from darkroom.adapters.dynamo import Row
from darkroom.domain.texts import storable


def typed(value: str | bytes | bool | float) -> Any:
    """{"S": "hero"} for "hero"; a float keeps every digit. No text, whoever wrote it, makes a row that cannot be written."""
    if isinstance(value, str):
        return {"S": storable(value)}
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"B": value} if isinstance(value, bytes) else {"N": repr(value)}


def plain(value: Any) -> Any:
    """The reverse; bytes come back as hex, and a number without a fraction as int."""
    ((kind, content),) = value.items()
    if kind == "N":
        return float(content) if "." in content or "e" in content.lower() else int(content)
    return content.hex() if kind == "B" else content


def records(items: Iterable[Any], names: Mapping[str, str]) -> Any:
    """A list of records; `names` maps a dataclass's fields to the table's short names."""
    return {"L": [record(one, names) for one in items]}


def record(item: Any, names: Mapping[str, str]) -> Any:
    """A map of the fields that say something: None, False and a first attempt are left out."""
    values = {short: getattr(item, name) for name, short in names.items() if (name, getattr(item, name)) != ("attempt", 1)}
    return {
        "M": {short: typed(_packed(short, value)) for short, value in values.items() if value is not None and value is not False}
    }


def fields_of(stored: Row, names: Mapping[str, str]) -> dict[str, Any]:
    """The dataclass's keywords in a stored record."""
    return {name: plain(stored[short]) for name, short in names.items() if short in stored}


def _packed(name: str, value: Any) -> Any:
    # 32 bytes instead of 64, in every row of a picture.
    return bytes.fromhex(value) if name == "sha256" else value
