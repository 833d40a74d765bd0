"""What a POST may lead to, with and without the doubt that an earlier one arrived."""

from dataclasses import replace

import pytest

from darkroom.domain.task import Phase, Task
from darkroom.errors import (
    OutcomeUnknown,
    StorageUnavailable,
    TaskChanged,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from darkroom.usecases.submit_task import Submission, submit_task
from tests.support.memory import MemoryTasks
from tests.support.stories import OTHER
from tests.support.world import SILENT, World

LOST = OutcomeUnknown("the answer was lost")


def unanswered(world: World) -> Task:
    world.gateway.after_accepting = [LOST]
    return world.create().task


def again(world: World, task: Task, *, maybe_sent: bool = True) -> Submission:
    return submit_task(
        task,
        maybe_sent=maybe_sent,
        clock=world.clock,
        jitter=world.jitter,
        tasks=world.tasks,
        upstream=world.gateway,
        admission=world.admission,
        timing=world.timing,
        timeout_s=8,
        request=world.tasks.request_of(task),
    )


def test_a_lost_answer_is_an_unknown_submission_that_keeps_its_next_look() -> None:
    world = World()

    task = unanswered(world)

    assert task.phase is Phase.UNKNOWN
    assert task.next_check_at == world.now + world.timing.first_check_s
    assert task.upstream_task_id is None


def test_repeating_an_unanswered_request_sends_the_same_key_and_bytes_and_bills_once() -> None:
    world = World()
    task = unanswered(world)

    sent = again(world, task)

    assert sent.task.phase is Phase.QUEUED
    assert not sent.not_replayed
    assert world.gateway.posts[0] == world.gateway.posts[1]
    assert len(world.gateway.billed) == 1


def test_a_repeat_that_was_not_recognised_as_one_is_reported() -> None:
    world = World()
    world.gateway.before_accepting = [LOST]
    task = world.create().task

    sent = again(world, task)

    assert sent.not_replayed
    assert sent.task.phase is Phase.QUEUED


def test_a_busy_upstream_does_not_end_the_doubt() -> None:
    world = World()
    task = unanswered(world)
    world.gateway.before_accepting = [UpstreamUnavailable("busy", retry_after=5)]

    assert again(world, task).task.phase is Phase.UNKNOWN


def test_doubt_begins_with_a_busy_answer_to_a_repeat_after_a_crash() -> None:
    world = World()
    world.create()
    crashed = world.change(next(iter(world.tasks.tasks)), phase=Phase.SUBMITTING, upstream_task_id=None, submitted_at=None)
    world.gateway.before_accepting = [UpstreamUnavailable("busy", retry_after=500)]

    after = again(world, crashed).task

    assert after.phase is Phase.UNKNOWN
    assert after.next_check_at == world.now + 500


@pytest.mark.parametrize(("asked", "wait"), [(500.0, 500.0), (5.0, 60.0), (None, 60.0)])
def test_a_doubtful_request_is_not_repeated_earlier_than_the_upstream_asks(asked: float | None, wait: float) -> None:
    world = World()
    task = unanswered(world)
    world.gateway.before_accepting = [UpstreamUnavailable("busy", retry_after=asked)]

    after = again(world, task).task

    assert (after.phase, after.next_check_at) == (Phase.UNKNOWN, world.now + wait)


REASONS = ["upstream_auth", "upstream_quota", "model_unavailable", "content_rejected", "generation_failed"]


@pytest.mark.parametrize("reason", [*REASONS, "submission_outcome_unknown"])
def test_no_refusal_of_a_repeat_ends_the_doubt_about_the_first_request(reason: str) -> None:
    world = World()
    task = unanswered(world)
    world.gateway.before_accepting = [UpstreamRefused("no", reason=reason)]

    sent = again(world, task)

    assert (sent.task.phase, sent.refused) == (Phase.UNKNOWN, reason)
    assert task.submission_key in world.accounts.held()


@pytest.mark.parametrize("reason", [*REASONS, "submission_outcome_unknown"])
def test_a_request_whose_repeats_are_refused_expires_unknown_and_its_picture_is_taken_when_it_comes(reason: str) -> None:
    world = World()
    task = unanswered(world)
    world.gateway.before_accepting = [UpstreamRefused("no", reason=reason)] * 99

    world.live_on(1900)
    ended = world.task(task.id)
    world.gateway.succeed(task.id)
    received = world.call_back(task.id)

    assert ended.error is not None
    assert (ended.phase, ended.error.code, ended.error.charged) == (Phase.EXPIRED, "submission_outcome_unknown", "unknown")
    assert (received.outcome, len(world.task(task.id).images)) == ("stored", 1)
    assert world.accounts.held() == {}


def test_a_key_that_was_used_with_other_bytes_proves_that_a_request_was_taken() -> None:
    world = World()
    mismatch = UpstreamRefused("mismatch", reason="submission_outcome_unknown", status=422, charged="unknown")
    world.gateway.before_accepting = [mismatch]

    task = world.create(alternatives=(OTHER,)).task

    assert (task.phase, task.attempt) == (Phase.UNKNOWN, 1)


def test_an_error_that_no_code_expects_leaves_it_unknown_whether_the_request_was_taken() -> None:
    world = World()
    world.gateway.after_accepting = [KeyError("data")]  # type: ignore[list-item]  # no DarkroomError: that is the point

    created = world.create()

    assert (created.task.phase, type(created.unforeseen)) == (Phase.UNKNOWN, KeyError)
    assert created.task.next_check_at is not None


def test_a_refused_first_request_ends_the_task_unpaid() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamRefused("no money", reason="upstream_quota", code=None)]

    task = world.create().task

    assert task.phase is Phase.FAILED
    assert task.error is not None
    assert (task.error.code, task.error.charged) == ("upstream_quota", "no")
    assert world.gateway.billed == []


@pytest.mark.parametrize(("looks", "wait"), [(0, 5.5), (1, 11), (9, 330)])
def test_waiting_grows_when_the_upstream_does_not_say_how_long(looks: int, wait: float) -> None:
    world = World()
    task = world.create().task
    sending = world.change(task.id, phase=Phase.SUBMITTING, upstream_task_id=None, submitted_at=None, looks=looks)
    world.gateway.before_accepting = [UpstreamUnavailable("busy")]

    after = again(world, sending, maybe_sent=False).task

    assert after.phase is Phase.WAITING
    assert after.next_check_at == pytest.approx(world.now + wait)


def test_a_task_that_was_to_be_canceled_does_not_wait_for_a_slot() -> None:
    world = World()
    task = world.create().task
    sending = world.change(task.id, phase=Phase.SUBMITTING, upstream_task_id=None, submitted_at=None, cancel_requested=True)
    world.gateway.before_accepting = [UpstreamUnavailable("busy")]

    after = again(world, sending, maybe_sent=False).task

    assert after.phase is Phase.CANCELED
    assert after.error is not None
    assert after.error.charged == "no"


@pytest.mark.parametrize("error", [UpstreamUnavailable("busy"), UpstreamRefused("no", reason="content_rejected")])
def test_a_refusal_says_nothing_of_the_repeat_that_a_look_has_sent_meanwhile(error: UpstreamError) -> None:
    world = World()
    sending = world.change(world.create().task.id, phase=Phase.SUBMITTING, upstream_task_id=None, submitted_at=None)
    world.gateway.before_accepting = [error]

    def looked_at(name: str) -> None:
        if name == "upstream.submit:done":
            world.tasks.move(sending, sending.looked(world.now, next_check_at=world.now + 60, crowded=False))

    world.hook = looked_at

    assert again(world, sending, maybe_sent=False).task.phase is Phase.UNKNOWN


def test_a_refusal_by_an_upstream_that_nobody_asks_twice_is_clear_however_often_it_was_looked_at() -> None:
    world = World(promises=SILENT)
    sending = world.change(world.create().task.id, phase=Phase.SUBMITTING, looks=1)
    world.gateway.before_accepting = [UpstreamUnavailable("busy")]

    assert again(world, replace(sending, looks=0), maybe_sent=False).task.phase is Phase.WAITING


def test_a_callback_that_is_faster_than_the_answer_is_kept() -> None:
    world = World()

    def call_back_first(generation) -> None:  # type: ignore[no-untyped-def]  # Generation
        world.gateway.succeed(generation.key.split(":")[0])
        world.call_back(generation.key.split(":")[0])

    world.gateway.while_accepting = call_back_first

    task = world.create().task

    assert task.phase is Phase.SUCCEEDED
    assert task.upstream_task_id == "tk-1"


@pytest.mark.parametrize("error", [UpstreamUnavailable("busy"), LOST, UpstreamRefused("no", reason="generation_failed")])
def test_a_callback_that_came_first_outweighs_any_answer(error: Exception) -> None:
    world = World()

    def call_back_first(generation) -> None:  # type: ignore[no-untyped-def]  # Generation
        world.gateway.fail(generation.key.split(":")[0])
        world.call_back(generation.key.split(":")[0])

    world.gateway.while_accepting = call_back_first
    world.gateway.after_accepting = [error]  # type: ignore[list-item]  # DarkroomErrors all

    task_id = world.create().task.id

    assert world.task(task_id).error is not None
    assert world.task(task_id).news_by == "callback"


@pytest.mark.parametrize("error", [None, UpstreamUnavailable("busy"), LOST, UpstreamRefused("no", reason="generation_failed")])
def test_a_picture_that_is_being_stored_outweighs_any_answer(error: Exception | None) -> None:
    world = World()
    world.delays = ()

    def call_back_first(generation) -> None:  # type: ignore[no-untyped-def]  # Generation
        world.gateway.succeed(generation.key.split(":")[0])
        world.call_back(generation.key.split(":")[0])

    world.gateway.while_accepting = call_back_first
    world.gateway.after_accepting = [error] if error else []  # type: ignore[list-item]  # DarkroomErrors all

    assert world.create().task.phase is Phase.STORING


def test_an_answer_that_cannot_be_recorded_leaves_the_row_for_the_reconciler() -> None:
    def no_moves(name: str) -> None:
        if name == "tasks.move":
            raise StorageUnavailable("table")

    world = World(on_call=no_moves)

    task = world.create().task

    assert task.phase is Phase.SUBMITTING
    assert task.next_check_at is not None


@pytest.mark.parametrize("boundary", ["tasks.move", "tasks.move:done"])
def test_an_answer_that_cannot_be_asked_for_again_is_recorded_although_the_table_fails_once(boundary: str) -> None:
    faults = [StorageUnavailable("table")]

    def once(name: str) -> None:
        if name == boundary and faults:
            raise faults.pop()

    world = World(promises=SILENT)
    task = world.change(world.create().task.id, phase=Phase.SUBMITTING)
    world.hook = once

    task = again(world, task, maybe_sent=False).task

    assert (task.phase, task.upstream_task_id) == (Phase.QUEUED, "tk-1")


def test_an_answer_for_a_task_whose_picture_is_being_stored_changes_nothing() -> None:
    world = World()
    world.delays = ()

    def call_back_namelessly(generation) -> None:  # type: ignore[no-untyped-def]  # Generation
        world.gateway.succeed(generation.task_id)
        world.call_back(generation.task_id, body={"taskId": generation.id, "anonymous": True})

    world.gateway.while_accepting = call_back_namelessly

    assert world.create().task.phase is Phase.STORING


class Restless(MemoryTasks):
    """Every move loses its race."""

    def move(self, before: Task, after: Task) -> None:
        raise TaskChanged(before.id)


def test_a_task_that_never_stands_still_is_left_to_the_reconciler() -> None:
    world = World()
    world.tasks = Restless(clock=world.clock)

    assert world.create().task.phase is Phase.SUBMITTING


def test_a_failure_of_a_task_that_moved_on_is_not_recorded() -> None:
    world = World()
    task = world.create().task
    world.gateway.before_accepting = [UpstreamRefused("no", reason="generation_failed")]

    assert again(world, task).task.phase is Phase.QUEUED


def test_an_answer_for_a_task_that_is_gone_changes_nothing() -> None:
    world = World()
    task = unanswered(world)
    del world.tasks.tasks[task.id]

    assert again(world, Task(**{name: getattr(task, name) for name in task.__slots__})).task.id == task.id
