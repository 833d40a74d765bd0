"""What an application sees of a task's attempts, and what it may say about them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from darkroom.domain.attempts import Alternative
from darkroom.domain.task import Request, Task, TaskError
from darkroom.errors import UpstreamError, UpstreamRefused, UpstreamUnavailable
from tests.functions.api.client import START, Api, MemoryServices, poster
from tests.support.tasks import a_task, storing, submitted, succeeded

FALLBACK = "Nano-Banana-Pro"
BUSY = UpstreamUnavailable("too many", status=429, about_the_request=True)
NO_MODEL = UpstreamRefused("down", reason="model_unavailable", retryable="later")
REJECTED = UpstreamRefused("not that", reason="content_rejected")
WHY = TaskError(code="model_unavailable", message="no", charged="no")


def given(services: MemoryServices, task: Task) -> Task:
    services.tasks.add(task)
    return task


def test_a_preset_that_is_refused_for_now_goes_on_with_its_next_model(api: Api, services: MemoryServices) -> None:
    services.gateway.submits = [BUSY]

    reply = api.create()

    task = reply.json
    assert (reply.status, task["status"], task["attempt"], task["model"]) == (202, "queued", 2, FALLBACK)
    assert [(one["kind"], one["outcome"], one["charged"]) for one in task["attempts"]] == [
        ("first", "upstream_rate_limited", "no"),
        ("fallback", None, None),
    ]
    assert [(job.do, job.attempt) for job in services.queue.jobs] == [("submit", 2)]


def test_what_the_next_model_cannot_serve_as_it_is_asked_has_no_fallback(api: Api, services: MemoryServices) -> None:
    services.gateway.submits = [BUSY]

    size = {"aspect_ratio": "custom", "width": 512, "height": 512}

    task = api.post("/v1/tasks", {"preset": "photoreal", "input": {"prompt": "x", **size}}).json

    assert (task["phase"], task["attempt"]) == ("waiting_for_slot", 1)


def test_each_attempt_says_with_what_when_and_how_it_ended(api: Api, services: MemoryServices) -> None:
    second = a_task(at=START, model="gpt-image-2").again(START + 2, WHY).submitting(START + 3)
    task = given(services, storing(submitted(second)).stored(START + 60, ()))

    first, present = api.get(f"/v1/tasks/{task.id}").json["attempts"]

    assert first | {"sent_at": "", "ended_at": ""} == {
        "attempt": 1,
        "kind": "first",
        "upstream": "hiapi",
        "model": "gpt-image-2",
        "route": None,
        "sent_at": "",
        "ended_at": "",
        "outcome": "model_unavailable",
        "charged": "no",
    }
    assert (present["attempt"], present["kind"], present["outcome"], present["charged"]) == (
        2,
        "automatic_retry",
        "succeeded",
        "yes",
    )
    assert first["sent_at"] < first["ended_at"] < present["sent_at"] < present["ended_at"]


def test_the_present_attempt_of_a_failed_task_says_what_its_error_says(api: Api, services: MemoryServices) -> None:
    error = TaskError(code="generation_failed", message="no", charged="unknown")
    task = given(services, submitted(a_task(at=START)).failed(START + 9, error, by="poll"))

    (only,) = api.get(f"/v1/tasks/{task.id}").json["attempts"]

    assert (only["outcome"], only["charged"], only["ended_at"] is None) == ("generation_failed", "unknown", False)


@pytest.mark.parametrize(("wanted", "kept"), [(None, 1), (0, 0), (3, 3)])
def test_how_often_it_is_tried_again_may_be_said(api: Api, services: MemoryServices, wanted: int | None, kept: int) -> None:
    body = poster() if wanted is None else poster(max_auto_retries=wanted)

    assert api.post("/v1/tasks", body).json["max_auto_retries"] == kept


@pytest.mark.parametrize("wanted", [-1, 4, "1", True])
def test_a_number_of_retries_that_makes_no_sense_is_refused(api: Api, wanted: object) -> None:
    reply = api.post("/v1/tasks", poster(max_auto_retries=wanted))

    assert (reply.status, list(reply.faults)) == (422, ["/max_auto_retries"])


def test_a_model_that_is_down_is_tried_again_when_nothing_else_may_serve(api: Api, services: MemoryServices) -> None:
    services.gateway.submits = [UpstreamRefused("down", reason="model_unavailable", retryable="later")]

    task = api.post("/v1/tasks", {"model": "gpt-image-2/text-to-image", "input": {"prompt": "x"}}).json

    assert [one["kind"] for one in task["attempts"]] == ["first", "automatic_retry"]
    assert services.queue.jobs == []


COUNTED = ("TasksFailed", "ValidationErrors", "AutomaticRetries", "Fallbacks", "UserReruns")


@pytest.mark.parametrize(
    ("submits", "body", "counted", "told"),
    [
        ([BUSY], poster(), "Fallbacks", "fallback"),
        ([NO_MODEL], {"model": "gpt-image-2/text-to-image", "input": {"prompt": "x"}}, "AutomaticRetries", "automatic_retry"),
        ([REJECTED], poster(), "TasksFailed", None),
        ([], poster(max_auto_retries=99), "ValidationErrors", None),
    ],
)
def test_each_way_to_go_on_or_to_fail_is_counted_and_told_by_itself(
    api: Api,
    services: MemoryServices,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    submits: list[UpstreamError],
    body: dict[str, Any],
    counted: str,
    told: str | None,
) -> None:
    services.gateway.submits = submits

    reply = api.post("/v1/tasks", body)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {name for line in lines for name in COUNTED if name in line} == {counted}
    facts = [vars(record) for record in caplog.records if record.getMessage() == "next attempt"]
    kinds = [(one["kind"], one["task_id"], one["attempt"]) for one in facts]
    assert kinds == ([(told, reply.json["id"], 2)] if told else [])


def test_a_rerun_is_counted_once_however_often_it_is_asked_for(
    api: Api, services: MemoryServices, capsys: pytest.CaptureFixture[str]
) -> None:
    task, other = (given(services, succeeded(a_task(number, at=START))) for number in (1, 2))

    for original in (task, task, other):
        api.post(f"/v1/tasks/{original.id}/retry", idempotency_key="again-1")

    out = capsys.readouterr().out
    assert (out.count('"UserReruns":[1.0]'), "ValidationErrors" in out) == (1, False)


def test_running_it_again_asks_for_what_was_asked_for_first_with_the_fallbacks_that_still_hold(
    api: Api, services: MemoryServices
) -> None:
    offered = Alternative(upstream="hiapi", model=FALLBACK, route=None, wire_model=FALLBACK, input={"prompt": "x"})
    gone = replace(offered, model="no-such-model")
    request = Request(input={"prompt": "x"}, body=b"{}", metadata={}, alternatives=(gone, offered))
    task = a_task(at=START, request=request, max_auto_retries=2).again(START + 1, WHY, instead=offered)
    given(services, succeeded(task.submitting(START + 2)))
    services.gateway.submits = [BUSY]

    again = api.post(f"/v1/tasks/{task.id}/retry").json

    assert json.loads(services.gateway.submitted[0][1])["model"] == "gpt-image-2/text-to-image"
    assert [one["model"] for one in again["attempts"]] == ["gpt-image-2/text-to-image", FALLBACK]
    assert again["max_auto_retries"] == 2


def test_an_attempt_that_was_charged_after_all_says_so(api: Api, services: MemoryServices) -> None:
    failed = submitted(a_task(owner="dev")).failed(START, WHY, by="callback")
    again = submitted(a_task(owner="dev", max_auto_retries=1)).again(START, WHY)

    for task in (again, failed):
        services.tasks.tasks.clear()
        given(services, task.charged_after_all(1))
        shown = api.get(f"/v1/tasks/{task.id}").json
        assert shown["attempts"][0]["charged"] == "yes"
        assert shown["error"] is None or shown["error"]["charged"] == "yes"
