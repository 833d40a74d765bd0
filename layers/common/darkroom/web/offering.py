"""GET /v1/models and /v1/presets: what may be asked for, with the JSON Schema of each input."""

from typing import Any

from darkroom.catalogue.offers import DEFAULT_ROUTE, Model, Preset
from darkroom.web.answers import Answer, list_answer
from darkroom.web.call import Call


def list_models(call: Call) -> Answer:
    """Every current model."""
    return list_answer([_model(model) for model in call.services.catalogue.models.values()])


def list_presets(call: Call) -> Answer:
    """Every preset in its current version."""
    return list_answer([_preset(preset) for preset in call.services.catalogue.presets.values()])


def _model(model: Model) -> dict[str, Any]:
    return {
        "object": "model",
        "id": model.id,
        "upstream": model.upstream,
        "kind": model.kind,
        "aliases": list(model.aliases),
        "routes": [
            {"name": route.name, "default": route.name == DEFAULT_ROUTE, "input_schema": route.schema}
            for route in model.routes.values()
        ],
    }


def _preset(preset: Preset) -> dict[str, Any]:
    return {
        "object": "preset",
        "id": preset.id,
        "name": preset.name,
        "version": preset.version,
        "summary": preset.summary,
        "model": preset.model.id,
        "route": preset.route.name,
        "defaults": preset.defaults,
        "input_schema": preset.schema,
    }
