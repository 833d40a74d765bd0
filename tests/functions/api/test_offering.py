"""GET /v1/models and /v1/presets."""

from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.functions.api.client import Api, MemoryServices, allow
from tests.support.memory import MemorySecrets, MemoryUpstream


def test_every_model_is_there_with_the_schema_of_each_route(api: Api) -> None:
    reply = api.get("/v1/models")

    models = {model["id"]: model for model in reply.json["data"]}
    assert reply.status == 200
    assert {"gpt-image-2/text-to-image", "Nano-Banana", "qwen-image-2.0", "flux-1.1-pro", "pixapi/gpt-image-2"} <= set(models)
    assert "gpt-image-2-pro" not in models
    routes = {route["name"]: route for route in models["gpt-image-2/text-to-image"]["routes"]}
    assert (routes["default"]["default"], routes["ext"]["default"]) == (True, False)
    for model in models.values():
        for route in model["routes"]:
            Draft202012Validator.check_schema(route["input_schema"])


def test_a_model_says_how_it_takes_sizes_and_reference_images(api: Api) -> None:
    models = {model["id"]: model for model in api.get("/v1/models").json["data"]}

    edit, qwen = models["gpt-image-2/image-to-image"]["routes"][0], models["qwen-image-2.0"]["routes"][0]
    assert edit["images"] == {"field": "input_urls", "most": 5, "takes": ["url"], "largest_bytes": None, "largest_pixels": None}
    assert models["gpt-image-2.5-flare/image-to-image"]["routes"][0]["images"]["largest_pixels"] == 20_000_000
    assert edit["neutral"]["images"] == "input_urls"
    assert (edit["size_form"], qwen["size_form"]) == ("aspect_ratio + resolution", "W*H")
    assert qwen["neutral"] == {
        "prompt": "prompt",
        "aspect_ratio": "size",
        "resolution": "size",
        "seed": "seed",
        "negative_prompt": "negative_prompt",
    }


def test_a_legacy_model_says_what_replaces_it(api: Api) -> None:
    old = next(model for model in api.get("/v1/models").json["data"] if model["id"] == "gpt-image-2-beta")

    assert (old["status"], old["replaced_by"]) == ("legacy", "gpt-image-2/text-to-image with route beta")


def test_a_retired_model_is_named_with_what_replaces_it(api: Api) -> None:
    page = api.get("/v1/models").json

    assert {"id": "gpt-image-2-pro", "replaced_by": "gpt-image-2/text-to-image with route ext"} in page["retired"]
    assert not {one["id"] for one in page["retired"]} & {model["id"] for model in page["data"]}


def test_a_model_whose_upstream_has_no_key_is_listed_as_not_available_and_refused_before_anything_is_stored(
    api: Api, services: MemoryServices
) -> None:
    services.secrets = MemorySecrets({"callback_secret": "a-stack-secret-of-some-length", "hiapi_api_key": "a-key"})

    models = {model["id"]: model for model in api.get("/v1/models").json["data"]}
    refused = api.post("/v1/tasks", {"model": "pixapi/gpt-image-2", "input": {"prompt": "a kite"}})

    assert models["pixapi/gpt-image-2"]["available"] is False
    assert models["qwen-image-2.0"]["available"] is True
    assert refused.status == 422
    assert "no upstream pixapi, or no key for it" in refused.faults["/model"]
    assert (services.tasks.tasks, services.queue.jobs) == ({}, [])


@pytest.mark.parametrize(
    ("name", "route", "upstream", "wire_model"),
    [
        ("pixapi/gpt-image-2", None, "pixapi", "gpt-image-2"),
        ("pixapi/nano-banana", None, "pixapi", "gemini-2.5-flash-image"),
        ("pixapi/gpt-image-2", "sync", "pixapi_images", "gpt-image-2"),
        ("qwen-image-2.0", "images", "hiapi_images", "qwen-image-2.0"),
        ("gpt-image-2", "chat", "hiapi_chat", "gpt-image-2"),
        ("gpt-image-1.5", None, "hiapi_images", "gpt-image-1.5"),
    ],
)
def test_each_route_goes_to_its_upstream_under_the_models_name_there(
    api: Api,
    services: MemoryServices,
    name: str,
    route: str | None,
    upstream: str,
    wire_model: str,
) -> None:
    frozen: list[dict[str, Any]] = []
    services._upstreams[upstream] = Recording(frozen, name=upstream)

    reply = api.post("/v1/tasks", {"model": name, "route": route, "input": {"prompt": "a kite"}})

    assert (reply.status, reply.json["upstream"]) == (202, upstream)
    assert [one["model"] for one in frozen] == [wire_model]


class Recording(MemoryUpstream):
    """An upstream that remembers what it froze."""

    def __init__(self, frozen: list[dict[str, Any]], **facts: Any) -> None:
        super().__init__(**facts)
        self.frozen = frozen

    def freeze(self, **facts: Any) -> bytes:
        self.frozen.append(facts)
        return super().freeze(**facts)


def test_the_deployments_deadline_holds_where_neither_request_nor_preset_names_one(services: MemoryServices, api: Api) -> None:
    services.settings = replace(services.settings, task_timeout_s=3600)
    listed = {preset["name"]: preset["timeout_s"] for preset in api.get("/v1/presets").json["data"]}

    def deadline(**order: Any) -> int:
        found: int = api.post("/v1/tasks", {"input": {"prompt": "a kite"}, **order}).json["timeout_s"]
        return found

    assert deadline(model="Nano-Banana") == 3600
    assert deadline(preset="poster") == listed["poster"] == 3600
    assert deadline(preset="draft") == listed["draft"] == 900
    assert deadline(preset="draft", timeout_s=60) == 60


def test_every_preset_accepts_what_its_schema_accepts(api: Api) -> None:
    presets = api.get("/v1/presets").json["data"]

    assert [preset["name"] for preset in presets] == ["draft", "poster", "product", "photoreal", "cjk-text"]
    for preset in presets:
        given = {"prompt": "a kite", "aspect_ratio": "1:1"}
        assert Draft202012Validator(preset["input_schema"]).is_valid(given)
        task = api.post("/v1/tasks", {"preset": preset["id"], "input": given}).json
        assert (task["model"], task["timeout_s"]) == (preset["model"], preset["timeout_s"])


@pytest.mark.parametrize(
    ("size", "right"),
    [({"width": 512, "height": 512}, False), ({"aspect_ratio": "custom", "width": 512, "height": 512}, True)],
)
def test_a_preset_whose_ratio_bars_an_own_size_says_so_in_its_schema(api: Api, size: dict[str, Any], right: bool) -> None:
    photoreal = next(one for one in api.get("/v1/presets").json["data"] if one["name"] == "photoreal")
    given = {"prompt": "a kite", **size}

    assert Draft202012Validator(photoreal["input_schema"]).is_valid(given) is right
    assert api.post("/v1/tasks", {"preset": "photoreal", "input": given}).status == (202 if right else 422)


def test_a_preset_tells_its_whole_contract(api: Api) -> None:
    poster = api.get("/v1/presets").json["data"][1]

    assert (poster["id"], poster["newest"], poster["available"], poster["timeout_s"]) == ("poster@1", True, True, 1800)
    assert poster["overrides"] == ["prompt", "aspect_ratio", "resolution"]
    assert [one["model"] for one in poster["fallbacks"]] == ["Nano-Banana-Pro"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/presets"])
def test_any_key_may_see_what_is_on_offer(api: Api, services: MemoryServices, path: str) -> None:
    allow(services, "drk_writer-00000000000000", owner="dev", scopes=("tasks:write",))

    assert api.get(path, key="drk_writer-00000000000000").status == 200
    assert api.get(path, key=None).status == 401
