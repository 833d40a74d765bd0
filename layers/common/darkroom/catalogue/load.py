"""The catalogue from its JSON: models.json and presets.json, and what a deployer lays over them; refused as a whole."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from darkroom.catalogue.entries import check, field, known_only, optional, texts
from darkroom.catalogue.models import read_models
from darkroom.catalogue.offers import Catalogue, Fallback, Json, Model, Preset, Route, Successor
from darkroom.errors import ConfigurationError

HERE = Path(__file__).parent

PARTS = ("models", "presets")
_ID = re.compile(r"([a-z0-9][a-z0-9-]{0,31})@([1-9][0-9]{0,4})")
_PRESET = ("summary", "model", "route", "defaults", "overrides", "fallbacks", "timeout_s")
_SHORTEST_S, _LONGEST_S = 60, 86_400


def load_catalogue(folder: Path = HERE) -> Catalogue:
    """The catalogue in `folder`; raises ConfigurationError that names the entry."""
    return build(shipped(folder))


def shipped(folder: Path = HERE) -> Json:
    """What models.json and presets.json in `folder` hold, as one object; raises ConfigurationError."""
    return {part: _entries(folder / f"{part}.json", part) for part in PARTS}


def _entries(path: Path, part: str) -> Json:
    try:
        found: Json = json.loads(path.read_text("utf-8"))[part]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"catalogue: {path.name} cannot be read: {error!r}") from error
    return found


def build(content: Json) -> Catalogue:
    """The catalogue that `content` describes; raises ConfigurationError that names the entry."""
    known_only(content, PARTS, "the whole")
    models, retired = read_models(field(content, "models", dict, "the whole"))
    names = _names(models.values())
    for old, successor in _successors(models, retired):
        check(f"model {old}", successor.model in models, "its replacement is not on offer")
        check(f"model {old}", successor.route in models[successor.model].routes, "its replacement has no such route")
    for old in retired:
        check(f"model {old}", old not in names, "it is retired and another model's alias at once")
    versions = [_preset(name, entry, models) for name, entry in field(content, "presets", dict, "the whole").items()]
    return Catalogue(
        models=models,
        retired=retired,
        names=names,
        presets=_newest(versions),
        versions={preset.id: preset for preset in versions},
    )


def _successors(models: Mapping[str, Model], retired: Mapping[str, Successor]) -> Iterable[tuple[str, Successor]]:
    yield from retired.items()
    yield from ((model.id, model.replaced_by) for model in models.values() if model.replaced_by)


def _newest(versions: Iterable[Preset]) -> dict[str, Preset]:
    newest: dict[str, Preset] = {}
    for preset in versions:
        if preset.name not in newest or preset.version > newest[preset.name].version:
            newest[preset.name] = preset
    return newest


def _preset(preset_id: str, entry: Any, models: Mapping[str, Model]) -> Preset:
    where = f"preset {preset_id}"
    known_only(entry, _PRESET, where)
    named = _ID.fullmatch(preset_id)
    if named is None:
        raise ConfigurationError(f"catalogue: {where}: it must be called NAME@VERSION, such as poster@2")
    model, route = _way(entry, models, where)
    defaults, overrides = field(entry, "defaults", dict, where), texts(entry, "overrides", where)
    _check_names({*defaults, *overrides}, route, where)
    check(where, "prompt" in overrides or "prompt" not in route.fields, "a caller must be able to set the prompt")
    timeout_s = optional(entry, "timeout_s", int, where)
    fits = timeout_s is None or _SHORTEST_S <= timeout_s <= _LONGEST_S
    check(where, fits, f"timeout_s must be from {_SHORTEST_S} to {_LONGEST_S}")
    fallbacks = tuple(_fallback(one, models, where) for one in optional(entry, "fallbacks", list, where) or ())
    ways = [route, *(one.route for one in fallbacks)]
    check(where, len({(one.model, one.name) for one in ways}) == len(ways), "a fallback repeats what was tried before")
    return Preset(
        name=named[1],
        version=int(named[2]),
        summary=field(entry, "summary", str, where),
        model=model,
        route=route,
        defaults=defaults,
        overrides=overrides,
        fallbacks=fallbacks,
        timeout_s=timeout_s,
    )


def _fallback(entry: Any, models: Mapping[str, Model], where: str) -> Fallback:
    where = f"{where}, fallbacks"
    known_only(entry, ("model", "route", "defaults"), where)
    model, route = _way(entry, models, where)
    defaults = optional(entry, "defaults", dict, where) or {}
    _check_names(set(defaults), route, where)
    return Fallback(model=model, route=route, defaults=defaults)


def _way(entry: Json, models: Mapping[str, Model], where: str) -> tuple[Model, Route]:
    model = models.get(field(entry, "model", str, where))
    if model is None:
        raise ConfigurationError(f"catalogue: {where}: there is no model {entry['model']}")
    route = model.routes.get(field(entry, "route", str, where))
    if route is None:
        raise ConfigurationError(f"catalogue: {where}: {model.id} has no route {entry['route']}")
    return model, route


def _check_names(names: set[str], route: Route, where: str) -> None:
    strange = ", ".join(sorted(names - set(route.takes)))
    check(where, not strange, f"{route.model} takes no {strange}")


def _names(models: Iterable[Model]) -> dict[str, Model]:
    names: dict[str, Model] = {}
    for model in models:
        for name in (model.id, *model.aliases):
            check(f"model {model.id}", name not in names, f"the name {name} is taken")
            names[name] = model
    return names
