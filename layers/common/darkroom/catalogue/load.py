"""Read models.json and presets.json, and refuse the whole catalogue when one entry is wrong."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom.catalogue.offers import DEFAULT_ROUTE, Catalogue, Json, Model, Preset, Retired, Route
from darkroom.errors import ConfigurationError

HERE = Path(__file__).parent


def load_catalogue(folder: Path = HERE) -> Catalogue:
    """The catalogue in `folder`; raises ConfigurationError that names the file and the entry."""
    models, retired = _read_models(_entries(folder / "models.json", "models"))
    presets = [_preset(entry, models) for entry in _entries(folder / "presets.json", "presets")]
    names = _names(models.values())
    for old in retired:
        _check(f"models.json: {old.id}", old.id not in names, "it is retired and current at once")
        _check(f"models.json: {old.id}", old.model in models and old.route in models[old.model].routes, "its replacement is not")
    _check("presets.json", len({preset.name for preset in presets}) == len(presets), "two presets have the same name")
    return Catalogue(
        models=models,
        retired={old.id: old for old in retired},
        presets={preset.name: preset for preset in presets},
        names=names,
    )


def _entries(path: Path, name: str) -> list[Json]:
    try:
        found = json.loads(path.read_text("utf-8"))[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path.name}: cannot be read: {error!r}") from error
    is_list = isinstance(found, list) and all(isinstance(one, dict) for one in found)
    _check(path.name, is_list, f"{name} must be a list of objects")
    return list(found)


def _read_models(entries: list[Json]) -> tuple[dict[str, Model], list[Retired]]:
    current: dict[str, Model] = {}
    retired: list[Retired] = []
    for entry in entries:
        where = f"models.json: {entry.get('id', 'an entry without id')}"
        status = _field(entry, "status", str, where)
        _check(where, status in ("current", "retired"), "its status must be current or retired")
        if status == "retired":
            retired.append(_retired(entry, where))
            continue
        model = _model(entry, where)
        _check(where, model.id not in current, "it is there twice")
        current[model.id] = model
    return current, retired


def _retired(entry: Json, where: str) -> Retired:
    successor = _field(entry, "replaced_by", dict, where)
    return Retired(
        id=_field(entry, "id", str, where),
        model=_field(successor, "model", str, where),
        route=_field(successor, "route", str, where),
    )


def _model(entry: Json, where: str) -> Model:
    model_id = _field(entry, "id", str, where)
    routes = {name: _route(model_id, name, found, where) for name, found in _field(entry, "routes", dict, where).items()}
    _check(where, DEFAULT_ROUTE in routes, f"it has no route {DEFAULT_ROUTE}")
    aliases = _field(entry, "aliases", dict, where)
    led = all(route is None or (isinstance(route, str) and route in routes) for route in aliases.values())
    _check(where, led, "an alias leads to a route that is not there")
    return Model(
        id=model_id,
        upstream=_field(entry, "upstream", str, where),
        kind=_field(entry, "kind", str, where),
        routes=routes,
        aliases=aliases,
    )


def _route(model_id: str, name: str, entry: Any, where: str) -> Route:
    where = f"{where}, route {name}"
    _check(where, isinstance(entry, dict), "it must be an object")
    wire_route = entry.get("wire_route")
    _check(where, wire_route is None or isinstance(wire_route, str), "wire_route must be a text or null")
    schema = _field(entry, "schema", dict, where)
    _check_schema(schema, where)
    return Route(model=model_id, name=name, wire_route=wire_route, schema=schema)


def _check_schema(schema: Json, where: str) -> None:
    """What our own code relies on; that it is a JSON Schema at all is checked when it is first used."""
    properties = _field(schema, "properties", dict, where)
    required = _field(schema, "required", list, where)
    _check(where, "prompt" in properties, "its schema has no prompt")
    _check(where, set(required) <= set(properties), "its schema requires a field that it does not have")
    _check(where, schema.get("additionalProperties") is False, "its schema must refuse unknown fields")
    for rule in schema.get("allOf", ()):
        _check(where, {"description", "if", "then"} <= set(rule), "a rule between fields needs description, if and then")
        for name, narrowed in rule["then"].get("properties", {}).items():
            chosen = set(narrowed) <= {"enum", "not"} and "enum" in properties.get(name, {})
            _check(where, chosen, f"a rule narrows {name}, which must be a field that has a list of values")


def _preset(entry: Json, models: Mapping[str, Model]) -> Preset:
    where = f"presets.json: {entry.get('name', 'an entry without name')}"
    model = models.get(_field(entry, "model", str, where))
    if model is None:
        raise ConfigurationError(f"{where}: its model is not a current one")
    route = model.routes.get(_field(entry, "route", str, where))
    if route is None:
        raise ConfigurationError(f"{where}: its model has no such route")
    defaults, overrides = _field(entry, "defaults", dict, where), _field(entry, "overrides", list, where)
    _check(where, {*defaults, *overrides} <= set(route.fields), "it names a field that its model does not have")
    _check(where, "prompt" in overrides, "a caller must be able to set the prompt")
    return Preset(
        name=_field(entry, "name", str, where),
        version=_field(entry, "version", int, where),
        summary=_field(entry, "summary", str, where),
        model=model,
        route=route,
        defaults=defaults,
        overrides=tuple(overrides),
    )


def _names(models: Any) -> dict[str, Model]:
    names: dict[str, Model] = {}
    for model in models:
        for name in (model.id, *model.aliases):
            _check(f"models.json: {model.id}", name not in names, f"the name {name} is taken")
            names[name] = model
    return names


def _field(entry: Json, name: str, kind: type, where: str) -> Any:
    value = entry.get(name)
    _check(where, isinstance(value, kind), f"{name} must be of type {kind.__name__}")
    return value


def _check(where: str, holds: bool, complaint: str) -> None:
    if not holds:
        raise ConfigurationError(f"{where}: {complaint}")
