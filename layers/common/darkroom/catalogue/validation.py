"""Judge an input by its model's JSON Schema and say each fault in words: the field, and the values it may have."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from darkroom.catalogue.faults import MOST_FAULTS, Fault, pointer
from darkroom.catalogue.limits import shortened
from darkroom.catalogue.offers import Json, Route

Error = Any
"""A jsonschema.ValidationError, whose stubs allow "not set" wherever we read."""

_MOST_VALUES = 100
"""Of a field, in one sentence."""

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
    """Every fault of `value`, with pointers under /input, each once; one more than are listed ends the search.

    What is too long is said to be, and judged no further than it may be long. `said` has what the caller called each own field,
    where it was not its own name; `failed` are missing for a known reason.
    """
    short, too_long = shortened(route.schema["properties"], value)
    told = _Told(route, short, said or {}, frozenset(failed))
    faults = [told.fault(name, detail) for name, detail in too_long.items()]
    errors = islice(route.validator.iter_errors(short), MOST_FAULTS + 1)
    faults += [fault for error in errors for fault in told.faults(error)]
    return list(dict.fromkeys((*faults, *told.size_faults())))


@dataclass(frozen=True, slots=True)
class _Told:
    """Tells errors of one input in the words of who wrote it."""

    route: Route
    value: Json
    said: Mapping[str, str]
    failed: frozenset[str]

    def fault(self, own: str, detail: str) -> Fault:
        return Fault(pointer("input", self._name(own)), detail)

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

    def _name(self, own: str) -> str:
        return self.said.get(own) or self.route.neutral_name(own)

    def _missing(self, error: Error, because: str) -> Iterator[Fault]:
        # jsonschema tells the missing fields one by one, and names them only in prose.
        for name in error.validator_value:
            if name not in error.instance and not (name in self.failed and not error.absolute_path):
                yield Fault(self._pointer(error, name), f"is required{because}")

    def _pointer(self, error: Error, *missing: str) -> str:
        path = (*error.absolute_path, *missing)
        own = path[:1]
        return pointer("input", *map(self._name, own), *path[1:])

    def _left(self, error: Error) -> str:
        """The values that a field may have beside the others as they are: no rule may bar what is offered here."""
        path = list(error.absolute_path)
        described = self.route.schema["properties"].get(path[0], {}) if len(path) == 1 else {}
        if "enum" not in described:
            return ", ".join(map(str, error.schema.get("enum", ["another value"])))
        judge = _judge_of(self.route, path[0])
        some, others = described["enum"][:_MOST_VALUES], described["enum"][_MOST_VALUES:]
        free = [one for one in some if not _is_barred(judge, dict(self.value) | {path[0]: one}, path[0])]
        spelling = self.route.spellings.get(self.said.get(path[0], path[0]))
        synonyms = [name for name, own in spelling.values.items() if own in free] if spelling else []
        more = [f"or {len(others)} more"] if others else []
        return ", ".join(map(str, (*free, *synonyms, *more)))


def _rule(error: Error, schema: Json) -> str:
    """The sentence of the rule between fields that was broken, if it was one."""
    path = list(error.absolute_schema_path)
    return str(schema["allOf"][path[1]]["description"]) if path[:1] == ["allOf"] else ""


def _judge_of(route: Route, name: str) -> Any:
    """What judges one field and the rules between fields: it is asked about each value, and the other fields stay the same."""
    rules = route.schema.get("allOf", [])
    return route.validator.evolve(schema={"properties": {name: route.schema["properties"][name]}, "allOf": rules})


def _is_barred(judge: Any, value: Json, name: str) -> bool:
    return any(error.absolute_path[0] == name for error in judge.iter_errors(value) if error.absolute_path)


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
