"""GET /v1/tasks/{id}: the task as it is, versions, and waiting for its end."""

import threading
from dataclasses import replace

import pytest

from darkroom.domain.task import Image, Task, TaskError, Timing
from tests.functions.api.client import START, STRANGER, Api, Clock, MemoryServices
from tests.support.tasks import a_long_request, a_task, an_image, storing, submitted, succeeded

UNKNOWN = "task_01KBCDEFGHJKMNPQRSTVWXYZ01"


def given(services: MemoryServices, task: Task) -> Task:
    """The task is in the table."""
    services.tasks.add(task)
    return task


def test_a_finished_task_shows_its_pictures(api: Api, services: MemoryServices) -> None:
    task = given(services, succeeded(a_task(at=START), images=2))

    reply = api.get(f"/v1/tasks/{task.id}")

    assert reply.status == 200
    assert (reply.json["status"], reply.json["settled_by"]) == ("succeeded", "callback")
    first, second = reply.json["images"]
    assert first["url"] == f"/v1/images/{first['id']}"
    assert (first["task"], first["index"], second["index"]) == (task.id, 0, 1)
    assert (first["content_type"], first["bytes"], first["width"], first["height"], first["late"]) == (
        "image/png",
        123_456,
        1024,
        1536,
        False,
    )
    assert reply.json["links"] == {"self": f"/v1/tasks/{task.id}", "retry": f"/v1/tasks/{task.id}/retry"}
    assert "Retry-After" not in reply.headers


def test_a_task_tells_which_outputs_of_its_success_are_missing(api: Api, services: MemoryServices) -> None:
    whole = given(services, succeeded(a_task(at=START)))
    partly = given(services, replace(succeeded(a_task(1, at=START)), missing=("output 2: not an image",)))

    assert api.get(f"/v1/tasks/{whole.id}").json["outputs_missing"] == []
    assert api.get(f"/v1/tasks/{partly.id}").json["outputs_missing"] == ["output 2: not an image"]


def test_sides_that_are_not_known_are_null(api: Api, services: MemoryServices) -> None:
    task = given(services, replace(succeeded(a_task(at=START)), images=(an_image(width=None, height=None),)))

    image = api.get(f"/v1/tasks/{task.id}").json["images"][0]

    assert (image["width"], image["height"], image["bytes"]) == (None, None, 123_456)


def test_metadata_come_back_even_where_the_request_is_kept_apart(api: Api, services: MemoryServices) -> None:
    task = given(services, a_task(at=START, request=a_long_request()))
    assert services.tasks.get(task.id).request is None

    assert api.get(f"/v1/tasks/{task.id}").json["metadata"] == {"order": "8472"}


def test_an_expired_task_shows_what_the_upstream_said_last(api: Api, services: MemoryServices) -> None:
    error = TaskError(code="deadline_exceeded", message="no result", upstream_request_id=None)
    task = given(services, replace(submitted(a_task(at=START)), upstream_request_id=None).expired(START + 1800, error, Timing()))
    services.upstream_says(task.id, '{"status":"handling"}')

    reply = api.get(f"/v1/tasks/{task.id}")

    assert (reply.json["status"], reply.json["settled_by"]) == ("expired", "deadline")
    assert reply.json["error"]["upstream"] == {
        "code": None,
        "message": None,
        "request_id": "req-ev",
        "last_body": '{"status":"handling"}',
    }


def test_an_error_in_which_the_upstream_had_no_part_says_nothing_of_it(api: Api, services: MemoryServices) -> None:
    task = given(services, a_task(at=START).canceled(START, charged="no", by="cancel"))

    assert api.get(f"/v1/tasks/{task.id}").json["error"] == {
        "code": "canceled",
        "message": "canceled on request",
        "retryable": "manual",
        "charged": "no",
        "upstream": None,
    }


def test_late_pictures_are_marked(api: Api, services: MemoryServices) -> None:
    error = TaskError(code="deadline_exceeded", message="no result")
    expired = submitted(a_task(at=START)).expired(START + 1800, error, Timing())
    pictures: tuple[Image, ...] = (an_image(),)
    task = given(services, storing(expired).stored(START + 2000, pictures))

    reply = api.get(f"/v1/tasks/{task.id}").json

    assert (reply["status"], reply["images"][0]["late"]) == ("expired", True)
    assert (reply["error"]["charged"], reply["attempts"][-1]["charged"]) == ("yes", "yes")


@pytest.mark.parametrize("task_id", [UNKNOWN, "task_1", "x", "task_01kbcdefghjkmnpqrstvwxyz01"])
def test_another_owners_task_looks_like_an_unknown_one(api: Api, services: MemoryServices, task_id: str) -> None:
    theirs = given(services, a_task(at=START, owner="somebody-else"))

    unknown, foreign = api.get(f"/v1/tasks/{task_id}"), api.get(f"/v1/tasks/{theirs.id}")

    assert (unknown.status, unknown.code) == (404, "not_found")
    assert unknown.text == foreign.text
    assert api.get(f"/v1/tasks/{theirs.id}", key=STRANGER).status == 200


def test_an_unchanged_task_is_not_sent_again(api: Api, services: MemoryServices) -> None:
    task = given(services, a_task(at=START))
    tag = api.get(f"/v1/tasks/{task.id}").headers["ETag"]

    same = api.get(f"/v1/tasks/{task.id}", if_none_match=f'"other", {tag}')
    services.tasks.move(task, submitted(task))
    changed = api.get(f"/v1/tasks/{task.id}", if_none_match=tag)

    assert tag == 'W/"1"'
    assert (same.status, same.text, same.headers["ETag"]) == (304, "", tag)
    assert "Content-Type" not in same.headers
    assert (changed.status, changed.headers["ETag"]) == (200, 'W/"2"')


def test_a_wait_ends_with_the_task(api: Api, services: MemoryServices, clock: Clock) -> None:
    task = given(services, submitted(a_task(at=START)))
    services.tasks.on_call = _after_reads(3, lambda: services.tasks.move(task, _ended(task)))

    reply = api.get(f"/v1/tasks/{task.id}", prefer="wait=5")

    assert (reply.status, reply.json["status"]) == (200, "failed")
    assert reply.headers["Preference-Applied"] == "wait=5"
    assert clock.naps == [0.5, 1.0]


def test_a_wait_is_capped_and_reads_at_widening_gaps(api: Api, services: MemoryServices, clock: Clock) -> None:
    task = given(services, submitted(a_task(at=START)))

    reply = api.get(f"/v1/tasks/{task.id}", prefer="wait=600")

    assert (reply.json["status"], reply.headers["Preference-Applied"]) == ("running", "wait=5")
    assert clock.naps == [0.5, 1.0, 2.0, 1.5]


@pytest.mark.parametrize(("prefer", "seconds"), [("wait", 5), ("respond-async, wait=1", 1), ('WAIT="2"', 2), ("wait=1; x=y", 1)])
def test_a_preference_may_be_written_in_every_legal_way(
    api: Api, services: MemoryServices, clock: Clock, prefer: str, seconds: float
) -> None:
    task = given(services, submitted(a_task(at=START)))

    reply = api.get(f"/v1/tasks/{task.id}", prefer=prefer)

    assert reply.headers["Preference-Applied"] == f"wait={seconds}"
    assert sum(clock.naps) == pytest.approx(seconds)


@pytest.mark.parametrize("prefer", ["wait=-1", "wait=soon", "wait=1.5", "waits=5", "=", ";;", "wait=0", '"wait=5"'])
def test_what_is_no_wait_is_ignored(api: Api, services: MemoryServices, clock: Clock, prefer: str) -> None:
    task = given(services, submitted(a_task(at=START)))

    reply = api.get(f"/v1/tasks/{task.id}", prefer=prefer)

    assert (reply.status, clock.naps) == (200, [])
    assert "Preference-Applied" not in reply.headers


def test_a_create_that_waits_to_the_end_answers_200(api: Api, services: MemoryServices) -> None:
    def end() -> None:
        (task,) = services.tasks.tasks.values()
        services.tasks.move(task, _ended(task))

    services.tasks.on_call = _after_reads(2, end)

    reply = api.create(prefer="wait=5")

    assert (reply.status, reply.json["status"]) == (200, "failed")
    assert "Idempotent-Replayed" not in reply.headers


def test_a_create_whose_wait_was_too_short_answers_202(api: Api) -> None:
    reply = api.create(prefer="wait=1")

    assert (reply.status, reply.json["status"], reply.headers["Preference-Applied"]) == (202, "running", "wait=1")


def test_a_table_that_goes_away_while_waiting_ends_the_wait_not_the_request(api: Api, services: MemoryServices) -> None:
    from darkroom.errors import StorageUnavailable

    def fail(name: str) -> None:
        if name == "tasks.get":
            raise StorageUnavailable("scripted")

    services.gateway.on_call = lambda _: setattr(services.tasks, "on_call", fail)

    assert api.create(prefer="wait=5").status == 202


def test_only_so_many_wait_at_once_and_the_others_are_answered(services: MemoryServices, api: Api) -> None:
    task = given(services, submitted(a_task(at=START)))
    inside, leave = threading.Semaphore(0), threading.Event()

    def sleep(_: float) -> None:
        inside.release()
        assert leave.wait(30)
        services.clock.now += 60

    services.sleep = sleep
    waiting = [threading.Thread(target=api.get, args=(f"/v1/tasks/{task.id}",), kwargs={"prefer": "wait"}) for _ in range(8)]
    for thread in waiting:
        thread.start()
    for _ in waiting:
        assert inside.acquire(timeout=30)
    one_more = api.get(f"/v1/tasks/{task.id}", prefer="wait")
    leave.set()
    for thread in waiting:
        thread.join(30)

    assert one_more.status == 200
    assert "Preference-Applied" not in one_more.headers
    assert "Preference-Applied" in api.get(f"/v1/tasks/{task.id}", prefer="wait").headers


def _ended(task: Task) -> Task:
    return task.failed(START + 9, TaskError(code="generation_failed", message="no"), by="callback")


def _after_reads(number: int, then: object) -> object:
    """Does something just before the read of that number."""
    seen: list[str] = []

    def on_call(name: str) -> None:
        if name == "tasks.get":
            seen.append(name)
            if len(seen) == number:
                then()  # type: ignore[operator]  # a function without arguments

    return on_call
