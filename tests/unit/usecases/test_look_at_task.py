"""One look at a silent task: the next look is written first, then it is asked, sent again, stored or ended."""

from collections.abc import Callable
from typing import Never

import pytest

from darkroom.domain.admission import Limits
from darkroom.domain.news import Says
from darkroom.domain.task import Phase, Task
from darkroom.errors import (
    ConfigurationError,
    OutcomeUnknown,
    StorageUnavailable,
    TaskChanged,
    UpstreamRefused,
    UpstreamUnavailable,
)
from darkroom.usecases.look_at_task import STORE_GIVE_UP_S, Look
from tests.support.boundaries import nothing_happens
from tests.support.memory import MemoryTasks
from tests.support.world import SILENT, T0, World

LOST = OutcomeUnknown("the answer was lost")


def look_when_due(world: World, task_id: str) -> Look:
    world.now = max(world.now, world.task(task_id).next_check_at or 0)
    return world.look(task_id)


def failing(*names: str) -> Callable[[str], None]:
    def on_call(name: str) -> None:
        if name in names:
            raise StorageUnavailable(name)

    return on_call


class Losing(MemoryTasks):
    """The n-th move loses its race; the others are made."""

    lose = 1

    def move(self, before: Task, after: Task) -> None:
        self.lose -= 1
        if self.lose == 0:
            raise TaskChanged(before.id)
        MemoryTasks.move(self, before, after)


def raising(error: Exception) -> Never:
    raise error.with_traceback(None)


def losing(world: World, nth: int) -> None:
    world.tasks = Losing(clock=world.clock, tasks=world.tasks.tasks, requests=world.tasks.requests)
    world.tasks.lose = nth  # type: ignore[attr-defined]  # Losing's own


def test_a_task_that_is_not_due_is_left_alone() -> None:
    world = World()
    task_id = world.create().task.id

    assert world.look(task_id).outcome == "not_due"
    assert world.look("task_unknown").outcome == "not_due"
    assert not world.look(task_id).looked


def test_the_next_look_is_written_before_anybody_is_asked() -> None:
    calls: list[str] = []
    world = World(on_call=calls.append)
    task_id = world.create().task.id
    calls.clear()

    look_when_due(world, task_id)

    assert calls.index("tasks.move:done") < calls.index("upstream.look")


def test_of_two_reconcilers_one_looks() -> None:
    world = World()
    task_id = world.create().task.id
    losing(world, 1)

    assert look_when_due(world, task_id).outcome == "changed"
    assert world.gateway.looks == []


def test_a_missed_success_is_handed_to_the_worker_with_its_lease() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.succeed(task_id)

    look = look_when_due(world, task_id)

    assert (look.outcome, look.moved, look.missed_callback) == ("recovered", True, True)
    assert world.work_all()[0].outcome == "stored"
    assert world.task(task_id).news_by == "poll"


def test_a_missed_failure_keeps_the_upstreams_body() -> None:
    world = World()
    task_id = world.create(callbacks=False).task.id
    world.gateway.fail(task_id)

    look = look_when_due(world, task_id)

    assert (look.outcome, look.missed_callback) == ("recovered", False)
    assert world.tasks.kept_evidence[task_id].request_id == "req-9"


def test_a_dropped_result_needs_no_evidence_of_its_success() -> None:
    world = World()
    task_id = world.create().task.id
    world.cancel(task_id)
    world.gateway.succeed(task_id)

    look = look_when_due(world, task_id)

    assert look.after is not None
    assert look.after.phase is Phase.CANCELED


def test_progress_is_recorded_and_looks_come_further_apart() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.of_task(task_id).says = Says.GENERATING

    first, began = look_when_due(world, task_id), world.now
    gap_1 = (world.task(task_id).next_check_at or 0) - began
    look_when_due(world, task_id)
    gap_2 = (world.task(task_id).next_check_at or 0) - world.now

    assert (first.outcome, first.moved) == ("working", True)
    assert gap_1 < gap_2


def test_an_unknown_upstream_word_is_not_an_end() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.of_task(task_id).says = Says.WORKING

    assert look_when_due(world, task_id).outcome == "working"


def test_news_about_another_upstream_task_changes_nothing() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.of_task(task_id).id = "tk-other"

    look = look_when_due(world, task_id)

    assert (look.outcome, look.contradicts, world.task(task_id).phase) == ("mismatch", True, Phase.QUEUED)
    assert look.fault == "asked about tk-1, the upstream answers about tk-other"
    assert '"tk-other"' in world.tasks.kept_evidence[task_id].body


def test_a_task_whose_upstream_answers_about_another_one_ends_at_its_deadline_and_gives_its_slot_back() -> None:
    world = World()
    task_id = world.create(timeout_s=600).task.id
    world.gateway.of_task(task_id).id = "tk-other"

    world.live_on(700)

    task = world.task(task_id)
    assert task.error is not None
    assert (task.phase, task.error.code) == (Phase.EXPIRED, "deadline_exceeded")
    assert "another task" in task.error.message
    assert world.accounts.held() == {}


@pytest.mark.parametrize("error", [KeyError("status"), RecursionError(), UnicodeEncodeError("utf-8", "", 0, 1, "half")])
@pytest.mark.parametrize("boundary", ["upstream.look", "upstream.look:done"])
def test_a_task_whose_looks_raise_what_no_code_expects_ends_at_its_deadline(error: Exception, boundary: str) -> None:
    world = World(on_call=lambda name: raising(error) if name == boundary else None)
    task_id = world.create(timeout_s=600).task.id

    world.now += 61
    early = world.tick().looks
    world.live_on(700)

    task = world.task(task_id)
    assert [(look.outcome, look.unforeseen) for look in early] == [("unforeseen", error)]
    assert task.error is not None
    assert (task.phase, task.error.code, task.error.charged) == (Phase.EXPIRED, "deadline_exceeded", "unknown")
    assert task.error.message == f"no result within 600 s; the last look failed: {type(error).__name__}"
    assert world.accounts.held() == {}


def test_the_look_that_ends_such_a_task_tells_of_the_error() -> None:
    error = KeyError("status")
    world = World(on_call=lambda name: raising(error) if name == "upstream.look" else None)
    task_id = world.create(timeout_s=60).task.id

    look = look_when_due(world, task_id)

    assert (look.outcome, look.moved, look.unforeseen) == ("ended", True, error)


def test_an_error_after_the_end_was_written_changes_nothing() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    world.gateway.fail(task_id)
    world.hook = lambda name: raising(KeyError(name)) if name == "accounts.release" else None

    with pytest.raises(KeyError):
        look_when_due(world, task_id)

    assert world.task(task_id).phase is Phase.FAILED


def test_a_task_whose_upstream_is_no_longer_set_up_ends_at_its_deadline() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    world.upstream = lambda name: raising(ConfigurationError(f"no upstream is called {name!r}"))  # type: ignore[method-assign]

    look = look_when_due(world, task_id)

    assert (look.outcome, world.task(task_id).phase) == ("ended", Phase.EXPIRED)


def test_our_own_services_have_a_day_to_come_back_before_a_task_ends_without_them() -> None:
    world = World()
    task_id = world.create(timeout_s=600).task.id
    world.gateway.while_looking = lambda: raising(StorageUnavailable("secret"))

    world.live_on(23 * 3600, step=300)
    before = world.task(task_id).phase
    world.live_on(2 * 3600, step=300)

    assert (before, world.task(task_id).phase) == (Phase.QUEUED, Phase.EXPIRED)


def test_a_task_that_cannot_be_sent_leaves_its_slot_to_others_and_expires_unpaid() -> None:
    world = World(limits=Limits(account="hiapi", in_flight=1))
    world.gateway.before_accepting = [UpstreamUnavailable("busy")]
    broken = world.create().task.id
    world.prepare = lambda task, request: raising(KeyError("body")) if task.id == broken else request  # type: ignore[method-assign]
    world.live_on(600)

    other = world.create().task.id
    world.live_on(600)
    sent = world.task(other).phase
    world.live_on(25 * 3600, step=300)

    task = world.task(broken)
    assert sent is Phase.QUEUED
    assert task.error is not None
    assert (task.phase, task.error.charged) == (Phase.EXPIRED, "no")


def test_a_stored_picture_whose_looks_raise_is_given_up_after_a_day() -> None:
    world = World()
    task_id = stored_by_nobody(world)
    world.queue.on_call = lambda name: raising(KeyError(name))

    world.live_on(STORE_GIVE_UP_S + 400, step=300)

    assert world.task(task_id).phase is Phase.FAILED


def test_a_late_picture_whose_looks_raise_is_given_up_after_a_day() -> None:
    world = World()
    task_id = late_and_stored_by_nobody(world)
    world.queue.on_call = lambda name: raising(KeyError(name))

    world.live_on(STORE_GIVE_UP_S + 400, step=300)

    assert world.task(task_id).next_check_at is None


def test_an_expired_task_whose_looks_raise_is_left_in_peace_a_day_after_its_first_post() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    world.live_on(120)
    world.hook = lambda name: raising(KeyError(name)) if name == "accounts.save" else None

    world.live_on(25 * 3600, step=300)

    assert world.task(task_id).next_check_at is None


@pytest.mark.parametrize("error", [UpstreamUnavailable("busy"), UpstreamRefused("no", reason="upstream_auth"), LOST])
def test_an_upstream_that_does_not_answer_is_asked_again_later(error: Exception) -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.looking = [error]  # type: ignore[list-item]  # DarkroomErrors all

    look = look_when_due(world, task_id)

    assert look.outcome == "no_answer"
    assert look.refused == ("upstream_auth" if isinstance(error, UpstreamRefused) else None)
    assert (world.task(task_id).next_check_at or 0) > world.now


@pytest.mark.parametrize(("asked", "wait"), [(600.0, 600.0), (5.0, 60.0)])
def test_a_busy_upstream_is_not_asked_again_earlier_than_it_wants(asked: float, wait: float) -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.looking = [UpstreamUnavailable("busy", status=429, retry_after=asked)]

    look_when_due(world, task_id)
    look = look_when_due(world, task_id)

    assert look.outcome == "working"
    assert world.now == pytest.approx(T0 + 60 + wait, abs=1)


def test_a_task_that_expires_on_a_busy_upstream_is_not_asked_about_earlier_than_it_wants() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    world.gateway.looking = [UpstreamUnavailable("busy", status=429, retry_after=600)]

    look = look_when_due(world, task_id)

    assert look.after is not None
    assert (look.after.phase, look.after.next_check_at) == (Phase.EXPIRED, world.now + 600)


def test_whoever_moved_the_task_meanwhile_knows_better_when_to_look() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.looking = [UpstreamUnavailable("busy", status=429, retry_after=600)]
    losing(world, 2)

    assert look_when_due(world, task_id).outcome == "no_answer"


def test_evidence_that_cannot_be_kept_does_not_keep_a_task_from_ending() -> None:
    world = World()
    task_id = world.create(timeout_s=600).task.id
    world.hook = failing("tasks.keep_evidence")

    world.live_on(700)

    assert world.task(task_id).phase is Phase.EXPIRED


def test_a_task_expires_at_its_deadline_with_the_upstreams_last_body() -> None:
    world = World()
    task_id = world.create(timeout_s=600).task.id

    world.live_on(700)

    task, kept = world.task(task_id), world.tasks.kept_evidence[task_id]
    assert task.error is not None
    assert (task.phase, task.error.code, task.error.charged) == (Phase.EXPIRED, "deadline_exceeded", "unknown")
    assert (task.error.upstream_request_id, kept.request_id) == ("req-9", "req-9")
    assert '"tk-1"' in kept.body


@pytest.mark.parametrize("raw", [b"<html>bad gateway?key=1</html>", b""])
def test_a_task_expires_even_when_the_upstream_is_down(raw: bytes) -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    world.gateway.looking = [UpstreamUnavailable("502", status=502, raw=raw)] * 3

    look = look_when_due(world, task_id)

    assert look.after is not None
    assert look.after.phase is Phase.EXPIRED
    assert (task_id in world.tasks.kept_evidence) == bool(raw)


def test_a_callback_that_beats_the_expiry_wins() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    losing(world, 2)

    assert look_when_due(world, task_id).outcome == "changed"
    assert world.task(task_id).phase is Phase.QUEUED


def test_an_expired_task_is_asked_until_a_late_success() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    world.live_on(4000)
    world.gateway.succeed(task_id)

    world.live_on(3 * 3600, step=300)

    task = world.task(task_id)
    assert (task.phase, [image.late for image in task.images]) == (Phase.EXPIRED, [True])


def test_an_expired_task_is_left_in_peace_a_day_after_its_first_post() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id

    world.live_on(25 * 3600, step=300)

    assert world.task(task_id).next_check_at is None
    assert len(world.gateway.looks) < 20


def test_a_late_failure_ends_the_looking() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    world.live_on(120)
    world.gateway.fail(task_id)

    look = look_when_due(world, task_id)

    assert (look.outcome, look.moved) == ("recovered", False)
    assert world.task(task_id).next_check_at is None


def test_a_late_picture_whose_worker_died_is_stored_by_the_next() -> None:
    world = World()
    task_id = world.create(timeout_s=60).task.id
    world.live_on(120)
    world.gateway.succeed(task_id)
    look_when_due(world, task_id)
    world.queue.jobs.clear()
    world.now += world.timing.queued_lease_s

    assert look_when_due(world, task_id).outcome == "store_queued"
    assert world.work_all()[0].outcome == "stored"


def late_and_stored_by_nobody(world: World) -> str:
    """An expired task whose late success is known and whose bytes nobody has brought home."""
    task_id = world.create(timeout_s=60).task.id
    world.live_on(120)
    world.gateway.succeed(task_id)
    look_when_due(world, task_id)
    world.queue.jobs.clear()
    return task_id


def test_a_late_picture_that_is_being_stored_is_not_asked_about() -> None:
    world = World()
    task_id = late_and_stored_by_nobody(world)
    world.change(task_id, next_check_at=world.now)
    looks = len(world.gateway.looks)

    assert look_when_due(world, task_id).outcome == "waiting"
    assert len(world.gateway.looks) == looks


def test_a_late_picture_is_looked_after_until_it_is_home_though_the_tail_has_ended() -> None:
    world = World()
    task_id = late_and_stored_by_nobody(world)
    world.change(task_id, first_sent_at=world.now - 24 * 3600)
    world.queue.on_call = failing("queue.send")

    look_when_due(world, task_id)
    world.queue.on_call = nothing_happens
    look = look_when_due(world, task_id)

    assert look.outcome == "store_queued"
    assert world.work_all()[0].outcome == "stored"


def test_a_late_picture_that_could_not_be_stored_for_a_day_is_given_up_and_the_status_stays() -> None:
    world = World()
    task_id = late_and_stored_by_nobody(world)
    world.change(task_id, next_check_at=world.now + STORE_GIVE_UP_S)

    look = look_when_due(world, task_id)

    task = world.task(task_id)
    assert (look.outcome, look.moved) == ("ended", False)
    assert (task.phase, task.next_check_at, task.lease) == (Phase.EXPIRED, None, None)


def test_a_task_that_waited_longer_than_it_may_take_is_still_sent_again_when_its_answer_is_lost() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("busy", retry_after=900)]
    task_id = world.create(timeout_s=600).task.id
    world.gateway.after_accepting = [LOST]
    look_when_due(world, task_id)

    look_when_due(world, task_id)

    assert world.task(task_id).phase is Phase.QUEUED
    assert len(world.gateway.billed) == 1


def test_a_request_that_cannot_be_read_leaves_no_doubt_whether_it_was_sent() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("busy")]
    task_id = world.create(prompt=" ".join(f"{number * 7919 % 65_521:x}" for number in range(600))).task.id
    world.hook = failing("tasks.request_of")

    with pytest.raises(StorageUnavailable):
        look_when_due(world, task_id)

    assert world.task(task_id).phase is Phase.WAITING


def test_an_unanswered_submission_is_sent_again_with_the_same_bytes() -> None:
    world = World()
    world.gateway.after_accepting = [LOST]
    task_id = world.create().task.id

    look = look_when_due(world, task_id)

    assert (look.outcome, look.not_replayed) == ("sent", False)
    assert world.gateway.posts[0] == world.gateway.posts[1]
    assert len(world.gateway.billed) == 1


def test_an_unanswered_submission_is_never_repeated_where_repeats_are_billed() -> None:
    world = World(promises=SILENT)
    world.gateway.after_accepting = [LOST]
    task_id = world.create().task.id
    world.work_all()

    world.live_on(2000)

    task = world.task(task_id)
    assert len(world.gateway.posts) == 1
    assert task.error is not None
    assert (task.phase, task.error.code, task.error.charged) == (Phase.EXPIRED, "submission_outcome_unknown", "unknown")


def test_the_end_of_a_task_does_not_hang_on_its_evidence() -> None:
    world = World(promises=SILENT)
    world.gateway.after_accepting = [LOST]
    task_id = world.create().task.id
    world.work_all()

    def fail(boundary: str) -> None:
        if boundary == "tasks.evidence":
            raise KeyError(boundary)

    world.hook = fail
    world.live_on(2000)

    assert world.task(task_id).phase is Phase.EXPIRED


def test_an_unanswered_submission_is_not_repeated_after_the_upstream_forgets_keys() -> None:
    world = World()
    world.gateway.after_accepting = [LOST]
    task_id = world.create(timeout_s=86_400).task.id
    world.change(task_id, next_check_at=world.now + 23 * 3600)

    assert look_when_due(world, task_id).outcome == "waiting"
    assert len(world.gateway.posts) == 1


def test_a_canceled_wish_is_never_sent_again() -> None:
    world = World()
    world.gateway.after_accepting = [LOST]
    task_id = world.create().task.id
    world.cancel(task_id)

    world.live_on(2000)

    task = world.task(task_id)
    assert len(world.gateway.posts) == 1
    assert task.error is not None
    assert (task.phase, task.error.charged) == (Phase.CANCELED, "unknown")


def test_a_lost_submission_is_adopted_by_its_callback_even_after_its_end() -> None:
    world = World(promises=SILENT)
    world.gateway.after_accepting = [LOST]
    task_id = world.create().task.id
    world.work_all()
    world.live_on(2000)
    world.gateway.succeed(task_id)

    assert world.call_back(task_id).outcome == "stored"
    assert world.task(task_id).images[0].late


def test_a_waiting_task_is_sent_when_its_time_comes() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("busy", retry_after=20)]
    task_id = world.create().task.id

    look = look_when_due(world, task_id)

    assert (look.outcome, world.task(task_id).phase) == ("sent", Phase.QUEUED)


def test_of_two_who_want_to_send_a_waiting_task_one_does() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("busy")]
    task_id = world.create().task.id
    losing(world, 2)

    assert look_when_due(world, task_id).outcome == "changed"
    assert len(world.gateway.posts) == 1


def test_a_task_that_waited_too_long_expires_unpaid() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("busy")] * 1000
    task_id = world.create().task.id

    world.live_on(25 * 3600, step=300)

    task = world.task(task_id)
    assert task.error is not None
    assert (task.phase, task.error.charged, task.next_check_at) == (Phase.EXPIRED, "no", None)
    assert world.gateway.billed == []


def test_a_forgotten_submit_job_is_sent_again() -> None:
    world = World(promises=SILENT)
    task_id = world.create().task.id
    world.queue.jobs.clear()

    assert look_when_due(world, task_id).outcome == "submit_queued"
    assert world.work_all()[0].outcome == "submitted"


def test_a_queue_that_is_away_is_tried_at_the_next_look() -> None:
    world = World(promises=SILENT)
    task_id = world.create().task.id
    world.queue.on_call = failing("queue.send")

    look = look_when_due(world, task_id)

    assert (look.outcome, look.fault) == ("waiting", "queue.send")
    assert (world.task(task_id).next_check_at or 0) > world.now


def stored_by_nobody(world: World) -> str:
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    world.delays = ()
    world.call_back(task_id)
    world.queue.jobs.clear()
    world.delays = (0.0,)
    return task_id


def test_a_look_leaves_a_living_lease_alone_and_comes_back_at_its_end() -> None:
    world = World()
    task_id = stored_by_nobody(world)
    world.change(task_id, next_check_at=world.now + 1)

    look = look_when_due(world, task_id)

    task = world.task(task_id)
    assert look.outcome == "waiting"
    assert task.lease_until is not None
    assert task.next_check_at == task.lease_until + 1


def test_a_lapsed_lease_is_handed_to_the_worker() -> None:
    world = World()
    task_id = stored_by_nobody(world)

    assert look_when_due(world, task_id).outcome == "store_queued"
    assert world.work_all()[0].outcome == "stored"


def test_a_picture_that_could_not_be_stored_for_a_day_fails_and_was_paid() -> None:
    world = World()
    task_id = stored_by_nobody(world)
    world.change(task_id, next_check_at=world.now + STORE_GIVE_UP_S)

    look = look_when_due(world, task_id)

    assert look.after is not None
    assert look.after.error is not None
    assert (look.after.phase, look.after.error.code, look.after.error.charged) == (Phase.FAILED, "storage_failed", "yes")


def test_a_task_in_flight_without_an_upstream_id_only_waits() -> None:
    world = World()
    task_id = world.create().task.id
    world.change(task_id, upstream_task_id=None)

    assert look_when_due(world, task_id).outcome == "waiting"


def test_a_repeat_that_was_not_recognised_is_reported() -> None:
    world = World()
    world.gateway.before_accepting = [LOST]
    task_id = world.create().task.id

    assert look_when_due(world, task_id).not_replayed
