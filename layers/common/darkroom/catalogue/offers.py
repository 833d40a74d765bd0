"""What may be asked for: models with their routes, and presets that choose a model for a purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from darkroom.catalogue.bounds import Bounds
from darkroom.errors import ConfigurationError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

Json = Mapping[str, Any]

DEFAULT_ROUTE = "default"

NEUTRAL = ("prompt", "aspect_ratio", "resolution", "images", "seed", "negative_prompt", "output_format", "quality")
"""The fields that mean the same for every model that has them, whatever it calls them."""

SIZED = ("aspect_ratio", "resolution")
"""The two neutral fields that some models take as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """How a route takes reference images: in `field`, at most `most`, each as one of `takes` ("url", "data").

    `alone`: the field is one text, not a list. `largest` is in bytes, `largest_pixels` width times height of one; None where
    nobody says.
    """

    field: str
    most: int
    takes: tuple[str, ...]
    alone: bool
    largest: int | None = None
    largest_pixels: int | None = None

    @property
    def uploads_as_data(self) -> bool:
        """Whether an upload travels inside the request: only where no address is taken."""
        return "url" not in self.takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """aspect_ratio and resolution as one value of `field`, written like `form`: `table` has ratio, resolution, value.

    A row's first resolution is taken when none is given, and the ratio `usual` when only a resolution is. `bounds` hold for a
    size in pixels that is in no table.
    """

    field: str
    form: str
    usual: str
    table: Mapping[str, Mapping[str, str]]
    bounds: Bounds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """What a neutral field is called here, and the values that are called otherwise."""

    field: str
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way to a model: the upstream, what it is told (`wire_route` None: nothing), and how it takes the neutral fields.

    `schema` judges the whole input in the model's own fields.
    """

    model: str
    name: str
    upstream: str
    wire_model: str
    wire_route: str | None
    schema: Json
    references: References | None = None
    sizes: Sizes | None = None
    spellings: Mapping[str, Spelling] = field(default_factory=dict)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The model's own fields."""
        return tuple(self.schema["properties"])

    @cached_property
    def takes(self) -> tuple[str, ...]:
        """Every field that a caller may send: the neutral ones that the model can serve, then its own."""
        return tuple(dict.fromkeys((*filter(self.field_of, NEUTRAL), *self.fields)))

    def field_of(self, name: str) -> str | None:
        """The model's own field that a caller's field `name` goes to; None where there is no such thing."""
        if name == "images" and self.references:
            return self.references.field
        if name in SIZED and self.sizes:
            return self.sizes.field
        if name in self.spellings:
            return self.spellings[name].field
        return name if name in self.schema["properties"] else None

    def neutral_name(self, own: str) -> str:
        """What a caller is told about the model's own field `own`."""
        return next((name for name in NEUTRAL if self.field_of(name) == own), own)

    @property
    def size_form(self) -> str:
        """How the upstream is told a picture's size; "none" where it cannot be told."""
        if self.sizes:
            return self.sizes.form
        return " + ".join(name for name in SIZED if name in self.fields) or "none"

    @cached_property
    def input_schema(self) -> Json:
        """The JSON Schema of what a caller may send, in neutral fields and in the model's own."""
        from darkroom.catalogue.describing import describe

        return describe(self, self.takes, {})

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
                f"catalogue: model {self.model}, route {self.name}: the schema is wrong: {error.message}"
            ) from error
        return Draft202012Validator(self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """What to use instead of a model that is retired, or soon will be."""

    model: str
    route: str

    def __str__(self) -> str:
        return self.model if self.route == DEFAULT_ROUTE else f"{self.model} with route {self.route}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model. `aliases` are further names by which it may be asked for, each with the route that it implies, if any.

    `status` is current or legacy; `confidence` (high, medium, low) says how well its facts are known. `with_images` is the
    model's twin that takes reference images, where this one takes none.
    """

    id: str
    kind: str
    status: str
    confidence: str
    routes: Mapping[str, Route]
    aliases: Mapping[str, str | None] = field(default_factory=dict)
    replaced_by: Successor | None = None
    with_images: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What may serve a preset instead, with defaults of its own."""

    model: Model
    route: Route
    defaults: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A purpose: `defaults` lie under the caller's input, of which only the fields in `overrides` are taken.

    `fallbacks` come in the order in which they are to be tried; `timeout_s` holds where a request names none.
    """

    name: str
    version: int
    summary: str
    model: Model
    route: Route
    defaults: Json
    overrides: tuple[str, ...]
    fallbacks: tuple[Fallback, ...] = ()
    timeout_s: int | None = None

    @property
    def id(self) -> str:
        """What a task remembers: a later version of the preset does not rewrite its history."""
        return f"{self.name}@{self.version}"

    @property
    def schema(self) -> Json:
        """The JSON Schema of what a caller may send."""
        from darkroom.catalogue.describing import describe

        return describe(self.route, self.overrides, self.defaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything on offer; `names` leads every spelling of a model to it.

    `presets` has the newest version of each by its bare name, `versions` every one by its id.
    """

    models: Mapping[str, Model]
    retired: Mapping[str, Successor]
    presets: Mapping[str, Preset]
    versions: Mapping[str, Preset]
    names: Mapping[str, Model]
