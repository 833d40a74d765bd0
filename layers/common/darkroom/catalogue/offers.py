"""What may be asked for: models with their routes, and presets that choose a model for a purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from darkroom.errors import ConfigurationError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

Json = Mapping[str, Any]

DEFAULT_ROUTE = "default"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way to a model: `wire_route` is what the upstream is told (None: nothing), `schema` judges the whole input."""

    model: str
    name: str
    wire_route: str | None
    schema: Json

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.schema["properties"])

    @cached_property
    def validator(self) -> "Draft202012Validator":
        """Raises ConfigurationError when the schema itself is wrong."""
        # 90 ms of import that only a create or a retry needs.
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(self.schema)
        except SchemaError as error:
            raise ConfigurationError(
                f"models.json: {self.model}, route {self.name}: the schema is wrong: {error.message}"
            ) from error
        return Draft202012Validator(self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of an upstream. `aliases` are further names by which it may be asked for, each with the route it implies."""

    id: str
    upstream: str
    kind: str
    routes: Mapping[str, Route]
    aliases: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A model that was, and what to use now."""

    id: str
    model: str
    route: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A purpose: `defaults` lie under the caller's input, of which only the fields in `overrides` are taken."""

    name: str
    version: int
    summary: str
    model: Model
    route: Route
    defaults: Json
    overrides: tuple[str, ...]

    @property
    def id(self) -> str:
        """What a task remembers: a later version of the preset does not rewrite its history."""
        return f"{self.name}@{self.version}"

    @property
    def schema(self) -> Json:
        """The JSON Schema of what a caller may send."""
        known = self.route.schema["properties"]
        narrowed = {
            "type": "object",
            "properties": {name: known[name] | self._own_default(name) for name in self.overrides},
            "required": self._left(self.route.schema["required"]),
            "additionalProperties": False,
        }
        rules = [self._with_defaults(rule) for rule in self.route.schema.get("allOf", ())]
        return narrowed | ({"allOf": rules} if rules else {})

    def _own_default(self, name: str) -> Json:
        return {"default": self.defaults[name]} if name in self.defaults else {}

    def _left(self, required: list[str]) -> list[str]:
        return [name for name in required if name not in self.defaults]

    def _with_defaults(self, rule: Json) -> Json:
        """A rule between fields, which need not demand what the preset brings along."""
        then = dict(rule["then"])
        if "required" in then:
            then["required"] = self._left(then["required"])
        return dict(rule) | {"then": then}


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything on offer, by name; `names` leads every spelling of a current model to it."""

    models: Mapping[str, Model]
    retired: Mapping[str, Retired]
    presets: Mapping[str, Preset]
    names: Mapping[str, Model]
