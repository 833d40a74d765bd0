"""Remember first, then ask: one task for one request, however often it is sent."""

import pytest

from darkroom.domain.task import Phase, Task
from darkroom.errors import KeyReused, StorageUnavailable, UpstreamUnavailable
from tests.support.memory import MemoryTasks
from tests.support.world import SILENT, World


def test_the_row_is_written_before_the_upstream_is_asked() -> None:
    calls: list[str] = []
    world = World(on_call=calls.append)

    world.create()

    assert calls.index("tasks.add:done") < calls.index("upstream.submit")


def test_an_accepted_task_knows_its_upstream_id_and_deadline() -> None:
    world = World()

    task = world.create(timeout_s=600).task

    assert (task.phase, task.upstream_task_id, task.deadline_at) == (Phase.QUEUED, "tk-1", world.now + 600)
    assert world.task(task.id) == task
    assert task.callback_expected


def test_the_very_bytes_that_were_stored_are_sent() -> None:
    world = World()

    task = world.create().task

    assert world.gateway.posts == [(f"{task.id}:1", world.tasks.request_of(task).body)]
    assert f"/v1/callbacks/hiapi/{task.id}/".encode() in world.gateway.posts[0][1]


def test_a_task_without_an_origin_is_sent_without_a_callback() -> None:
    world = World()

    task = world.create(callbacks=False).task

    assert not task.callback_expected
    assert b'"callback": null' in world.gateway.posts[0][1]


def test_the_same_key_and_request_name_the_same_task_and_send_nothing_again() -> None:
    world = World()
    first = world.create(key="order-1")

    again = world.create(key="order-1")

    assert again.replayed
    assert not first.replayed
    assert again.task.id == first.task.id
    assert len(world.gateway.posts) == 1


def test_the_same_key_for_another_request_is_refused() -> None:
    world = World()
    world.create(key="order-1", prompt="a kite")

    with pytest.raises(KeyReused, match="task_"):
        world.create(key="order-1", prompt="a dog")

    assert len(world.gateway.billed) == 1


def test_a_repeat_finishes_what_a_crash_left_behind_the_claim() -> None:
    world = World()
    crashed = world.create(key="order-1").task
    del world.tasks.tasks[crashed.id]

    healed = world.create(key="order-1")

    assert not healed.replayed
    assert healed.task.id == crashed.id
    assert len(world.gateway.billed) == 1


class NotYetVisible(MemoryTasks):
    """A rival's row becomes visible only after our first read."""

    reads = 0

    def get(self, task_id: str, *, consistent: bool = True) -> Task | None:
        self.reads += 1
        return None if self.reads == 1 else MemoryTasks.get(self, task_id, consistent=consistent)


def test_whoever_loses_the_race_to_add_answers_with_the_winners_task() -> None:
    world = World()
    winner = world.create(key="order-1").task
    world.tasks = NotYetVisible(clock=world.clock, tasks=world.tasks.tasks)

    loser = world.create(key="order-1")

    assert loser.replayed
    assert loser.task == winner
    assert len(world.gateway.posts) == 1


def test_an_upstream_that_does_not_collapse_repeats_is_asked_by_the_worker() -> None:
    world = World(promises=SILENT)

    created = world.create()

    assert created.task.phase is Phase.ACCEPTED
    assert created.task.first_sent_at is None
    assert world.gateway.posts == []
    assert [(job.do, job.task_id) for job in world.queue.jobs] == [("submit", created.task.id)]


def test_a_lost_job_is_no_reason_to_fail_the_request() -> None:
    def broken(name: str) -> None:
        if name == "queue.send":
            raise StorageUnavailable("queue")

    world = World(promises=SILENT, on_call=broken)

    created = world.create()

    assert created.task.next_check_at is not None


def test_a_request_without_a_slot_waits_as_long_as_the_upstream_says() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("busy", status=429, retry_after=20)]

    task = world.create().task

    assert task.phase is Phase.WAITING
    assert task.next_check_at == pytest.approx(world.now + 22)
