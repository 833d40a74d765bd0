"""POST /v1/tasks: what an accepted request leads to."""

import json

import pytest

from darkroom.domain.callback_token import verify
from darkroom.errors import OutcomeUnknown, UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Promises
from tests.functions.api.client import SIGNING_KEY, Api, Clock, MemoryServices, poster


def test_a_preset_becomes_its_model_and_its_defaults_under_the_callers_input(api: Api, services: MemoryServices) -> None:
    body = poster("SUMMER DROP", user="u_123", metadata={"order": "8472"}, timeout_s=600)

    reply = api.post("/v1/tasks", body)

    sent = json.loads(services.gateway.submitted[0][1])
    assert reply.status == 202
    assert sent["model"] == "gpt-image-2/text-to-image"
    assert sent["input"] == {"aspect_ratio": "9:16", "resolution": "1K", "prompt": "SUMMER DROP"}
    assert "route" not in sent
    task = reply.json
    assert (task["preset"], task["user"], task["metadata"]) == ("poster@1", "u_123", {"order": "8472"})
    assert (task["timeout_s"], task["kind"], task["retry_of"]) == (600, "first", None)


def test_the_answer_says_where_the_task_is_and_when_to_ask_again(api: Api) -> None:
    reply = api.create()

    task = reply.json
    assert reply.headers["Location"] == f"/v1/tasks/{task['id']}"
    assert reply.headers["Retry-After"] == "3"
    assert reply.headers["Cache-Control"] == "private, no-store"
    assert (task["status"], task["phase"]) == ("running", "upstream_queued")
    assert task["links"] == {"self": f"/v1/tasks/{task['id']}", "cancel": f"/v1/tasks/{task['id']}/cancel"}
    assert task["created_at"] == "2025-11-20T00:53:20.250Z"
    assert task["deadline_at"] == "2025-11-20T01:23:20.250Z"


def test_a_model_can_be_asked_for_with_a_route(api: Api, services: MemoryServices) -> None:
    body = {"model": "gpt-image-2/text-to-image", "route": "ext", "input": {"prompt": "a mug", "quality": "low"}}

    reply = api.post("/v1/tasks", body)

    assert (reply.status, reply.json["route"], reply.json["preset"]) == (202, "ext", None)
    assert json.loads(services.gateway.submitted[0][1])["route"] == "ext"


@pytest.mark.parametrize(
    ("name", "model", "route"),
    [
        ("gpt-image-2", "gpt-image-2/text-to-image", None),
        ("gpt-image-2/text-to-image@beta", "gpt-image-2/text-to-image", "beta"),
        ("nano-banana", "Nano-Banana", None),
    ],
)
def test_a_documented_alias_leads_to_its_model(api: Api, name: str, model: str, route: str | None) -> None:
    task = api.post("/v1/tasks", {"model": name, "input": {"prompt": "a kite"}}).json

    assert (task["model"], task["route"]) == (model, route)


def test_a_preset_can_be_asked_for_by_its_version(api: Api) -> None:
    assert api.post("/v1/tasks", {"preset": "poster@1", "input": {"prompt": "a kite"}}).json["preset"] == "poster@1"


def test_null_means_not_given(api: Api) -> None:
    body = poster(model=None, route=None, user=None, metadata=None, timeout_s=None)

    assert api.post("/v1/tasks", body).status == 202


def test_a_whole_number_may_be_written_with_a_point(api: Api) -> None:
    raw = '{"preset":"cjk-text","input":{"prompt":"新品","seed":7.0},"timeout_s":6e2}'

    reply = api.post("/v1/tasks", raw=raw)

    assert (reply.status, reply.json["timeout_s"]) == (202, 600)


def test_the_callback_url_opens_one_attempt_of_this_task_at_the_apis_own_domain(api: Api, services: MemoryServices) -> None:
    task_id = api.create().json["id"]

    url = json.loads(services.gateway.submitted[0][1])["callback"]
    prefix = f"https://{api.domain}/v1/callbacks/hiapi/{task_id}/"
    assert url.startswith(prefix)
    assert (
        verify([SIGNING_KEY], url.removeprefix(prefix), upstream="hiapi", task_id=task_id, now=services.clock(), lives_s=86_400)
        == 1
    )


@pytest.mark.parametrize("domain", ["localhost", "127.0.0.1", "127.0.0.1:8080", "", "darkroom.local", "10.0.0.7", "[::1]"])
def test_no_callback_is_asked_for_where_the_upstream_could_not_reach_us(api: Api, services: MemoryServices, domain: str) -> None:
    api.domain = domain

    api.create()

    assert "callback" not in json.loads(services.gateway.submitted[0][1])


def test_a_configured_public_origin_wins_over_the_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    services = MemoryServices(public_url="https://pictures.example.com")
    monkeypatch.setattr("functions.api.app.services", lambda: services)

    Api(services, domain="localhost").create()

    assert json.loads(services.gateway.submitted[0][1])["callback"].startswith(
        "https://pictures.example.com/v1/callbacks/hiapi/task_"
    )


def test_an_upstream_that_never_calls_back_gets_no_callback_url(api: Api, services: MemoryServices) -> None:
    services.gateway.promises = Promises()

    reply = api.create()

    assert (reply.status, reply.json["status"], reply.json["phase"]) == (202, "queued", "accepted")
    assert services.queue.jobs[0].do == "submit"


def test_a_refusal_by_the_upstream_is_a_failed_task_and_still_202(api: Api, services: MemoryServices) -> None:
    services.gateway.submits.append(
        UpstreamRefused("insufficient balance", reason="upstream_quota", code="insufficient_balance", request_id="req-402")
    )

    reply = api.create()

    assert reply.status == 202
    assert "Retry-After" not in reply.headers
    assert reply.json["status"] == "failed"
    assert reply.json["settled_by"] == "create"
    assert reply.json["error"]["code"] == "upstream_quota"
    assert reply.json["error"]["charged"] == "no"
    assert reply.json["error"]["upstream"]["request_id"] == "req-402"
    assert set(reply.json["links"]) == {"self", "retry"}


@pytest.mark.parametrize(
    ("error", "status", "phase"),
    [
        (UpstreamUnavailable("busy", retry_after=4), "queued", "waiting_for_slot"),
        (OutcomeUnknown("the answer was lost"), "running", "submission_unknown"),
    ],
)
def test_an_upstream_that_does_not_answer_leaves_an_open_task(
    api: Api, services: MemoryServices, error: Exception, status: str, phase: str
) -> None:
    services.gateway.submits.append(error)

    reply = api.create()

    assert (reply.status, reply.json["status"], reply.json["phase"]) == (202, status, phase)


def test_a_body_may_arrive_base64_encoded(api: Api) -> None:
    import base64

    raw = base64.b64encode(json.dumps(poster("ein Plakat für Zürich")).encode()).decode()

    assert api.post("/v1/tasks", raw=raw, base64=True, content_type="application/json; charset=UTF-8").status == 202


def test_the_time_for_the_whole_request_bounds_the_wait(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    services = MemoryServices(clock, wait_cap_s=60)
    monkeypatch.setattr("functions.api.app.services", lambda: services)

    Api(services).create(prefer="wait=60")

    assert 27 <= sum(clock.naps) <= 28
