"""What judges an input by its model, and what reads a deployer's catalogue, with the worst that each is known to be given."""

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from darkroom.adapters.upstreams.registry import routed
from darkroom.catalogue.choosing import NotOffered, choose_again, choose_model, choose_preset
from darkroom.catalogue.describing import describe
from darkroom.catalogue.live import over
from darkroom.catalogue.load import build, shipped
from darkroom.catalogue.offers import Catalogue, Route
from darkroom.errors import ConfigurationError
from tests.security.linear.builders import entries, names, repeated
from tests.support.instructions import Work

_IMAGES = "gpt-image-2/image-to-image"
_ENUMS = "gpt-image-2/text-to-image"
_SIZED = "pixapi/gpt-image-2"
_PATTERN = "gpt-image-2/text-to-image", "beta"


@cache
def _catalogue() -> Catalogue:
    return build(shipped())


def input_of(given: Any, *, model: str, route: str = "default", refused: bool = True) -> None:
    """An input for a model's route, as a create judges it."""
    understood = choose_model(_catalogue(), model, route, offered=lambda _: True).understand(given)
    assert bool(understood.faults) is refused


def preset_input(given: Any) -> None:
    """An input for a preset, and for what may serve instead."""
    choice = choose_preset(_catalogue(), "poster", offered=lambda _: True)
    assert choice.understand(given).faults
    choice.fallbacks(given, offered=lambda _: True)


def chosen(text: str) -> None:
    """What a caller names."""
    for choose in (
        partial(choose_model, route=None),
        partial(choose_again, wire_route=text, upstream=text),
        choose_preset,
    ):
        try:
            choose(_catalogue(), text, offered=lambda _: True)  # type: ignore[operator]
        except NotOffered:
            continue


def own_catalogue(text: str) -> None:
    """A deployer's object, and what the API shows of it."""
    found = over(shipped(), text.encode(), routed())
    for model in found.models.values():
        for route in model.routes.values():
            assert route.input_schema
    assert all(preset.schema for preset in found.versions.values())


def wrong_catalogue(text: str) -> None:
    """A deployer's object that is refused."""
    over(shipped(), text.encode(), routed())


def described(given: Any) -> None:
    """What a route of many fields takes."""
    schema = {"type": "object", "properties": {name: {} for name in given}, "required": given, "additionalProperties": False}
    route = Route(model="m", name="default", upstream="hiapi", wire_model="m", wire_route=None, schema=schema)
    describe(route, route.takes, {})


def _few_words(size: int) -> list[str]:
    return [name for name, _ in zip(names(), range(size // 6), strict=False)]


def _in_list(field: str, entry: Any, **beside: Any) -> Callable[[int], Any]:
    return lambda size: {"prompt": "a", **beside, field: [entry] * max(1, size // (len(json.dumps(entry)) + 1))}


def _worst_of_each() -> Iterator[Work]:
    """Wrong values in every field that has a list of them, beside a long list of wrong entries."""
    for model in _catalogue().models.values():
        for route in model.routes.values():
            fields = route.schema["properties"]
            wrong = {name: "nope" for name, one in fields.items() if "enum" in one}
            for name in (name for name, one in fields.items() if one.get("type") == "array"):
                does = partial(input_of, model=model.id, route=route.name)
                yield Work(name=f"input of {model.id}, {route.name}: wrong {name}", does=does, given=_in_list(name, 0, **wrong))


def _addresses(host: str) -> Callable[[int], Any]:
    """As many reference images as are taken, each of an equal share of the size, up to the longest that is read."""
    return lambda size: {"prompt": "a", "images": [f"https://{n:02}{(host * size)[: min(8000, size // 16)]}/" for n in range(16)]}


def _own_model(**parts: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"prompt": {"type": "string"}},
        "required": ["prompt"],
        "additionalProperties": False,
    }
    route = {"schema": schema | {"properties": schema["properties"] | parts.pop("properties", {})}, **parts}
    return {
        "upstream": "hiapi",
        "kind": "image",
        "status": "current",
        "confidence": "low",
        "routes": {"default": route},
    }


def _words(size: int) -> list[str]:
    return ["w" + one for one, _ in zip(names(), range(size // 20), strict=False)]


def _many_values(size: int) -> str:
    words = _words(size)
    model = _own_model(
        properties={"style": {"enum": words}},
        neutral={"quality": {"field": "style", "values": {f"-{one}": one for one in words[: len(words) // 2]}}},
    )
    return json.dumps({"models": {"own": model}})


def _many_sizes(size: int) -> str:
    words = _words(size)
    table = {one: {"1K": one} for one in words}
    model = _own_model(
        properties={"size": {"enum": words}}, size={"field": "size", "form": "W:H", "usual": words[0], "table": table}
    )
    return json.dumps({"models": {"own": model}})


def _many_resolutions(size: int) -> str:
    words = _words(size)
    half = len(words) // 2
    table = {one: {"1K": one, f"{number}K": one} for number, one in enumerate(words[:half], start=2)}
    model = _own_model(properties={"size": {}}, size={"field": "size", "form": "W:H", "usual": words[0], "table": table})
    return json.dumps({"models": {"own": model}})


def _many_fields(size: int) -> str:
    fields = {one: {} for one in _words(size)}
    return json.dumps({"models": {"own": _own_model(properties=fields)}})


def _many_models(size: int) -> str:
    model = _own_model()
    return json.dumps({"models": {one: model for one, _ in zip(_words(size * 20), range(size // 250), strict=False)}})


def _many_aliases(size: int) -> str:
    return json.dumps({"models": {"own": _own_model() | {"aliases": dict.fromkeys(_words(size), "")}}})


def _many_routes(size: int) -> str:
    model = _own_model()
    route = model["routes"]["default"]
    model["routes"] |= {one: route for one, _ in zip(_words(size * 20), range(size // 180), strict=False)}
    return json.dumps({"models": {"own": model}})


def _many_presets(size: int) -> str:
    preset = {"summary": "a", "model": _ENUMS, "route": "default", "defaults": {}, "overrides": ["prompt"]}
    return json.dumps({"presets": {f"own@{number}": preset for number in range(1, min(90_000, size // 110))}})


def _many_overrides(size: int) -> str:
    preset = {"summary": "a", "model": _ENUMS, "route": "default", "defaults": {}, "overrides": ["prompt"] * (size // 11)}
    return json.dumps({"presets": {"own@1": preset}})


def _many_rules(size: int) -> str:
    model = _own_model(properties={"style": {"enum": ["a", "b"]}})
    rule = {"description": "a", "if": {"required": ["style"]}, "then": {"properties": {"style": {"enum": ["a"]}}}}
    model["routes"]["default"]["schema"]["allOf"] = [rule] * (size // 100)
    return json.dumps({"models": {"own": model}})


_GIVEN = partial(input_of, model=_ENUMS)
_REFERRING = partial(input_of, model=_IMAGES)
WORKS = [
    *_worst_of_each(),
    Work(name="input: unknown fields", does=_GIVEN, given=lambda size: dict.fromkeys(_few_words(size), 0)),
    Work(
        name="input: unknown fields nearly right",
        does=_GIVEN,
        given=lambda size: {f"aspect_rat{n}": 0 for n in range(size // 18)},
    ),
    Work(
        name="input: unknown fields of a preset",
        does=preset_input,
        given=lambda size: dict.fromkeys(_few_words(size), 0),
        most_per_byte=10_000,
    ),
    Work(name="input: a long unknown field", does=_GIVEN, given=lambda size: {"a" * size: 0}),
    Work(name="input: a long prompt", does=_GIVEN, given=lambda size: {"prompt": "a" * size}),
    Work(name="input: a list for a prompt", does=_GIVEN, given=_in_list("prompt", "a")),
    Work(name="input: a list for a choice", does=_GIVEN, given=_in_list("aspect_ratio", "1:1")),
    Work(name="input: a long text for a choice", does=_GIVEN, given=lambda size: {"prompt": "a", "aspect_ratio": "1" * size}),
    Work(
        name="input: an object for a choice",
        does=_GIVEN,
        given=lambda size: {"prompt": "a", "aspect_ratio": dict.fromkeys(_few_words(size))},
    ),
    Work(
        name="input: a long size",
        does=partial(input_of, model=_SIZED),
        given=lambda size: {"prompt": "a", "size": "1" * size + "x"},
    ),
    Work(
        name="input: a text for a pattern",
        does=partial(input_of, model=_PATTERN[0], route=_PATTERN[1]),
        given=lambda size: {"prompt": "a", "size": "1" * size + "x"},
    ),
    Work(name="input: stand-ins", does=_GIVEN, given=_in_list("prompt", "upload:url/upl_01KBCDEFGHJKMNPQRSTVWXYZ01")),
    Work(name="images: too many", does=_REFERRING, given=_in_list("images", "https://a.example/1.png")),
    Work(name="images: too many of its own", does=_REFERRING, given=_in_list("input_urls", "https://a.example/1.png")),
    Work(
        name="images: too many uploads of its own",
        does=_REFERRING,
        given=_in_list("input_urls", "upl_01KBCDEFGHJKMNPQRSTVWXYZ01"),
    ),
    Work(name="images: wrong of its own", does=_REFERRING, given=_in_list("input_urls", "x")),
    Work(
        name="images: objects",
        does=_REFERRING,
        given=lambda size: {"prompt": "a", "images": [dict.fromkeys(_few_words(size // 8))] * 8},
    ),
    Work(name="images: one long text", does=_REFERRING, given=lambda size: {"prompt": "a", "images": ["https://" + "a" * size]}),
    Work(name="images: hosts of dots", does=_REFERRING, given=_addresses(".")),
    Work(name="images: hosts of combining marks", does=_REFERRING, given=_addresses("\u0316\u0300")),
    Work(name="images: hosts of Korean", does=_REFERRING, given=_addresses("\ud55c")),
    Work(name="images: hosts of colons", does=_REFERRING, given=_addresses(":")),
    Work(name="images: hosts of digits", does=_REFERRING, given=_addresses("1.")),
    Work(name="images: hosts of at signs", does=_REFERRING, given=_addresses("@")),
    Work(name="names: a long one", does=chosen, given=repeated("gpt-")),
    Work(name="names: a long version", does=chosen, given=repeated("9", "poster@")),
    Work(name="a catalogue: many values", does=own_catalogue, given=_many_values),
    Work(name="a catalogue: many sizes", does=own_catalogue, given=_many_sizes),
    Work(name="a catalogue: many resolutions", does=own_catalogue, given=_many_resolutions),
    Work(name="a catalogue: many fields", does=own_catalogue, given=_many_fields, smaller=8, most_per_byte=200_000),
    Work(name="a catalogue: many models", does=own_catalogue, given=_many_models, smaller=8, most_per_byte=200_000),
    Work(name="a catalogue: many aliases", does=own_catalogue, given=_many_aliases),
    Work(name="a catalogue: many routes", does=own_catalogue, given=_many_routes, smaller=8, most_per_byte=200_000),
    Work(name="a catalogue: many presets", does=own_catalogue, given=_many_presets, most_per_byte=20_000),
    Work(name="a catalogue: many overrides", does=own_catalogue, given=_many_overrides),
    Work(name="a catalogue: many rules", does=own_catalogue, given=_many_rules, smaller=8, most_per_byte=200_000),
    Work(name="a catalogue: opening brackets", does=wrong_catalogue, given=repeated("["), ends=ConfigurationError.__name__),
    Work(name="a catalogue: deep", does=wrong_catalogue, given=repeated('{"a":'), ends=ConfigurationError.__name__),
    Work(
        name="a catalogue: unknown fields",
        does=wrong_catalogue,
        given=entries('"a":0', "{", "}"),
        ends=ConfigurationError.__name__,
    ),
    Work(name="fields described", does=described, given=_few_words, most_per_byte=20_000),
]
