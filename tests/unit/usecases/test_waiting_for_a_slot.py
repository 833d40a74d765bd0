"""Tasks before a crowded upstream: they wait, they are called, they end, and none of them is forgotten."""

from contextlib import suppress

import pytest

from darkroom.domain.admission import Limits
from darkroom.domain.task import Phase
from darkroom.errors import OutputGone, StorageUnavailable, UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Job
from darkroom.usecases.cancel_task import Cancel
from tests.support.world import SILENT, T0, World

ONE = Limits(account="hiapi", in_flight=1)


def two_tasks(world: World) -> tuple[str, str]:
    """One has the only slot, the other waits."""
    return world.create().task.id, world.create().task.id


def test_a_task_without_a_slot_waits_and_is_not_sent() -> None:
    world = World(limits=ONE)

    first, second = two_tasks(world)

    assert world.task(first).phase is Phase.QUEUED
    assert world.task(second).phase is Phase.WAITING
    assert world.task(second).next_check_at == T0 + world.timing.waiting_check_s
    assert len(world.gateway.posts) == 1


def test_the_callback_of_one_calls_the_next_without_a_look() -> None:
    world = World(limits=ONE)
    first, second = two_tasks(world)
    world.gateway.succeed(first)

    world.call_back(first)
    world.work_all()

    assert world.task(second).phase is Phase.QUEUED
    assert world.gateway.looks == []


def test_the_next_one_is_called_before_the_picture_is_fetched() -> None:
    world = World(limits=ONE)
    first, _ = two_tasks(world)
    world.gateway.succeed(first)
    called: list[int] = []
    world.downloads.on_open = lambda _url: called.append(len(world.queue.jobs))

    world.call_back(first)

    assert called == [1]


def test_a_failure_found_by_a_look_calls_the_next() -> None:
    world = World(limits=ONE)
    first, second = two_tasks(world)
    world.gateway.fail(first)
    world.now += 61

    world.tick()
    world.work_all()

    assert world.task(first).phase is Phase.FAILED
    assert world.task(second).phase is Phase.QUEUED


def test_a_refusal_gives_the_slot_back() -> None:
    world = World(limits=ONE)
    world.gateway.before_accepting = [UpstreamRefused("no", reason="content_rejected")]

    first, second = two_tasks(world)

    assert world.task(first).phase is Phase.FAILED
    assert world.task(second).phase is Phase.QUEUED


def test_a_task_past_its_deadline_gives_the_slot_back() -> None:
    world = World(limits=ONE)
    _, second = two_tasks(world)

    world.live_on(1900)

    assert world.task(second).phase is Phase.QUEUED


def test_a_task_that_is_canceled_while_it_waits_is_never_called() -> None:
    world = World(limits=ONE)
    first, second = two_tasks(world)

    outcome, _ = world.cancel(second)
    world.gateway.succeed(first)
    world.call_back(first)

    assert outcome is Cancel.CANCELED
    assert world.accounts.waiting() == []
    assert world.queue.sent == []


def test_a_task_that_is_canceled_after_its_call_gives_the_slot_back() -> None:
    world = World(limits=ONE)
    first, second = two_tasks(world)
    world.gateway.succeed(first)
    world.call_back(first)
    slot_of_the_dead = dict(world.accounts.held())

    world.change(second, phase=Phase.CANCELED, next_check_at=None)
    worked = world.work_all()

    assert set(slot_of_the_dead) == {f"{second}:1"}
    assert [one.outcome for one in worked] == ["nothing_to_do"]
    assert world.accounts.held() == {}


@pytest.mark.parametrize("away", ["queue.send:done", "accounts.leave"])
def test_a_task_that_has_ended_is_not_called_again_and_again(away: str) -> None:
    world = World(limits=ONE)
    first, second = two_tasks(world)

    def lost(boundary: str) -> None:
        if boundary == away:
            raise StorageUnavailable(boundary)

    world.hook = lost
    for one in (first, second):
        world.gateway.succeed(one)
        world.call_back(one)
        for _ in range(10):
            world.queue.jobs, jobs = [], list(world.queue.jobs)
            for job in jobs:
                with suppress(StorageUnavailable):
                    world.work(job)

    assert world.task(second).is_terminal
    assert len(world.queue.sent) <= 3
    world.hook = lambda _boundary: None
    world.live_on(180)
    assert (world.accounts.waiting(), world.accounts.held()) == ([], {})


def test_a_task_that_waited_too_long_is_not_sent_any_more() -> None:
    world = World(limits=ONE)
    _, second = two_tasks(world)
    world.now += world.timing.max_wait_s

    worked = world.work(Job(do="submit", task_id=second, attempt=1))

    assert worked.outcome == "waits"
    world.live_on(1200)
    task = world.task(second)
    assert task.error is not None
    assert (task.phase, task.error.charged) == (Phase.EXPIRED, "no")


def test_a_message_for_a_task_without_a_slot_sends_nothing() -> None:
    world = World(limits=ONE)
    _, second = two_tasks(world)

    worked = world.work(Job(do="submit", task_id=second, attempt=1))

    assert worked.outcome == "waits"
    assert len(world.gateway.posts) == 1


def test_looks_at_a_waiting_task_are_far_apart_and_change_nothing() -> None:
    world = World(limits=ONE)
    first, second = two_tasks(world)
    world.change(first, timeout_s=86_400)

    seen = []
    for _ in range(4):
        world.now = world.task(second).next_check_at or 0
        seen.append(round((world.now - T0) / 60))
        assert world.look(second).outcome == "waiting"

    assert seen == [2, 12, 49, 109]
    assert world.task(second).phase is Phase.WAITING


def test_a_task_that_waited_long_is_looked_at_soon_after_it_was_sent() -> None:
    world = World(limits=ONE)
    first, second = two_tasks(world)
    world.live_on(1500)
    world.gateway.succeed(first)
    world.call_back(first)

    world.work_all()

    assert world.task(second).next_check_at == world.now + world.timing.waiting_check_s


def test_a_create_that_died_before_it_joined_the_queue_is_healed_by_the_tasks_own_look() -> None:
    world = World(limits=ONE)
    first, second = two_tasks(world)
    world.accounts.queues.clear()
    world.gateway.succeed(first)
    world.call_back(first)

    world.live_on(360)

    assert world.task(second).phase is Phase.QUEUED


def test_a_task_whose_second_has_not_come_waits_for_it() -> None:
    world = World(limits=Limits(account="hiapi", per_minute=1))
    _, second = two_tasks(world)

    early = world.work_all()
    world.now += 63
    late = world.work_all()

    assert (early, [one.outcome for one in late]) == ([], ["submitted"])
    assert world.task(second).phase is Phase.QUEUED


def test_a_task_of_the_worker_is_called_at_its_time_too() -> None:
    world = World(limits=Limits(account="hiapi", per_minute=1), promises=SILENT)
    first, second = two_tasks(world)

    world.work_all()
    phases = (world.task(first).phase, world.task(second).phase)
    world.now += 63
    world.work_all()

    assert phases == (Phase.QUEUED, Phase.WAITING)
    assert world.task(second).phase is Phase.QUEUED


def test_a_task_of_the_worker_whose_message_is_lost_is_called_by_the_tending() -> None:
    world = World(promises=SILENT)
    task_id = world.create().task.id
    world.queue.jobs.clear()

    world.live_on(130)

    assert world.task(task_id).phase is Phase.QUEUED


def test_a_repeat_that_comes_after_the_end_keeps_no_slot() -> None:
    world = World(limits=ONE)
    first = world.create(key="order-1").task.id
    world.gateway.succeed(first)
    claims = dict(world.claims.claims)

    def end(boundary: str) -> None:
        if boundary == "tasks.add":
            world.hook = lambda _boundary: None
            world.call_back(first)

    world.tasks.tasks, kept = {}, world.tasks.tasks
    world.claims.claims = claims

    def come_back(boundary: str) -> None:
        if boundary == "tasks.add":
            world.tasks.tasks = kept
            end(boundary)

    world.hook = come_back
    again = world.create(key="order-1")

    assert again.replayed
    assert again.task.phase is Phase.SUCCEEDED
    assert world.accounts.held() == {}


def test_of_two_who_add_the_same_task_the_slower_takes_nothing_away() -> None:
    world = World(limits=ONE)
    kept: dict[str, object] = {}

    def hide(boundary: str) -> None:
        if boundary == "tasks.get:done" and kept:
            return
        if boundary == "accounts.save:done":
            world.hook = lambda _boundary: None
            world.create(key="order-1")

    world.hook = hide
    slower = world.create(key="order-1")

    assert slower.replayed
    assert set(world.accounts.held()) == {f"{slower.task.id}:1"}
    assert len(world.gateway.posts) == 1


# -- requests ------------------------------------------------------------------------------------------


def used_up(world: World) -> None:
    world.limits = Limits(account="hiapi", per_minute=1)


def test_a_look_without_a_request_to_spend_is_made_when_there_is_one() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    world.now += 30
    used_up(world)
    world.create()
    world.now += 31

    first = world.tick()
    world.now += 120
    second = world.tick()

    assert (first.count("no_request_free"), first.looked_at) == (1, 0)
    assert second.count("recovered") == 1


def test_a_task_that_could_not_be_asked_about_for_a_day_after_its_deadline_ends() -> None:
    world = World()
    task_id = world.create().task.id

    def full(boundary: str) -> None:
        if boundary == "accounts.save":
            raise StorageUnavailable(boundary)

    world.hook = full
    world.now += 1800 + 24 * 3600 - 60
    world.tick()
    before = world.task(task_id).phase
    world.now += 120
    world.tick()

    task = world.task(task_id)
    assert before is Phase.QUEUED
    assert task.error is not None
    assert (task.phase, task.error.code, task.error.charged) == (Phase.EXPIRED, "deadline_exceeded", "unknown")
    assert world.gateway.looks == []
    world.hook = lambda _boundary: None
    world.gateway.succeed(task_id)
    world.call_back(task_id)
    assert [one.late for one in world.task(task_id).images] == [True]


def test_a_repeat_of_a_lost_request_needs_a_request_too() -> None:
    world = World()
    task_id = world.create().task.id
    world.change(task_id, phase=Phase.UNKNOWN, upstream_task_id=None, submitted_at=None)
    world.now += 61
    used_up(world)
    world.create()
    posts = len(world.gateway.posts)

    world.look(task_id)
    waited = len(world.gateway.posts)
    world.now += 400
    world.look(task_id)

    assert (waited, len(world.gateway.posts)) == (posts, posts + 1)


def test_a_fresh_url_is_asked_for_when_a_request_is_free() -> None:
    world = World()
    world.delays = (0.0,)
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    world.downloads.serve(world.gateway.of_task(task_id).outputs[0].url, OutputGone("404"))
    world.call_back(task_id)
    used_up(world)

    worked = world.work(world.queue.jobs.pop())

    assert worked.outcome == "later"
    assert "used up" in str(worked.fault)
    assert world.gateway.looks == []


def test_an_unsigned_callback_is_confirmed_only_while_requests_are_free() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    used_up(world)

    received = world.call_back(task_id, trusted=False)

    assert received.outcome == "unconfirmed"
    assert world.gateway.looks == []


@pytest.mark.parametrize("trusted", [True, False])
def test_a_look_that_is_refused_pauses_the_whole_account(trusted: bool) -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    world.gateway.looking = [UpstreamUnavailable("too many", status=429, retry_after=50)]
    world.now += 61

    _ = world.tick() if trusted else world.call_back(task_id, trusted=False)
    second = world.create().task

    assert second.phase is Phase.WAITING
    assert world.queue.delayed == [(world.now + 50, Job(do="submit", task_id=second.id, attempt=1))]


def test_an_account_that_is_away_lets_tasks_wait_and_heals() -> None:
    world = World()

    def away(boundary: str) -> None:
        if boundary.startswith("accounts."):
            raise StorageUnavailable(boundary)

    world.hook = away
    task_id = world.create().task.id
    waits = world.task(task_id).phase
    world.hook = lambda _boundary: None
    world.live_on(400)

    assert waits is Phase.WAITING
    assert world.task(task_id).phase is Phase.QUEUED
