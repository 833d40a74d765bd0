"""Cancel and retry."""

import json
from dataclasses import replace

import pytest

from darkroom.domain.task import Request, Task, TaskError
from tests.functions.api.client import START, STRANGER, Api, MemoryServices
from tests.support.tasks import a_task, storing, submitted, succeeded


def given(services: MemoryServices, task: Task) -> Task:
    services.tasks.add(task)
    return task


def waiting(at: float = START) -> Task:
    return a_task(at=at).wait(until=at + 60)


def test_what_only_waits_is_canceled_at_once_and_free_of_charge(api: Api, services: MemoryServices) -> None:
    task = given(services, waiting())

    reply = api.post(f"/v1/tasks/{task.id}/cancel")

    assert (reply.status, reply.json["status"], reply.json["error"]["charged"]) == (200, "canceled", "no")
    assert services.tasks.get(task.id).status == "canceled"


@pytest.mark.parametrize("task", [submitted(a_task(at=START)), a_task(at=START), a_task(at=START).lost(next_check_at=START + 60)])
def test_what_was_sent_is_only_asked_to_stop(api: Api, services: MemoryServices, task: Task) -> None:
    given(services, task)

    replies = [api.post(f"/v1/tasks/{task.id}/cancel", body) for body in (None, {})]

    assert [(reply.status, reply.json["cancel_requested"]) for reply in replies] == [(202, True), (202, True)]
    assert replies[0].json["status"] == task.status


@pytest.mark.parametrize(
    ("task", "code"), [(storing(submitted(a_task(at=START))), "too_late"), (succeeded(a_task(at=START)), "already_terminal")]
)
def test_what_is_stored_or_ended_can_no_longer_be_canceled(api: Api, services: MemoryServices, task: Task, code: str) -> None:
    given(services, task)

    reply = api.post(f"/v1/tasks/{task.id}/cancel")

    assert (reply.status, reply.code) == (409, code)
    assert "cancel" not in api.get(f"/v1/tasks/{task.id}").json["links"]


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_another_owners_task_can_neither_be_canceled_nor_run_again(api: Api, services: MemoryServices, verb: str) -> None:
    task = given(services, waiting())

    assert api.post(f"/v1/tasks/{task.id}/{verb}", key=STRANGER).status == 404
    assert services.tasks.get(task.id) == task


@pytest.mark.parametrize("verb", ["cancel", "retry"])
@pytest.mark.parametrize(
    ("raw", "content_type", "code"),
    [
        ('{"prompt":"other"}', "application/json", "invalid_request"),
        ("[]", "application/json", "invalid_request"),
        ("reason=x", "text/plain", "unsupported_media_type"),
        ("{", "application/json", "malformed_json"),
        (" " * 300_000, "application/json", "too_large"),
    ],
)
def test_a_body_that_would_be_ignored_is_refused(
    api: Api, services: MemoryServices, verb: str, raw: str, content_type: str, code: str
) -> None:
    task = given(services, waiting())

    reply = api.post(f"/v1/tasks/{task.id}/{verb}", raw=raw, content_type=content_type)

    assert reply.code == code
    assert services.tasks.get(task.id) == task


@pytest.mark.parametrize(
    "task", [succeeded(a_task(at=START, preset="poster@1", user="ann")), waiting().canceled(START, charged="no", by="x")]
)
def test_an_ended_task_can_be_run_again_as_a_new_task(api: Api, services: MemoryServices, task: Task) -> None:
    given(services, task)

    reply = api.post(f"/v1/tasks/{task.id}/retry")

    again = reply.json
    assert reply.status == 202
    assert again["id"] != task.id
    assert (again["retry_of"], again["kind"]) == (task.id, "user_rerun")
    assert (again["preset"], again["user"], again["metadata"]) == (task.preset, task.user, {"order": "8472"})
    sent = json.loads(services.gateway.submitted[0][1])
    assert sent["input"] == {"prompt": "a lighthouse at dusk", "aspect_ratio": "9:16"}
    assert again["id"] in sent["callback"]


def test_a_retry_with_a_key_makes_one_new_task(api: Api, services: MemoryServices) -> None:
    task = given(services, succeeded(a_task(at=START)))

    first, again = (api.post(f"/v1/tasks/{task.id}/retry", idempotency_key="again-1") for _ in range(2))

    assert (first.status, again.status) == (202, 200)
    assert first.json["id"] == again.json["id"]


def test_an_open_task_cannot_be_run_again(api: Api, services: MemoryServices) -> None:
    task = given(services, waiting())

    reply = api.post(f"/v1/tasks/{task.id}/retry")

    assert (reply.status, reply.code, reply.json["retryable"]) == (409, "not_terminal", "later")
    assert "x-should-retry" not in reply.headers


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"model": "gpt-image-2-pro"}, "/model"),
        ({"route": "pro"}, "/route"),
        ({"request": Request(input={"prompt": "x", "quality": "low"}, body=b"{}", metadata={})}, "/input/quality"),
    ],
)
def test_a_retry_is_held_against_todays_rules(
    api: Api, services: MemoryServices, changes: dict[str, object], pointer: str
) -> None:
    error = TaskError(code="model_unavailable", message="gone")
    task = given(services, replace(a_task(at=START), **changes).failed(START, error, by="create"))

    reply = api.post(f"/v1/tasks/{task.id}/retry")

    assert (reply.status, reply.code, list(reply.faults)) == (422, "invalid_request", [pointer])
    assert not services.gateway.submitted


def test_a_retry_goes_by_the_same_route(api: Api, services: MemoryServices) -> None:
    request = Request(input={"prompt": "x", "quality": "low"}, body=b"{}", metadata={})
    task = given(services, succeeded(a_task(at=START, route="ext", request=request)))

    assert api.post(f"/v1/tasks/{task.id}/retry").json["route"] == "ext"
