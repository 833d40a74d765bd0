"""The further checks of a catalogue, for what somebody else wrote: they apply its JSON Schemas, and know the upstreams."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from darkroom.catalogue.choosing import Choice
from darkroom.catalogue.entries import check
from darkroom.catalogue.offers import DEFAULT_ROUTE, Catalogue, Json, Preset, Route

_PROMPT = "a red kite over a quiet bay"


def check_upstreams(catalogue: Catalogue, routed: Mapping[str, bool]) -> None:
    """That every route leads to an upstream that there is, and names a route only to one that knows any (`routed` says which).

    Raises ConfigurationError that names the entry.
    """
    for model in catalogue.models.values():
        for route in model.routes.values():
            where = f"model {model.id}, route {route.name}"
            check(where, route.upstream in routed, f"there is no upstream {route.upstream}; there are {', '.join(routed)}")
            told = route.wire_route not in (None, "", DEFAULT_ROUTE)
            check(where, routed[route.upstream] or not told, f"its upstream {route.upstream} knows no routes, so no wire_route")


def check_closely(catalogue: Catalogue, models: Collection[str]) -> None:
    """That the schemas of `models` are right and fit their tables, and that every preset's defaults can be sent.

    Raises ConfigurationError that names the entry.
    """
    for model in catalogue.models.values():
        if model.id in models:
            for route in model.routes.values():
                _check_route(route)
    for preset in catalogue.versions.values():
        for choice in _choices(preset):
            _check_defaults(choice, preset)


def _check_route(route: Route) -> None:
    where = f"model {route.model}, route {route.name}"
    check(where, not any(_references_of(route.schema)), "its schema must not refer to another one ($ref)")
    judge = route.validator
    for own, schema, value in _made(route):
        check(where, judge.evolve(schema=schema).is_valid(value), f"{value} is not what its field {own} allows")
    # Each rule is applied once, whatever comes of it: a pattern that is none shows only then.
    list(judge.iter_errors(dict.fromkeys(route.fields, "")))


def _made(route: Route) -> Iterator[tuple[str, Json, Any]]:
    """What tables and defaults put into the model's own fields: the field, its schema and the value."""
    fields = route.schema["properties"]
    if route.sizes:
        own = route.sizes.field
        # That each is in the field's list was seen when the table was read: to look again for each would cost the square.
        unlisted = {name: one for name, one in fields[own].items() if name != "enum"}
        yield from ((own, unlisted, value) for row in route.sizes.table.values() for value in row.values())
    yield from ((name, one, one["default"]) for name, one in fields.items() if "default" in one)


def _references_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ("$ref" for name in value if name in ("$ref", "$dynamicRef"))
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _references_of(one)


def _choices(preset: Preset) -> Iterator[Choice]:
    yield Choice(model=preset.model, route=preset.route, preset=preset, defaults=preset.defaults)
    for one in preset.fallbacks:
        yield Choice(model=one.model, route=one.route, preset=preset, defaults=one.defaults)


def _check_defaults(choice: Choice, preset: Preset) -> None:
    given: Json = {"prompt": _PROMPT} if "prompt" in preset.overrides else {}
    for fault in choice.understand(given).faults:
        name = fault.pointer.rpartition("/")[2]
        # What is required the caller may still bring.
        brought = name in preset.overrides and (name == "prompt" or fault.detail.startswith("is required"))
        check(f"preset {preset.id}, {choice.model.id}", brought, f"{fault.pointer} {fault.detail}")
