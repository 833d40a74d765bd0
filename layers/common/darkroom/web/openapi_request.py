"""The schema of a create's body: one branch for each preset and each model, with the very input that it takes."""

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
    branches = [_preset(preset) for preset in catalogue.presets.values()]
    branches += [branch for model in catalogue.models.values() for branch in _model(model)]
    return {
        "type": "object",
        "description": schema["description"],
        "properties": properties,
        "required": ["input"],
        "additionalProperties": False,
        "oneOf": branches,
    }


def _preset(preset: Preset) -> Json:
    return {
        "title": f"preset {preset.name}",
        "properties": {"preset": {"enum": [preset.name, preset.id]}, "model": _NULL, "route": _NULL, "input": preset.schema},
        "required": ["preset"],
    }


def _model(model: Model) -> list[Json]:
    free = [model.id, *(alias for alias, implied in model.aliases.items() if implied is None)]
    branches = [_named(route, free, default=route.name == DEFAULT_ROUTE) for route in model.routes.values()]
    implied = [(alias, model.routes[name]) for alias, name in model.aliases.items() if name is not None]
    return branches + [_named(route, [alias], default=True) for alias, route in implied]


def _named(route: Route, names: list[str], *, default: bool) -> Json:
    """One route under some names; where it is the default one it need not be given."""
    routes = [route.name, None] if default else [route.name]
    return {
        "title": f"model {names[0]}, route {route.name}",
        "properties": {"model": {"enum": names}, "route": {"enum": routes}, "preset": _NULL, "input": route.schema},
        "required": ["model"] if default else ["model", "route"],
    }
