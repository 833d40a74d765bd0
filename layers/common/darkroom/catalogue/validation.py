"""Judge an input by its model's JSON Schema and say each fault in words: the field, and the values it may have."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from darkroom.catalogue.faults import MOST_FAULTS, Fault, pointer
from darkroom.catalogue.offers import Json, Route

Error = Any
"""A jsonschema.ValidationError, whose stubs allow "not set" wherever we read."""

_KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def faults_in(route: Route, value: Json) -> list[Fault]:
    """Every fault of `value`, with pointers under /input, each once."""
    errors = islice(route.validator.iter_errors(value), MOST_FAULTS)
    found = (fault for error in errors for fault in _faults(error, route, value))
    return list(dict.fromkeys(found))


def _faults(error: Error, route: Route, value: Json) -> Iterator[Fault]:
    path = ("input", *error.absolute_path)
    rule = _rule(error, route.schema)
    because = f"; {rule}" if rule else ""
    if error.validator == "required":
        # jsonschema tells the missing fields one by one, and names them only in prose.
        for name in error.validator_value:
            if name not in error.instance:
                yield Fault(pointer(*path, name), f"is required{because}")
    elif error.validator in ("enum", "not"):
        yield Fault(pointer(*path), f"must be one of {_left(error, route, value)}{because}")
    else:
        yield Fault(pointer(*path), _WORDS.get(error.validator, _does_not_fit)(error) + because)


def _rule(error: Error, schema: Json) -> str:
    """The sentence of the rule between fields that was broken, if it was one."""
    path = list(error.absolute_schema_path)
    return str(schema["allOf"][path[1]]["description"]) if path[:1] == ["allOf"] else ""


def _left(error: Error, route: Route, value: Json) -> str:
    """The values that a field may have beside the others as they are: no rule may bar what is offered here."""
    name = error.absolute_path[0]
    offered = route.schema["properties"][name]["enum"]
    return ", ".join(str(one) for one in offered if not _is_barred(route, dict(value) | {name: one}, name))


def _is_barred(route: Route, value: Json, name: str) -> bool:
    return any(error.absolute_path[0] == name for error in route.validator.iter_errors(value) if error.absolute_path)


def _type(error: Error) -> str:
    kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    return f"must be {' or '.join(_KINDS[kind] for kind in kinds)}"


def _pattern(error: Error) -> str:
    return f"must be {error.schema.get('description', 'of another form')}"


def _does_not_fit(error: Error) -> str:
    return f"does not fit the model's rules ({error.validator})"


def _length(unit: str, bound: str) -> Callable[[Error], str]:
    return lambda error: f"must have {bound} {error.validator_value} {unit}; it has {len(error.instance)}"


def _limit(bound: str) -> Callable[[Error], str]:
    return lambda error: f"must be {bound} {error.validator_value}"


_WORDS: Mapping[str, Callable[[Error], str]] = {
    "type": _type,
    "pattern": _pattern,
    "minLength": _length("characters", "at least"),
    "maxLength": _length("characters", "at most"),
    "minItems": _length("entries", "at least"),
    "maxItems": _length("entries", "at most"),
    "minimum": _limit("at least"),
    "maximum": _limit("at most"),
}
