"""How much a field may hold: judged before its schema is, which may be slow on what is long."""

from collections.abc import Iterator, Mapping
from typing import Any

MOST_ENTRIES = 1000
"""Of a list whose schema has no maxItems: a rule such as uniqueItems compares each entry with each other one."""

MOST_MATCHED = 1024
"""Characters of a text whose schema has a pattern and no maxLength."""

Json = Mapping[str, Any]


def most_entries(field: Json) -> int:
    """How many entries a list in `field` (its JSON Schema) may have."""
    return int(field.get("maxItems", MOST_ENTRIES))


def most_characters(field: Json) -> int | None:
    """How many characters a text in `field` may have; None where nothing depends on them."""
    most = field.get("maxLength", MOST_MATCHED if "pattern" in field else None)
    return None if most is None else int(most)


def shortened(fields: Json, value: Json) -> tuple[dict[str, Any], dict[str, str]]:
    """`value` with what is too long cut to what its field may hold, and for each such field what is wrong with it."""
    found = dict(_too_long(fields, value))
    cut = {name: one[: found[name][0]] if name in found else one for name, one in value.items()}
    return cut, {name: f"must have at most {most} {unit}; it has {len(value[name])}" for name, (most, unit) in found.items()}


def _too_long(fields: Json, value: Json) -> Iterator[tuple[str, tuple[int, str]]]:
    for name, one in value.items():
        field = fields.get(name, {})
        most, unit = None, ""
        if isinstance(one, list):
            most, unit = most_entries(field), "entries"
        elif isinstance(one, str):
            most, unit = most_characters(field), "characters"
        if most is not None and len(one) > most:
            yield name, (most, unit)
