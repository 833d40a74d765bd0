"""A sweep looks at what is overdue, oldest first, and one bad look spoils no other."""

from collections.abc import Callable

import pytest

from darkroom.domain.admission import Limits
from darkroom.domain.task import Phase
from darkroom.errors import ConfigurationError, StorageUnavailable
from darkroom.usecases.look_at_task import Look
from darkroom.usecases.reconcile_tasks import reconcile_tasks
from tests.support.world import World


def test_a_sweep_finds_what_callbacks_forgot() -> None:
    world = World()
    lost, quick = world.create().task.id, world.create().task.id
    world.gateway.succeed(lost)
    world.gateway.succeed(quick)
    world.call_back(quick)
    world.now += 61

    report = world.tick()

    assert (report.overdue, report.looked_at, report.moved, report.count("recovered")) == (1, 1, 1, 1)
    assert report.oldest_overdue_s == pytest.approx(1)


def test_an_empty_sweep_reports_nothing() -> None:
    report = World().tick()

    assert (report.overdue, report.looked_at, report.moved, report.oldest_overdue_s) == (0, 0, 0, 0)


def test_a_fault_of_one_look_is_that_looks_own() -> None:
    world = World()
    first, second = world.create().task.id, world.create().task.id
    world.now += 61

    def look(task_id: str, crowded: bool) -> Look:
        if task_id == first:
            raise StorageUnavailable("table")
        return world.look(task_id, crowded=crowded)

    report = reconcile_tasks(clock=world.clock, tasks=world.tasks, look=look, limit=10, until=world.now + 1, threads=4)

    assert [one.outcome for one in report.looks] == ["storage_error", "working"]
    assert (report.overdue, report.looked_at) == (2, 1)
    assert second == report.looks[1].task_id


def test_a_row_that_nobody_understands_starves_no_other() -> None:
    world = World()
    ids = [world.create().task.id for _ in range(5)]
    world.now += 61
    looked: list[str] = []

    def look(task_id: str, crowded: bool) -> Look:
        looked.append(task_id)
        if task_id == ids[0]:
            raise ValueError("no phase is called 'teleporting'")
        return world.look(task_id, crowded=crowded)

    report = reconcile_tasks(clock=world.clock, tasks=world.tasks, look=look, limit=10, until=world.now + 1, threads=1)

    assert looked == ids
    assert [one.outcome for one in report.looks] == ["unforeseen"] + ["working"] * 4
    assert (report.looked_at, repr(report.looks[0].unforeseen)) == (4, "ValueError(\"no phase is called 'teleporting'\")")


def test_a_task_whose_upstream_is_gone_does_not_silence_the_others() -> None:
    world = World()
    orphan, other = world.create().task.id, world.create().task.id
    world.now += 61

    def look(task_id: str, crowded: bool) -> Look:
        if task_id == orphan:
            raise ConfigurationError("no upstream is called 'gone'")
        return world.look(task_id, crowded=crowded)

    report = reconcile_tasks(clock=world.clock, tasks=world.tasks, look=look, limit=10, until=world.now + 1, threads=4)

    assert {one.task_id: one.outcome for one in report.looks} == {orphan: "misconfigured", other: "working"}
    assert report.looked_at == 1


def test_what_does_not_fit_the_time_stays_due_for_the_next_sweep() -> None:
    world = World()
    task_id = world.create().task.id
    world.now += 61

    report = reconcile_tasks(clock=world.clock, tasks=world.tasks, look=_look_of(world), limit=10, until=world.now, threads=1)

    assert [one.outcome for one in report.looks] == ["left"]
    assert world.tasks.overdue(world.now, limit=10) == [task_id]


def test_a_sweep_takes_the_oldest_first_up_to_its_limit() -> None:
    world = World()
    older = world.create().task.id
    world.now += 1
    world.create()
    world.now += 90

    report = reconcile_tasks(clock=world.clock, tasks=world.tasks, look=_look_of(world), limit=1, until=world.now + 1, threads=1)

    assert [one.task_id for one in report.looks] == [older]


def test_a_backlog_is_worked_off_oldest_first_and_nothing_starves_while_new_tasks_fall_due() -> None:
    world = World(limits=Limits(account="hiapi", in_flight=100, per_minute=6000))
    looked: list[str] = []

    def look(task_id: str, crowded: bool) -> Look:
        looked.append(task_id)
        world.now += 1
        return world.look(task_id, crowded=crowded)

    backlog = [world.create().task.id for _ in range(30)]
    world.now += 61
    for _ in range(4):
        backlog.append(world.create().task.id)
        reconcile_tasks(clock=world.clock, tasks=world.tasks, look=look, limit=100, until=world.now + 10, threads=1)
        world.now += 50

    # Ten fit into a sweep: the fourth begins with what has been looked at already and is due again.
    assert looked[:30] == backlog[:30]
    assert set(looked) >= set(backlog[:31])


@pytest.mark.parametrize(("tasks", "threads", "stay"), [(8, 4, True), (9, 4, False), (2, 1, True), (3, 1, False)])
def test_tasks_stay_at_the_front_of_the_index_only_where_a_sweep_gets_round_to_all(tasks: int, threads: int, stay: bool) -> None:
    world = World(limits=Limits(account="hiapi", in_flight=100, per_minute=6000))
    ids = [world.create().task.id for _ in range(tasks)]
    world.now += 61

    reconcile_tasks(clock=world.clock, tasks=world.tasks, look=_look_of(world), limit=100, until=world.now + 10, threads=threads)

    assert set(world.tasks.overdue(world.now, limit=100)) == (set(ids) if stay else set())
    assert all(task.looks == 1 and task.next_check_at > world.now for task in map(world.task, ids))


def test_a_task_that_is_offered_before_its_time_is_passed_over_and_looked_at_when_it_comes() -> None:
    world = World()
    task_id = world.create().task.id
    world.now += 61
    world.tick()
    looked = world.task(task_id)
    world.now += 5

    early = world.tick()
    assert (early.overdue, early.looked_at, early.oldest_overdue_s, early.count("not_due")) == (0, 0, 0, 1)
    assert world.task(task_id) == looked

    assert looked.next_check_at is not None
    world.now = looked.next_check_at
    assert (world.tick().looked_at, world.task(task_id).looks) == (1, 2)


def test_a_task_that_is_looked_at_again_much_later_leaves_the_front_of_the_index() -> None:
    world = World(limits=Limits(account="hiapi", in_flight=1))
    world.create()
    waiting = world.create().task.id
    for _ in range(30):
        world.now += 60
        world.tick()

    # Its looks are so far apart by now that passing it over every minute would cost more.
    task = world.task(waiting)
    assert task.phase is Phase.WAITING
    assert task.offered_at is None


def _look_of(world: World) -> Callable[[str, bool], Look]:
    return lambda task_id, crowded: world.look(task_id, crowded=crowded)
