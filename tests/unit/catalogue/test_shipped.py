"""The catalogue that is shipped: complete, right by its own close checks, cheap to load, and what the gateway says it is."""

import subprocess
import sys
from collections import Counter

import pytest
from jsonschema import Draft202012Validator

from darkroom.adapters.upstreams.registry import ADAPTERS, routed
from darkroom.catalogue.checking import check_closely, check_upstreams
from darkroom.catalogue.choosing import Choice, choose_preset
from darkroom.catalogue.load import load_catalogue, shipped
from darkroom.catalogue.offers import NEUTRAL
from local.drift import drift
from local.simulator.apis import hiapi_chat, hiapi_images, pixapi
from local.simulator.models import Models, public_schema

CATALOGUE = load_catalogue()
ROUTES = [route for model in CATALOGUE.models.values() for route in model.routes.values()]
SIMULATED = {
    "hiapi_images": hiapi_images.MODELS,
    "hiapi_chat": hiapi_chat.MODELS,
    # One is known from a single hint, and the simulator does not offer it.
    "pixapi": (*pixapi.MODELS, "gemini-3.1-flash-image-preview-512"),
    "pixapi_images": (*pixapi.MODELS, "gemini-3.1-flash-image-preview-512"),
}


def test_every_image_model_of_both_gateways_is_there() -> None:
    entries = {name: entry for name, entry in shipped()["models"].items() if not name.startswith("pixapi/")}

    own = [route for entry in entries.values() for route in entry["routes"].values() if "upstream" not in route]
    assert (len(entries), len(own)) == (38, 41)
    assert Counter(entry["status"] for entry in entries.values()) == {"current": 34, "legacy": 2, "retired": 2}
    assert len(CATALOGUE.models) - 36 == 6
    assert set(CATALOGUE.retired) == {"gpt-image-2-pro", "gpt-image-2-image-to-image-pro"}


def test_every_upstream_has_an_adapter() -> None:
    assert {route.upstream for route in ROUTES} == set(ADAPTERS)


def test_it_passes_its_own_further_checks() -> None:
    check_upstreams(CATALOGUE, routed())
    check_closely(CATALOGUE, CATALOGUE.models)


@pytest.mark.parametrize("route", [one for one in ROUTES if one.upstream == "hiapi"], ids=lambda one: f"{one.model}, {one.name}")
def test_hiapis_routes_are_the_ones_that_it_publishes(route) -> None:
    assert drift(route.schema, public_schema(Models().offer(route.wire_model, route.wire_route))) == []


@pytest.mark.parametrize("upstream", SIMULATED)
def test_the_other_apis_know_the_models_that_are_sent_there(upstream: str) -> None:
    assert {route.wire_model for route in ROUTES if route.upstream == upstream} <= set(SIMULATED[upstream])


def test_all_six_spellings_of_reference_images_are_one() -> None:
    spelled = {route.references.field for route in ROUTES if route.references}

    assert {"input_urls", "image_urls", "image_input", "image", "image_url", "image_prompt"} <= spelled
    assert all("images" in route.takes for route in ROUTES if route.references)


def test_every_form_of_size_is_known() -> None:
    assert {route.size_form for route in ROUTES} == {"aspect_ratio + resolution", "aspect_ratio", "WxH", "W*H", "none"}


def test_what_is_described_is_a_json_schema_with_the_neutral_fields_first() -> None:
    for route in ROUTES:
        Draft202012Validator.check_schema(route.input_schema)
        neutral = [name for name in route.input_schema["properties"] if name in NEUTRAL]
        assert neutral == [name for name in NEUTRAL if name in neutral]


@pytest.mark.parametrize("name", sorted(CATALOGUE.presets))
def test_no_single_choice_clashes_with_a_presets_own_defaults(name: str) -> None:
    choice = choose_preset(CATALOGUE, name, offered=lambda _: True)
    offered = choice.preset.schema["properties"]

    for field, described in offered.items():
        for value in described.get("enum", ()):
            faults = choice.understand({"prompt": "a kite", field: value}).faults
            # A value may want company (custom wants width and height), but never quarrel with what the preset brings.
            assert all(fault.detail.startswith("is required") for fault in faults), (field, value, faults)


@pytest.mark.parametrize("name", sorted(CATALOGUE.presets))
def test_a_fallback_can_serve_the_usual_request(name: str) -> None:
    choice: Choice = choose_preset(CATALOGUE, name, offered=lambda _: True)

    fallbacks = choice.fallbacks({"prompt": "a kite", "aspect_ratio": "16:9"}, offered=lambda _: True)

    assert len(fallbacks) == len(choice.preset.fallbacks) >= 1


def test_loading_it_imports_neither_pydantic_nor_jsonschema() -> None:
    code = "import sys\nfrom darkroom.catalogue.live import LiveCatalogue\nfrom darkroom.catalogue.load import shipped\n"
    code += "LiveCatalogue(shipped(), own=None, routed={}, clock=lambda: 0, cache_s=0).now()\nprint(*sys.modules)"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert not {"pydantic", "jsonschema", "boto3"} & set(run.stdout.split())
