"""GET /v1/models and /v1/presets."""

import pytest
from jsonschema import Draft202012Validator

from tests.functions.api.client import Api, MemoryServices, allow


def test_every_model_is_there_with_the_schema_of_each_route(api: Api) -> None:
    reply = api.get("/v1/models")

    models = {model["id"]: model for model in reply.json["data"]}
    assert reply.status == 200
    assert {"gpt-image-2/text-to-image", "Nano-Banana", "qwen-image-2.0", "flux-1.1-pro"} <= set(models)
    assert "gpt-image-2-pro" not in models
    routes = {route["name"]: route for route in models["gpt-image-2/text-to-image"]["routes"]}
    assert (routes["default"]["default"], routes["ext"]["default"]) == (True, False)
    for model in models.values():
        for route in model["routes"]:
            Draft202012Validator.check_schema(route["input_schema"])


def test_every_preset_accepts_what_its_schema_accepts(api: Api) -> None:
    presets = api.get("/v1/presets").json["data"]

    assert [preset["name"] for preset in presets] == ["draft", "poster", "product", "photoreal", "cjk-text"]
    for preset in presets:
        given = {"prompt": "a kite"}
        assert Draft202012Validator(preset["input_schema"]).is_valid(given)
        assert api.post("/v1/tasks", {"preset": preset["id"], "input": given}).json["model"] == preset["model"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/presets"])
def test_any_key_may_see_what_is_on_offer(api: Api, services: MemoryServices, path: str) -> None:
    allow(services, "drk_writer-00000000000000", owner="dev", scopes=("tasks:write",))

    assert api.get(path, key="drk_writer-00000000000000").status == 200
    assert api.get(path, key=None).status == 401
