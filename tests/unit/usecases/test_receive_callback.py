"""At the door: who is believed, what is written, what is answered."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from darkroom.domain.callback_token import sign
from darkroom.domain.news import Says
from darkroom.domain.task import Phase, Task
from darkroom.errors import (
    DownloadInterrupted,
    OutcomeUnknown,
    OutputGone,
    StorageUnavailable,
    TaskChanged,
    TokenRejected,
    UpstreamUnavailable,
)
from darkroom.usecases.receive_callback import Received
from tests.support.memory import MemoryTasks, Page
from tests.support.stories import OTHER
from tests.support.world import KEY, PNG, T0, World


def finished(world: World) -> str:
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    return task_id


def failing(*names: str) -> Callable[[str], None]:
    def on_call(name: str) -> None:
        if name in names:
            raise StorageUnavailable(name)

    return on_call


def test_a_success_ends_with_the_bytes_in_the_bucket() -> None:
    world = World()
    task_id = finished(world)

    received = world.call_back(task_id)

    assert (received.outcome, received.downloads) == ("stored", 1)
    assert world.task(task_id).phase is Phase.SUCCEEDED
    assert [stored.content for stored in world.bucket.objects.values()] == [PNG + b"\0"]


def test_a_repeat_after_the_end_downloads_nothing_and_writes_nothing() -> None:
    world = World()
    task_id = finished(world)
    world.call_back(task_id)
    writes = world.tasks.writes

    again = world.call_back(task_id)

    assert (again.outcome, dict(again.body or {})) == ("duplicate", {"duplicate": True})
    assert (world.tasks.writes, len(world.downloads.opened), world.bucket.puts) == (writes, 1, 1)


def test_a_repeat_while_another_delivery_stores_is_a_duplicate_even_unsigned() -> None:
    world = World()
    task_id = finished(world)
    world.delays = ()
    world.call_back(task_id)

    again = world.call_back(task_id, trusted=False)

    assert again.outcome == "duplicate"
    assert world.gateway.looks == []


def test_a_failure_ends_with_its_reason() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.fail(task_id, "content_rejected")

    received = world.call_back(task_id)

    assert received.outcome == "ended"
    assert world.task(task_id).error == world.gateway.of_task(task_id).error


@pytest.mark.parametrize("token", ["nonsense", sign(KEY, upstream="hiapi", task_id="task_other", attempt=1, now=T0)])
def test_a_wrong_token_is_turned_away_before_anything_is_read(token: str) -> None:
    calls: list[str] = []
    world = World(on_call=calls.append)
    task_id = finished(world)
    calls.clear()

    with pytest.raises(TokenRejected):
        world.call_back(task_id, token=token)

    assert calls == []


def test_a_task_that_is_not_there_looks_like_a_wrong_token() -> None:
    world = World()
    task_id = finished(world)
    del world.tasks.tasks[task_id]

    with pytest.raises(TokenRejected):
        world.call_back(task_id)


# -- a read that may be a moment old ---------------------------------------------------------------------


@pytest.mark.parametrize("behind", [1, 2, 9])
def test_a_success_is_stored_however_old_the_copy_of_its_row_is(behind: int) -> None:
    world = World()
    task_id = finished(world)
    world.tasks.lag = lambda: behind

    received = world.call_back(task_id)
    again = world.call_back(task_id)

    assert (received.outcome, received.downloads) == ("stored", 1)
    assert (again.outcome, again.downloads) == ("duplicate", 0)
    assert world.bucket.puts == 1


@pytest.mark.parametrize("behind", range(1, 9))
def test_news_of_a_new_attempt_is_taken_though_an_old_copy_knows_only_the_one_before(behind: int) -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.fail(task_id, passing=True)
    world.call_back(task_id)
    world.live_on(120)
    world.gateway.succeed(task_id)
    world.tasks.lag = lambda: behind

    received = world.call_back(task_id)

    assert (received.outcome, world.task(task_id).attempt) == ("stored", 2)
    assert world.task(task_id).phase is Phase.SUCCEEDED


def test_a_repeat_after_the_end_believes_an_old_copy_only_of_an_end() -> None:
    calls: list[str] = []
    world = World(on_call=calls.append)
    task_id = finished(world)
    world.call_back(task_id)
    calls.clear()
    for behind in (0, 1):
        world.tasks.lag = lambda behind=behind: behind
        world.call_back(task_id)

    assert [call for call in calls if call.startswith("tasks")] == ["tasks.get", "tasks.get:done"] * 3


@pytest.mark.parametrize("behind", [0, 1, 9])
def test_news_of_an_earlier_attempt_is_superseded(behind: int) -> None:
    world = World()
    world.tasks.lag = lambda: behind
    task_id = finished(world)
    token = (world.gateway.of_task(task_id).callback_url or "").rpartition("/")[2]
    world.change(task_id, attempt=2)

    assert world.call_back(task_id, token=token).outcome == "superseded"


@pytest.mark.parametrize("behind", [0, 1, 9])
def test_a_body_about_another_upstream_task_changes_nothing_and_is_suspicious(behind: int) -> None:
    world = World()
    world.tasks.lag = lambda: behind
    task_id, other_id = finished(world), finished(world)

    received = world.call_back(task_id, body={"taskId": world.gateway.of_task(other_id).id})

    assert (received.outcome, received.is_suspicious) == ("mismatch", True)
    assert world.task(task_id).phase is Phase.QUEUED


def test_a_failure_told_after_a_success_is_suspicious_and_changes_nothing() -> None:
    world = World()
    task_id = finished(world)
    world.delays = ()
    world.call_back(task_id)
    world.gateway.fail(task_id)

    received = world.call_back(task_id)

    assert (received.outcome, received.is_suspicious) == ("contradiction", True)
    assert world.task(task_id).phase is Phase.STORING


def test_a_body_that_cannot_be_read_is_kept_without_its_secrets_and_acknowledged() -> None:
    world = World()
    task_id = world.create().task.id

    received = world.call_back(task_id, body={"what": "https://cdn.test/a.png?sig=secret"})

    kept = world.tasks.kept_evidence[task_id]
    assert received.outcome == "unreadable"
    assert "cdn.test" in kept.body
    assert "secret" not in kept.body


def test_a_hint_is_believed_only_after_the_upstream_itself_says_so() -> None:
    world = World()
    task_id = finished(world)

    received = world.call_back(task_id, trusted=False)

    assert received.outcome == "stored"
    assert world.gateway.looks == ["tk-1"]


def test_a_hint_that_the_upstream_does_not_confirm_changes_nothing() -> None:
    world = World()
    task_id = finished(world)
    world.gateway.looking = [UpstreamUnavailable("busy")]

    assert world.call_back(task_id, trusted=False).outcome == "unconfirmed"
    assert world.task(task_id).phase is Phase.QUEUED


@pytest.mark.parametrize(("asked", "wait"), [(600.0, 600.0), (5.0, 60.0), (None, 60.0)])
def test_an_upstream_that_is_too_busy_to_confirm_a_hint_is_left_alone(asked: float | None, wait: float) -> None:
    world = World()
    task_id = finished(world)
    world.gateway.looking = [UpstreamUnavailable("busy", status=429, retry_after=asked)]

    received = world.call_back(task_id, trusted=False)

    assert received.outcome == "unconfirmed"
    assert world.task(task_id).next_check_at == world.now + wait


def test_a_hint_that_is_not_confirmed_is_acknowledged_though_the_table_is_away() -> None:
    world = World()
    task_id = finished(world)
    world.gateway.looking = [UpstreamUnavailable("busy", status=429, retry_after=600)]
    world.hook = failing("tasks.move")

    assert world.call_back(task_id, trusted=False).outcome == "unconfirmed"


def test_a_lying_hint_leads_only_to_what_the_upstream_says() -> None:
    world = World()
    task_id = finished(world)
    truth = world.gateway.of_task(task_id)
    world.gateway.while_looking = lambda: setattr(truth, "says", Says.GENERATING)

    assert world.call_back(task_id, trusted=False).outcome == "not_terminal"
    assert world.task(task_id).phase is Phase.GENERATING


def test_an_unsigned_hint_without_any_id_cannot_be_confirmed() -> None:
    world = World()
    task_id = finished(world)
    world.change(task_id, upstream_task_id=None, phase=Phase.SUBMITTING)

    assert world.call_back(task_id, trusted=False, body={"taskId": "tk-1", "anonymous": True}).outcome == "unconfirmed"


def test_bytes_that_do_not_fit_the_budget_are_left_to_the_worker_and_the_upstream_gets_its_answer() -> None:
    world = World()
    task_id = finished(world)
    world.downloads.serve("https://cdn.test/tk-1/0.png", DownloadInterrupted("slow"))

    received = world.call_back(task_id)

    assert (received.outcome, received.downloads) == ("handed_over", 2)
    assert [(job.do, job.task_id, job.lease) for job in world.queue.jobs] == [("store", task_id, world.task(task_id).lease)]


def test_a_bucket_that_is_away_costs_no_second_delivery() -> None:
    world = World(on_call=failing("bucket.put"))
    task_id = finished(world)

    received = world.call_back(task_id)

    assert received.outcome == "handed_over"
    assert received.fault == "bucket.put"


def test_bucket_and_queue_may_both_be_away() -> None:
    world = World(on_call=failing("bucket.put", "queue.send"))
    task_id = finished(world)

    assert world.call_back(task_id).outcome == "handed_over"
    assert world.task(task_id).next_check_at is not None


def test_a_table_that_is_away_asks_for_another_delivery() -> None:
    world = World()
    task_id = finished(world)
    world.tasks.on_call = failing("tasks.move")

    with pytest.raises(StorageUnavailable):
        world.call_back(task_id)


class Restless(MemoryTasks):
    """Every move loses its race."""

    def move(self, before: Task, after: Task) -> None:
        raise TaskChanged(before.id)


def test_a_task_that_never_stands_still_asks_for_another_delivery() -> None:
    world = World()
    task_id = finished(world)
    world.tasks = Restless(clock=world.clock, tasks=world.tasks.tasks)

    with pytest.raises(TaskChanged):
        world.call_back(task_id)


class Overtaken(MemoryTasks):
    """A rival's change takes effect just before our first move."""

    rival: Callable[[Task], Task]

    def move(self, before: Task, after: Task) -> None:
        if self.rival is not None:
            rival, self.rival = self.rival, None  # type: ignore[assignment]  # once only
            self.tasks[before.id] = rival(self.tasks[before.id])
        MemoryTasks.move(self, before, after)


@pytest.mark.parametrize(
    ("rival", "outcome"),
    [
        (lambda task: task.storing(task.created_at, by="poll", lease="theirs", lease_s=60, outputs=task.outputs), "duplicate"),
        (lambda task: replace(task, attempt=2, version=task.version + 1), "superseded"),
    ],
    ids=["stored by another", "run again"],
)
def test_a_callback_that_is_overtaken_decides_again(rival: Callable[[Task], Task], outcome: str) -> None:
    world = World()
    task_id = finished(world)
    world.tasks = Overtaken(clock=world.clock, tasks=world.tasks.tasks)
    world.tasks.rival = rival  # type: ignore[attr-defined]  # Overtaken's own

    assert world.call_back(task_id).outcome == outcome
    assert world.downloads.opened == []


def test_a_callback_after_the_lease_lapsed_takes_over() -> None:
    world = World()
    task_id = finished(world)
    world.delays = ()
    world.call_back(task_id)
    world.delays, world.now = (0.0,), world.now + world.timing.inline_lease_s

    assert world.call_back(task_id).outcome == "stored"


def test_a_late_callback_gives_an_expired_task_its_picture() -> None:
    world = World()
    task_id = world.create().task.id
    world.live_on(2000)
    world.gateway.succeed(task_id)

    received = world.call_back(task_id)

    task = world.task(task_id)
    assert received.outcome == "stored"
    assert (task.phase, [image.late for image in task.images]) == (Phase.EXPIRED, [True])
    assert task.next_check_at is None


def test_an_output_of_unknown_length_is_stored_as_well() -> None:
    world = World()
    task_id = finished(world)
    world.downloads.serve("https://cdn.test/tk-1/0.png", Page(content=PNG + b"!" * 200_000, announced=False))

    assert world.call_back(task_id).outcome == "stored"
    assert world.task(task_id).images[0].size == len(PNG) + 200_000


def test_an_output_that_is_not_there_yet_is_tried_again() -> None:
    world = World()
    task_id = finished(world)
    world.downloads.serve("https://cdn.test/tk-1/0.png", OutputGone("404"), PNG)

    assert world.call_back(task_id).outcome == "stored"


BUSY = UpstreamUnavailable("overloaded", status=503, about_the_request=True)


def paid_twice(world: World) -> str:
    """A task whose first attempt was taken and billed although the gateway said that it was too busy."""
    world.gateway.after_accepting = [BUSY]
    task_id = world.create(alternatives=(OTHER,)).task.id
    world.work_all()
    for generation in list(world.gateway.generations.values()):
        world.gateway.succeed(generation)
    return task_id


def call_back_for_the_first(world: World, task_id: str, **how: Any) -> Received:
    token = sign(KEY, upstream="hiapi", task_id=task_id, attempt=1, now=world.now)
    return world.call_back(task_id, token=token, body={"taskId": "tk-1"}, **how)


@pytest.mark.parametrize("ended", [False, True])
def test_a_success_of_an_attempt_that_was_taken_for_unpaid_puts_right_what_it_cost_and_keeps_its_picture(ended: bool) -> None:
    world = World()
    task_id = paid_twice(world)
    if ended:
        world.call_back(task_id)
    before = world.task(task_id)

    received = call_back_for_the_first(world, task_id)
    again = call_back_for_the_first(world, task_id)

    after = world.task(task_id)
    assert (received.outcome, received.is_charge, again.outcome) == ("charged_after_all", True, "superseded")
    assert received.kept == (f"images/shop/{task_id}/1/0",)
    assert set(received.kept) <= set(world.bucket.objects)
    assert [one.paid for one in after.earlier] == [True]
    assert (after.phase, after.images, after.terminal_at) == (before.phase, before.images, before.terminal_at)
    assert world.tasks.kept_evidence[task_id].source == "callback"


def test_the_present_attempt_still_brings_its_picture_after_such_a_success() -> None:
    world = World()
    task_id = paid_twice(world)
    call_back_for_the_first(world, task_id)

    world.call_back(task_id)

    task = world.task(task_id)
    assert (task.phase, [image.attempt for image in task.images]) == (Phase.SUCCEEDED, [2])


def test_nobody_but_the_upstream_can_say_that_an_attempt_was_paid() -> None:
    world = World()
    task_id = paid_twice(world)

    received = call_back_for_the_first(world, task_id, trusted=False)

    assert received.outcome == "superseded"
    assert [one.paid for one in world.task(task_id).earlier] == [False]


@pytest.mark.parametrize("boundary", ["downloads.open", "bucket.put"])
def test_what_such_an_attempt_cost_is_put_right_although_its_picture_cannot_be_kept(boundary: str) -> None:
    fault = DownloadInterrupted("reset") if boundary == "downloads.open" else StorageUnavailable("bucket")
    world = World()
    task_id = paid_twice(world)

    def failing(name: str) -> None:
        if name == boundary:
            raise fault

    world.hook = failing
    received = call_back_for_the_first(world, task_id)

    assert (received.outcome, received.kept) == ("charged_after_all", ())
    assert [one.paid for one in world.task(task_id).earlier] == [True]


def test_a_success_of_a_task_that_failed_for_nothing_tells_what_it_cost_and_does_not_reopen_it() -> None:
    world = World()
    task_id = world.create(max_auto_retries=0).task.id
    world.gateway.fail(task_id, passing=True)
    world.call_back(task_id)
    world.gateway.succeed(task_id)

    received = world.call_back(task_id)

    task = world.task(task_id)
    assert received.outcome == "charged_after_all"
    assert task.error is not None
    assert (task.phase, task.error.code, task.error.charged, task.images) == (Phase.FAILED, "generation_failed", "yes", ())


# -- the unsigned door -----------------------------------------------------------------------------------


def looked(world: World) -> int:
    return len(world.gateway.looks)


def test_any_number_of_hints_makes_us_ask_once_a_minute_and_write_once() -> None:
    world = World()
    task_id = world.create().task.id
    lie = {"lie": 1, "taskId": world.task(task_id).upstream_task_id}
    rows, accounts = world.tasks.writes, world.accounts.writes

    outcomes = []
    for _ in range(200):
        world.now += 0.25
        outcomes.append(world.call_back(task_id, trusted=False, body=lie).outcome)
    within = (looked(world), world.tasks.writes - rows, world.accounts.writes - accounts)
    world.now += 60
    world.call_back(task_id, trusted=False, body=lie)

    assert outcomes == ["not_terminal"] + ["unconfirmed"] * 199
    assert within == (1, 1, 1)
    assert looked(world) == 2


def test_hints_at_once_ask_once() -> None:
    world = World()
    task_id = finished(world)
    lie = {"lie": 1, "taskId": world.task(task_id).upstream_task_id}
    inner: list[str] = []

    def another(name: str) -> None:
        if name == "tasks.move":
            world.hook = lambda _name: None
            inner.append(world.call_back(task_id, trusted=False, body=lie).outcome)

    world.hook = another
    outer = world.call_back(task_id, trusted=False, body=lie).outcome

    assert (inner, outer) == (["stored"], "unconfirmed")
    assert looked(world) == 1


def test_a_true_hint_among_false_ones_is_found_by_the_next_look() -> None:
    world = World()
    task_id = world.create().task.id
    lie = {"lie": 1, "taskId": world.task(task_id).upstream_task_id}
    world.call_back(task_id, trusted=False, body=lie)
    world.gateway.succeed(task_id)

    heard = world.call_back(task_id, trusted=False).outcome
    world.live_on(120)

    assert heard == "unconfirmed"
    assert world.task(task_id).phase is Phase.SUCCEEDED


def test_the_hints_of_one_attempt_delay_those_of_the_next_one_by_nothing() -> None:
    world = World()
    task_id = world.create().task.id
    lie = {"lie": 1, "taskId": world.task(task_id).upstream_task_id}
    world.call_back(task_id, trusted=False, body=lie)
    world.gateway.fail(task_id, passing=True)
    world.call_back(task_id)
    world.work_all()
    world.gateway.succeed(task_id)

    assert world.call_back(task_id, trusted=False).outcome == "stored"


@pytest.mark.parametrize("phase", [Phase.SUBMITTING, Phase.UNKNOWN, Phase.EXPIRED])
def test_a_hint_names_no_task_of_its_own(phase: Phase) -> None:
    """Whoever has one address may name any task of the gateway's account: another owner's picture, for one."""
    world = World()
    victim = finished(world)
    theirs = world.gateway.of_task(victim).id
    world.call_back(victim)
    mine = finished(world)
    world.change(mine, upstream_task_id=None, phase=phase)

    received = world.call_back(mine, trusted=False, body={"lie": 1, "taskId": theirs})

    assert received.outcome == "unconfirmed"
    assert looked(world) == 0
    assert world.task(mine).upstream_task_id is None


def test_the_id_of_a_lost_answer_is_learned_from_a_repeat_under_our_key_and_its_picture_comes() -> None:
    world = World()
    world.gateway.after_accepting = [OutcomeUnknown("no answer")]
    task_id = world.create().task.id
    world.gateway.succeed(task_id)

    hinted = world.call_back(task_id, trusted=False).outcome
    world.live_on(180)

    assert hinted == "unconfirmed"
    assert world.task(task_id).phase is Phase.SUCCEEDED


def test_signed_news_of_a_lost_answer_names_its_task() -> None:
    world = World()
    world.gateway.after_accepting = [OutcomeUnknown("no answer")]
    task_id = world.create().task.id
    world.gateway.succeed(task_id)

    assert world.call_back(task_id).outcome == "stored"


def test_a_hint_makes_nobody_ask_about_a_task_of_which_nothing_can_come_any_more() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    lie = {"lie": 1, "taskId": world.task(task_id).upstream_task_id}
    world.live_on(30 * 3600, step=600)
    looks = looked(world)

    received = world.call_back(task_id, trusted=False, body=lie, token=world_token(world, task_id))

    assert (world.task(task_id).phase, received.outcome) == (Phase.EXPIRED, "unconfirmed")
    assert looked(world) == looks


def world_token(world: World, task_id: str) -> str:
    return (world.gateway.of_task(task_id).callback_url or "").rpartition("/")[2]


def test_an_address_of_an_attempt_is_dead_some_days_later() -> None:
    world = World()
    task_id = finished(world)
    token = world_token(world, task_id)
    world.now += 4 * 86_400 + 1

    with pytest.raises(TokenRejected):
        world.call_back(task_id, token=token)


def test_what_nobody_signed_and_nobody_can_read_is_not_kept() -> None:
    world = World()
    task_id = world.create().task.id
    writes = world.tasks.writes

    received = world.call_back(task_id, trusted=False, body={"what": "?"})

    assert received.outcome == "unreadable"
    assert task_id not in world.tasks.kept_evidence
    assert world.tasks.writes == writes
