"""The schema of a create's body: one branch for each preset and each kind of model, with the very input that it takes."""

import json
from collections.abc import Iterator
from typing import Any

from darkroom.catalogue.offers import DEFAULT_ROUTE, Catalogue, Model, Preset, Route
from darkroom.web.requests import TaskRequest

Json = dict[str, Any]

_NULL: Json = {"type": "null"}


def task_request(catalogue: Catalogue) -> Json:
    """What POST /v1/tasks accepts, exactly."""
    schema = TaskRequest.model_json_schema()
    properties = {
        name: {k: v for k, v in one.items() if k not in ("title", "default")} for name, one in schema["properties"].items()
    }
    return {
        "type": "object",
        "description": schema["description"],
        "properties": properties,
        "required": ["input"],
        "additionalProperties": False,
        "oneOf": [*(_preset(preset, catalogue) for preset in catalogue.versions.values()), *_models(catalogue)],
    }


def _preset(preset: Preset, catalogue: Catalogue) -> Json:
    names = [preset.name, preset.id] if catalogue.presets[preset.name] is preset else [preset.id]
    return {
        "title": f"preset {preset.id}",
        "properties": {"preset": {"enum": names}, "model": _NULL, "route": _NULL, "input": preset.schema},
        "required": ["preset"],
    }


def _models(catalogue: Catalogue) -> Iterator[Json]:
    """Models that are asked for alike share a branch."""
    alike: dict[str, tuple[list[str], list[str], Route]] = {}
    for model in catalogue.models.values():
        for names, route, routes in _ways(model):
            mark = json.dumps([route.input_schema, routes])
            alike.setdefault(mark, ([], routes, route))[0].extend(names)
    for names, routes, route in alike.values():
        yield _branch(names, routes, route)


def _ways(model: Model) -> Iterator[tuple[list[str], Route, list[str]]]:
    """Names that lead to a route, and the words for it that may stand beside them; the default one need not be said."""
    free = [model.id, *(alias for alias, implied in model.aliases.items() if implied is None)]
    for route in model.routes.values():
        yield free, route, [route.name, *([""] if route.name == DEFAULT_ROUTE else [])]
    for alias, implied in model.aliases.items():
        if implied is not None:
            yield [alias], model.routes[implied], [implied, ""]


def _branch(names: list[str], routes: list[str], route: Route) -> Json:
    optional = "" in routes
    words = [word or None for word in routes]
    return {
        "title": f"model {names[0]}{' and others' if len(names) > 1 else ''}, route {route.name}",
        "properties": {"model": {"enum": names}, "route": {"enum": words}, "preset": _NULL, "input": route.input_schema},
        "required": ["model"] if optional else ["model", "route"],
    }
