"""The JSON Schema of what a caller may send to a route: neutral fields, the model's own, and which exclude each other."""

from collections.abc import Collection, Iterator
from typing import Any

from darkroom.catalogue.offers import NEUTRAL, SIZED, Json, References, Route, Sizes

_REFERENCE: Json = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"], "additionalProperties": False},
        {
            "type": "object",
            "properties": {"upload": {"type": "string", "pattern": "^upl_[0-9A-HJKMNP-TV-Z]{26}(?!\\n)$"}},
            "required": ["upload"],
            "additionalProperties": False,
        },
    ]
}


def describe(route: Route, names: Collection[str], defaults: Json) -> Json:
    """What may be sent when only `names` are taken and `defaults` lie under it."""
    settled = {route.field_of(name) for name in defaults}
    left = [own for own in route.schema["required"] if own not in settled]
    plain = [own for own in left if not _other_names(route, own)]
    rules = [*_either(route, names, left), *_not_both(route, names), *_pairs(route, names, defaults)]
    rules += [_without(rule, settled, defaults) for rule in route.schema.get("allOf", ())]
    whole = {
        "type": "object",
        "properties": {name: _property(route, name) | _own_default(name, defaults) for name in names},
        "required": plain,
        "additionalProperties": False,
    }
    return whole | ({"allOf": rules} if rules else {})


def _property(route: Route, name: str) -> dict[str, Any]:
    if name == "images" and route.references:
        return _images(route.references, route.schema["properties"][route.references.field])
    if name in SIZED and route.sizes:
        return _sized(route, route.sizes, name)
    spelling = route.spellings.get(name)
    if spelling is None:
        return dict(route.schema["properties"][name])
    known = dict(route.schema["properties"][spelling.field])
    return known | ({"enum": [*known["enum"], *spelling.values]} if "enum" in known else {})


def _images(references: References, own: Json) -> dict[str, Any]:
    return {
        "description": f"Reference images; the model's own field is {references.field}.",
        "type": "array",
        "items": _REFERENCE,
        "minItems": 1 if references.alone else own.get("minItems", 0),
        "maxItems": references.most,
    }


def _sized(route: Route, sizes: Sizes, name: str) -> dict[str, Any]:
    if name == "resolution":
        values = dict.fromkeys(resolution for row in sizes.table.values() for resolution in row)
        return {"description": f"With aspect_ratio it becomes {sizes.field}.", "type": "string", "enum": list(values)}
    if sizes.field == name:
        return dict(route.schema["properties"][name])
    return {"description": f"Becomes {sizes.field}.", "type": "string", "enum": list(sizes.table)}


def _own_default(name: str, defaults: Json) -> dict[str, Any]:
    return {"default": defaults[name]} if name in defaults else {}


def _other_names(route: Route, own: str) -> list[str]:
    """What a caller may call the model's own field otherwise."""
    return [name for name in NEUTRAL if name != own and route.field_of(name) == own]


def _either(route: Route, names: Collection[str], left: list[str]) -> Iterator[Json]:
    """A required field may come under any of its names."""
    for own in left:
        others = _other_names(route, own)
        if others:
            yield {"anyOf": [{"required": [name]} for name in (*others, own) if name in names]}


def _not_both(route: Route, names: Collection[str]) -> Iterator[Json]:
    """One thing is said once."""
    for own in route.fields:
        for other in _other_names(route, own):
            if {own, other} <= set(names) and not {own, other} <= set(SIZED):
                yield {"not": {"required": [other, own]}}


def _pairs(route: Route, names: Collection[str], defaults: Json) -> Iterator[Json]:
    """Which resolutions there are in which ratio, where not each has all of them."""
    if not route.sizes or "resolution" not in names:
        return
    table, ratio = route.sizes.table, defaults.get("aspect_ratio", route.sizes.usual)
    if route.sizes.field == "aspect_ratio":
        yield {"if": {"required": ["resolution"]}, "then": {"properties": {"aspect_ratio": {"enum": list(table)}}}}
    if len({tuple(sorted(row)) for row in table.values()}) == 1:
        return
    if ratio in table:
        yield {"if": {"not": {"required": ["aspect_ratio"]}}, "then": _resolutions(table[ratio])}
    for one, row in table.items():
        yield {"if": {"properties": {"aspect_ratio": {"const": one}}, "required": ["aspect_ratio"]}, "then": _resolutions(row)}


def _resolutions(row: Json) -> Json:
    return {"properties": {"resolution": {"enum": list(row)}}}


def _without(rule: Json, settled: Collection[str | None], defaults: Json) -> Json:
    """A rule between fields, which need not demand what is there anyway, and right as it is."""
    then = dict(rule["then"])
    if "required" in then:
        narrowed = then.get("properties", {})
        then["required"] = [
            name for name in then["required"] if name not in settled or not _fits(defaults.get(name), narrowed.get(name, {}))
        ]
    return dict(rule) | {"then": then}


def _fits(value: Any, narrowed: Json) -> bool:
    """Whether a rule leaves a default standing; of one that comes under another name nothing is known here."""
    return value is None or (value in narrowed.get("enum", (value,)) and value not in narrowed.get("not", {}).get("enum", ()))
