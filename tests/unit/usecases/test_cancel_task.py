"""Cancel tells the truth."""

import pytest

from darkroom.domain.task import Phase, Task
from darkroom.errors import OutcomeUnknown, TaskChanged, UpstreamUnavailable
from darkroom.usecases.cancel_task import Cancel
from tests.support.memory import MemoryTasks
from tests.support.world import SILENT, World


def test_a_waiting_task_is_canceled_at_once_and_costs_nothing() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("busy")]
    task_id = world.create().task.id

    outcome, task = world.cancel(task_id)

    assert outcome is Cancel.CANCELED
    assert task.error is not None
    assert (task.phase, task.error.charged) == (Phase.CANCELED, "no")


def test_a_canceled_task_is_not_sent_by_a_job_that_was_under_way() -> None:
    world = World(promises=SILENT)
    task_id = world.create().task.id
    world.cancel(task_id)

    world.work_all()

    assert world.gateway.posts == []


def test_a_submitted_task_can_only_be_wished_away() -> None:
    world = World()
    task_id = world.create().task.id

    outcome, task = world.cancel(task_id)
    again, _ = world.cancel(task_id)

    assert (outcome, again) == (Cancel.REQUESTED, Cancel.REQUESTED)
    assert task.cancel_requested
    assert world.task(task_id).version == task.version


def test_the_result_of_a_wished_away_task_is_dropped_and_was_paid() -> None:
    world = World()
    task_id = world.create().task.id
    world.cancel(task_id)
    world.gateway.succeed(task_id)

    world.call_back(task_id)

    task = world.task(task_id)
    assert task.error is not None
    assert (task.phase, task.error.charged) == (Phase.CANCELED, "yes")
    assert world.bucket.objects == {}


def test_an_unanswered_submission_can_be_wished_away() -> None:
    world = World()
    world.gateway.after_accepting = [OutcomeUnknown("lost")]
    task_id = world.create().task.id

    assert world.cancel(task_id)[0] is Cancel.REQUESTED


def test_from_storing_on_it_is_too_late() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    world.delays = ()
    world.call_back(task_id)

    assert world.cancel(task_id)[0] is Cancel.TOO_LATE


def test_what_has_ended_cannot_be_canceled() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.fail(task_id)
    world.call_back(task_id)

    assert world.cancel(task_id)[0] is Cancel.ALREADY_TERMINAL


class Racing(MemoryTasks):
    """The first moves lose their races."""

    lose = 1

    def move(self, before: Task, after: Task) -> None:
        if self.lose:
            self.lose -= 1
            raise TaskChanged(before.id)
        MemoryTasks.move(self, before, after)


@pytest.mark.parametrize("lose", [1, 99])
def test_cancel_decides_again_when_the_task_moved(lose: int) -> None:
    world = World()
    task_id = world.create().task.id
    world.tasks = Racing(clock=world.clock, tasks=world.tasks.tasks)
    world.tasks.lose = lose  # type: ignore[attr-defined]  # Racing's own

    if lose == 1:
        assert world.cancel(task_id)[0] is Cancel.REQUESTED
    else:
        with pytest.raises(TaskChanged):
            world.cancel(task_id)
