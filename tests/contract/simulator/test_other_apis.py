"""The four APIs beside HiAPI's tasks, as a client sees them: what they take, what they refuse, what the ledger remembers."""

import base64
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.simulator import apis
from local.simulator.server import Simulator

KEY = {"Authorization": "Bearer sim-key"}
PATHS = {
    "hiapi_images": "/v1/images/generations",
    "hiapi_chat": "/v1/chat/completions",
    "pixapi": "/pixapi/v1/async/images/generations",
    "pixapi_images": "/pixapi/v1/images/generations",
}
MODELS = {"hiapi_images": "qwen-image-2.0", "hiapi_chat": "Nano-Banana", "pixapi": "nano-banana", "pixapi_images": "gpt-image-2"}
FLAT = ("hiapi_images", "pixapi", "pixapi_images")


@pytest.fixture(scope="module")
def flowing() -> Iterator[Simulator]:
    with Simulator(time_scale=1000, latency_s=5) as simulator:
        yield simulator


@pytest.fixture
def quick(flowing: Simulator) -> Simulator:
    flowing.admin.reset()
    return flowing


def body(api: str, prompt: str = "a red kite", **fields: Any) -> dict[str, Any]:
    asked = {"messages": [{"role": "user", "content": prompt}]} if api == "hiapi_chat" else {"prompt": prompt, "size": "64x64"}
    return {"model": MODELS[api], **asked, **fields}


def post(sim: Simulator, api: str, prompt: str = "a red kite", **fields: Any) -> httpx.Response:
    return httpx.post(sim.url + PATHS[api], json=body(api, prompt, **fields), headers=KEY, timeout=60, trust_env=False)


def test_every_api_of_the_package_is_served(quick: Simulator) -> None:
    assert {route.dialect.api for route in apis.routes()} == set(PATHS)
    assert [post(quick, api).status_code for api in PATHS] == [200] * 4
    assert quick.admin.totals()["billed"] == 4


@pytest.mark.parametrize("api", FLAT)
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"n": 0}, "n:"),
        ({"n": 11}, "n:"),
        ({"n": True}, "n:"),
        ({"response_format": "png"}, "response_format"),
        ({"extra_body": 7}, "extra_body"),
    ],
)
def test_what_cannot_be_right_is_refused_and_costs_nothing(
    quick: Simulator, api: str, fields: dict[str, Any], named: str
) -> None:
    answer = post(quick, api, **fields)

    assert answer.status_code == 400
    assert named in answer.json()["error"]["message"]
    assert quick.admin.totals()["billed"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": "draw"},
        {"messages": [{"role": "user", "content": ""}]},
        {"stream": True},
        {"google": {"image_config": 7}},
    ],
)
def test_a_chat_that_cannot_be_drawn_is_refused(quick: Simulator, fields: dict[str, Any]) -> None:
    assert post(quick, "hiapi_chat", **fields).status_code == 400


@pytest.mark.parametrize("api", PATHS)
def test_no_api_takes_what_is_not_json_or_a_marker_that_it_cannot_read(quick: Simulator, api: str) -> None:
    url = quick.url + PATHS[api]
    form = httpx.post(url, data={"prompt": "a"}, headers=KEY, trust_env=False)
    broken = httpx.post(url, content=b"{", headers=KEY | {"Content-Type": "application/json"}, trust_env=False)

    assert (form.status_code, broken.status_code) == (415, 400)
    assert post(quick, api, "[sim:gremlin]").status_code == 400


@pytest.mark.parametrize(
    ("api", "code"), [("hiapi_images", "unauthorized"), ("hiapi_chat", "unauthorized"), ("pixapi", "unauthorized")]
)
def test_a_bad_key_is_refused_in_the_apis_own_words(quick: Simulator, api: str, code: str) -> None:
    answer = httpx.post(quick.url + PATHS[api], json=body(api), headers={"Authorization": "Bearer wrong"}, trust_env=False)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


@pytest.mark.parametrize(
    ("envelope", "error"),
    [
        ("P-a", {"error": {"code": 422, "message": "simulated 422", "type": "prompt_rejected"}}),
        ("P-c", {"code": 1422, "message": "simulated 422"}),
    ],
)
def test_an_error_comes_in_the_envelope_that_is_asked_for(quick: Simulator, envelope: str, error: Any) -> None:
    answer = post(quick, "pixapi", f"[sim:create-422 envelope={envelope}]")

    assert (answer.status_code, answer.json()) == (422, error)


def test_its_usual_envelope_names_the_request(quick: Simulator) -> None:
    answer = post(quick, "pixapi", "[sim:create-422]")

    error = answer.json()["error"]
    assert (error["code"], error["request_id"]) == ("prompt_rejected", answer.headers["x-request-id"])


def test_a_fault_can_be_kept_to_one_api(quick: Simulator) -> None:
    quick.admin.arm("create-503", match={"api": "pixapi"})

    assert [post(quick, api).status_code for api in ("hiapi_images", "pixapi_images", "pixapi")] == [200, 200, 503]


def test_an_idempotency_key_collapses_nothing(quick: Simulator) -> None:
    url, headers = quick.url + PATHS["pixapi"], KEY | {"Idempotency-Key": "k-1"}
    ids = {httpx.post(url, json=body("pixapi"), headers=headers, trust_env=False).json()["id"] for _ in range(2)}

    assert len(ids) == 2
    assert quick.admin.totals()["billed"] == 2


def test_a_marker_of_a_request_that_made_no_task_is_forgotten(quick: Simulator) -> None:
    assert [post(quick, "pixapi_images", "[sim:create-500]").status_code for _ in range(2)] == [500, 500]
    assert quick.admin.faults() == []


def test_a_url_leads_to_the_same_bytes_as_base64(quick: Simulator) -> None:
    url = post(quick, "pixapi_images").json()["data"][0]["url"]
    file = post(quick, "pixapi_images", response_format="b64_json").json()["data"][0]["b64_json"]

    assert httpx.get(url, trust_env=False).content == base64.b64decode(file)


def test_the_ledger_remembers_a_synchronous_picture_as_a_task(quick: Simulator) -> None:
    url = post(quick, "hiapi_images").json()["data"][0]["url"]
    httpx.get(url, trust_env=False)

    (row,) = quick.admin.ledger()["tasks"].values()

    assert (row["model"], row["status"], row["billed"], row["posts"], len(row["downloads"])) == (
        "qwen-image-2.0",
        "success",
        1,
        1,
        1,
    )
    assert '"a red kite"' in row["body"]


def test_the_tasks_of_one_api_are_not_listed_by_another(quick: Simulator) -> None:
    post(quick, "pixapi")

    listed = httpx.get(f"{quick.url}/v1/tasks", headers=KEY, trust_env=False).json()

    assert listed["data"]["tasks"] == []


def test_with_frozen_time_an_answer_comes_after_a_jump(sim: Simulator, eventually: Any) -> None:
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(post(sim, "hiapi_images").status_code), daemon=True)
    asking.start()
    eventually(lambda: sim.admin.totals()["billed"] == 1)
    assert answers == []

    sim.admin.jump(60)

    asking.join(60)
    assert answers == [200]


def test_a_reset_lets_go_of_who_is_waiting(sim: Simulator, eventually: Any) -> None:
    broken: list[bool] = []

    def ask() -> None:
        try:
            post(sim, "hiapi_chat")
        except httpx.HTTPError:
            broken.append(True)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    eventually(lambda: sim.admin.totals()["billed"] == 1)

    sim.admin.reset()

    asking.join(60)
    assert broken == [True]
