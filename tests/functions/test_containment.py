"""One bad task, callback, job or record spoils no other, and its error is told by its kind and counted."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from darkroom.domain.task import Phase, Task, TaskError
from darkroom.observe import logger
from tests.security.delivering import deliver, finished
from tests.security.stack import Stack, signed, stack_of, success

SECRET_TEXT = "what a careless library quotes of a prompt"


class Told(logging.Handler):
    """The log's lines with all that they say."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(vars(record))

    def unforeseen(self) -> list[tuple[str, str]]:
        """What was contained: where, and of which kind."""
        found = [one for one in self.records if one["msg"] == "unforeseen"]
        assert SECRET_TEXT not in json.dumps(self.records, default=str)
        return [(one["during"], one["exception_name"]) for one in found]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    return stack_of(monkeypatch)


@pytest.fixture
def told() -> Iterator[Told]:
    handler = Told()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """The metrics of the handlers that were called, summed up by name."""
    found: dict[str, float] = {}
    for line in capsys.readouterr().out.splitlines():
        if not line.startswith('{"_aws"'):
            continue
        facts = json.loads(line)
        for metric in facts["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            found[metric["Name"]] = found.get(metric["Name"], 0) + sum(facts[metric["Name"]])
    return found


def broken(stack: Stack, task_id: str, error: Exception) -> None:
    """From now on nobody can read that task's row."""
    read: Callable[..., Task | None] = stack.tasks.get

    def get(asked: str, *, consistent: bool = True) -> Task | None:
        if asked == task_id:
            raise error.with_traceback(None)
        return read(asked, consistent=consistent)

    stack.tasks = type("Broken", (), {"get": staticmethod(get), "__getattr__": lambda _, name: getattr(kept, name)})()
    kept = read.__self__  # type: ignore[attr-defined]  # a bound method


ERRORS = [KeyError(SECRET_TEXT), RecursionError(SECRET_TEXT), UnicodeEncodeError("utf-8", SECRET_TEXT, 0, 1, SECRET_TEXT)]
by_kind = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


@by_kind
def test_a_task_that_breaks_a_sweep_spoils_no_other(
    stack: Stack, told: Told, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = finished(stack), finished(stack)
    stack.http.says[good.upstream_task_id] = json.loads(success(good))
    broken(stack, bad.task_id, error)
    stack.clock.now += 61

    swept = stack.tick()
    stack.work()

    assert (swept["looked_at"], stack.tasks.tasks[good.task_id].phase) == (1, Phase.SUCCEEDED)
    # Its slot is tended before it is looked at.
    assert told.unforeseen() == [(during, type(error).__name__) for during in ("tending", "look")]
    assert counted(capsys)["UnforeseenErrors"] == 2


@by_kind
def test_a_record_that_raises_fails_alone(stack: Stack, told: Told, error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    for door in (finished(stack), finished(stack)):
        stack.http.says[door.upstream_task_id] = json.loads(success(door))
    stack.clock.now += 61
    stack.tick()
    bad, good = (job.task_id for job in stack.queue.jobs)
    broken(stack, bad, error)

    failed = stack.work()["batchItemFailures"]

    assert failed == [{"itemIdentifier": "m0"}]
    assert stack.tasks.tasks[good].phase is Phase.SUCCEEDED
    assert told.unforeseen() == [("job", type(error).__name__)]
    found = counted(capsys)
    assert (found["UnforeseenErrors"], found["JobsFailed"], found["TasksSucceeded"]) == (1, 1, 1)


@pytest.mark.parametrize(
    "record",
    [
        {"messageId": "bad"},
        {"messageId": "bad", "body": None},
        {"messageId": "bad", "body": 7},
        {"messageId": "bad", "body": '{"do":"store","task_id":"\\ud83d","attempt":1}', "attributes": None},
        {"messageId": "bad", "body": "[" * 100_000},
    ],
    ids=["no body", "null", "a number", "half a character", "deep"],
)
def test_a_record_that_does_not_parse_fails_alone(stack: Stack, told: Told, record: dict[str, Any]) -> None:
    good = finished(stack)
    stack.http.says[good.upstream_task_id] = json.loads(success(good))
    stack.clock.now += 61
    stack.tick()
    (job,) = stack.queue.jobs
    body = json.dumps({"do": job.do, "task_id": job.task_id, "attempt": job.attempt, "lease": job.lease})

    answer = stack.handle("work_tasks", {"Records": [record, {"messageId": "good", "body": body, "attributes": {}}]})

    assert answer["batchItemFailures"] in ([{"itemIdentifier": "bad"}], [])
    assert stack.task(good).phase is Phase.SUCCEEDED


def test_a_record_without_an_id_cannot_come_back_and_harms_nobody(stack: Stack) -> None:
    assert stack.handle("work_tasks", {"Records": [{"body": "?"}, {"messageId": "m", "body": "?"}]}) == {
        "batchItemFailures": [{"itemIdentifier": "m"}]
    }


@by_kind
def test_a_callback_that_raises_is_asked_for_again(
    stack: Stack, told: Told, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    door = finished(stack)
    broken(stack, door.task_id, error)

    status = deliver(stack, door, success(door), signed(success(door), stack.clock()))

    assert status == 503
    assert told.unforeseen() == [("callback", type(error).__name__)]
    assert counted(capsys)["UnforeseenErrors"] == 1


def test_an_order_whose_answer_raises_is_taken_and_its_outcome_is_unknown(
    stack: Stack, told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError(SECRET_TEXT)

    monkeypatch.setattr("darkroom.adapters.upstreams.hiapi.read_complaint", fail)

    door = stack.create()

    assert stack.task(door).phase is Phase.UNKNOWN
    assert told.unforeseen() == [("create", "KeyError")]
    assert counted(capsys)["UnforeseenErrors"] == 1


def test_a_poll_that_raises_is_told_and_its_task_ends_at_its_deadline(
    stack: Stack, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError(SECRET_TEXT)

    door = stack.create()
    monkeypatch.setattr("darkroom.adapters.upstreams.hiapi.read_news", fail)
    for _ in range(40):
        stack.clock.now += 60
        stack.tick()

    task = stack.task(door)
    assert task.error is not None
    assert (task.phase, task.error.code) == (Phase.EXPIRED, "deadline_exceeded")
    assert stack.accounts.held() == {}
    assert set(told.unforeseen()) == {("look", "KeyError")}


def test_an_account_that_cannot_be_tended_stops_no_sweep(stack: Stack, told: Told) -> None:
    def fail(name: str) -> None:
        if name == "accounts.see":
            raise KeyError(SECRET_TEXT)

    door = stack.create()
    stack.accounts.on_call = fail
    stack.clock.now += 61

    assert stack.tick()["looked_at"] == 1
    assert stack.task(door).looks == 1
    assert set(told.unforeseen()) == {("tending", "KeyError")}


def test_a_line_that_cannot_be_told_hides_no_other(stack: Stack, told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(name: str) -> None:
        if name == "tasks.evidence":
            raise KeyError(SECRET_TEXT)

    door = stack.create()
    stack.tasks.on_call = fail
    for _ in range(40):
        stack.clock.now += 60
        stack.tick()

    assert stack.task(door).phase is Phase.EXPIRED
    assert told.unforeseen() == [("telling of a look", "KeyError")]
    assert counted(capsys)["ReconcileTicks"] == 40


def test_a_poll_that_answers_about_another_task_is_counted_for_the_alarm(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    door = stack.create()
    stack.http.says[door.upstream_task_id] = {"taskId": "tk-other", "status": "success", "output": []}
    stack.clock.now += 61

    stack.tick()

    assert counted(capsys)["UpstreamContradictions"] == 1


def test_an_attempt_that_is_paid_after_all_is_kept_told_and_counted_for_the_alarm(
    stack: Stack, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    door = finished(stack)
    free = TaskError(code="generation_failed", message="time-out", charged="no")
    again = stack.task(door).again(stack.clock(), free)
    stack.tasks.tasks[door.task_id] = again

    status = deliver(stack, door, success(door), signed(success(door), stack.clock()))

    key = f"images/dev/{door.task_id}/1/0"
    assert (status, key in stack.bucket.objects, stack.task(door).earlier[0].paid) == (200, True, True)
    assert [one["kept"] for one in told.records if one["msg"] == "callback"] == [key]
    found = counted(capsys)
    assert (found["ChargedAfterAll"], found["UpstreamContradictions"]) == (1, 1)
