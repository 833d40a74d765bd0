"""GET /v1/models and /v1/presets: what may be asked for, with the JSON Schema of each input."""

from typing import Any

from darkroom.catalogue.offers import DEFAULT_ROUTE, NEUTRAL, Catalogue, Fallback, Model, Preset, References, Route
from darkroom.web.answers import Answer, list_answer
from darkroom.web.call import Call
from darkroom.web.catalogue import catalogue_now
from darkroom.wiring import Services


def list_models(call: Call) -> Answer:
    """Every model that is not retired, and what replaces those that are; whether one can be reached here, `available` says."""
    services = call.services
    catalogue = catalogue_now(services)
    models = [_model(model, services) for model in catalogue.models.values()]
    return list_answer(models, retired=[{"id": old, "replaced_by": str(new)} for old, new in catalogue.retired.items()])


def list_presets(call: Call) -> Answer:
    """Every preset that the caller's key may ask for, in each version that is kept."""
    services = call.services
    catalogue = catalogue_now(services)
    allowed = [preset for preset in catalogue.versions.values() if call.caller.may_use(preset.id)]
    return list_answer([_preset(preset, catalogue, services) for preset in allowed])


def _model(model: Model, services: Services) -> dict[str, Any]:
    routes = [_route(route, services) for route in model.routes.values()]
    return {
        "object": "model",
        "id": model.id,
        "upstream": model.routes[DEFAULT_ROUTE].upstream,
        "kind": model.kind,
        "status": model.status,
        "confidence": model.confidence,
        "replaced_by": str(model.replaced_by) if model.replaced_by else None,
        "aliases": list(model.aliases),
        "available": any(route["available"] for route in routes),
        "routes": routes,
    }


def _route(route: Route, services: Services) -> dict[str, Any]:
    return {
        "name": route.name,
        "default": route.name == DEFAULT_ROUTE,
        "upstream": route.upstream,
        "available": services.offers(route.upstream),
        "size_form": route.size_form,
        "images": _references(route.references) if route.references else None,
        "neutral": {name: own for name in NEUTRAL if (own := route.field_of(name))},
        "input_schema": route.input_schema,
    }


def _references(references: References) -> dict[str, Any]:
    return {
        "field": references.field,
        "most": references.most,
        "takes": list(references.takes),
        "largest_bytes": references.largest,
        "largest_pixels": references.largest_pixels,
    }


def _preset(preset: Preset, catalogue: Catalogue, services: Services) -> dict[str, Any]:
    return {
        "object": "preset",
        "id": preset.id,
        "name": preset.name,
        "version": preset.version,
        "newest": catalogue.presets[preset.name] is preset,
        "summary": preset.summary,
        "model": preset.model.id,
        "route": preset.route.name,
        "available": services.offers(preset.route.upstream),
        "defaults": preset.defaults,
        "overrides": list(preset.overrides),
        "fallbacks": [_fallback(fallback) for fallback in preset.fallbacks],
        "timeout_s": preset.timeout_s or services.settings.task_timeout_s,
        "input_schema": preset.schema,
    }


def _fallback(fallback: Fallback) -> dict[str, Any]:
    return {"model": fallback.model.id, "route": fallback.route.name, "defaults": fallback.defaults}
