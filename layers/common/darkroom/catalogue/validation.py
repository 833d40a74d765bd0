"""Judge an input by its model's JSON Schema and say each fault in words: the field, and the values it may have."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
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


def faults_in(route: Route, value: Json, *, said: Mapping[str, str] | None = None, failed: Collection[str] = ()) -> list[Fault]:
    """Every fault of `value`, with pointers under /input, each once.

    `said` has what the caller called each own field, where it was not its own name; `failed` are missing for a known reason.
    """
    errors = islice(route.validator.iter_errors(value), MOST_FAULTS)
    told = _Told(route, value, said or {}, frozenset(failed))
    faults = (*(fault for error in errors for fault in told.faults(error)), *told.size_faults())
    return list(dict.fromkeys(faults))


@dataclass(frozen=True, slots=True)
class _Told:
    """Tells errors of one input in the words of who wrote it."""

    route: Route
    value: Json
    said: Mapping[str, str]
    failed: frozenset[str]

    def faults(self, error: Error) -> Iterator[Fault]:
        rule = _rule(error, self.route.schema)
        because = f"; {rule}" if rule else ""
        if error.validator == "required":
            yield from self._missing(error, because)
        elif error.validator in ("enum", "not"):
            yield Fault(self._pointer(error), f"must be one of {self._left(error)}{because}")
        else:
            yield Fault(self._pointer(error), _WORDS.get(error.validator, _does_not_fit)(error) + because)

    def size_faults(self) -> Iterator[Fault]:
        sizes = self.route.sizes
        if sizes and sizes.bounds and not sizes.bounds.hold(self.value.get(sizes.field)):
            yield Fault(pointer("input", self.said.get(sizes.field, sizes.field)), f"must have {sizes.bounds}")

    def _missing(self, error: Error, because: str) -> Iterator[Fault]:
        # jsonschema tells the missing fields one by one, and names them only in prose.
        for name in error.validator_value:
            if name not in error.instance and not (name in self.failed and not error.absolute_path):
                yield Fault(self._pointer(error, name), f"is required{because}")

    def _pointer(self, error: Error, *missing: str) -> str:
        path = (*error.absolute_path, *missing)
        own = path[:1]
        return pointer("input", *(self.said.get(name) or self.route.neutral_name(name) for name in own), *path[1:])

    def _left(self, error: Error) -> str:
        """The values that a field may have beside the others as they are: no rule may bar what is offered here."""
        path = list(error.absolute_path)
        described = self.route.schema["properties"].get(path[0], {}) if len(path) == 1 else {}
        if "enum" not in described:
            return ", ".join(map(str, error.schema.get("enum", ["another value"])))
        free = [one for one in described["enum"] if not _is_barred(self.route, dict(self.value) | {path[0]: one}, path[0])]
        spelling = self.route.spellings.get(self.said.get(path[0], path[0]))
        synonyms = [name for name, own in spelling.values.items() if own in free] if spelling else []
        return ", ".join(map(str, (*free, *synonyms)))


def _rule(error: Error, schema: Json) -> str:
    """The sentence of the rule between fields that was broken, if it was one."""
    path = list(error.absolute_schema_path)
    return str(schema["allOf"][path[1]]["description"]) if path[:1] == ["allOf"] else ""


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
