"""The state machine: what is legal, what is not, and when somebody looks next."""

from dataclasses import replace
from itertools import product

import pytest

from darkroom.domain.task import (
    LAST_DELIVERY_S,
    MOVES,
    OPEN,
    STATUS,
    TAIL_S,
    TERMINAL,
    Image,
    Output,
    Phase,
    Status,
    Task,
    TaskError,
    Timing,
)
from darkroom.errors import IllegalMove

T0 = 1_700_000_000.0
TIMING = Timing()
WHY = TaskError(code="generation_failed", message="no", charged="no")


def a_task(phase: Phase = Phase.SUBMITTING, **changes: object) -> Task:
    task = Task(
        id="task_01HZTQ8BX2N3GM3YFK4Z9D7VQR",
        owner="shop",
        upstream="hiapi",
        model="gpt-image-2/text-to-image",
        timeout_s=1800,
        created_at=T0,
        phase=phase,
        first_sent_at=T0,
        next_check_at=T0 + 60,
    )
    return replace(task, **changes)  # type: ignore[arg-type]  # tests name any field


def a_picture(index: int = 0) -> Image:
    return Image(index=index, content_type="image/png", size=9, width=1, height=1, sha256="00", created_at=T0)


MOVERS = {
    Phase.ACCEPTED: lambda task: task.again(T0, WHY),
    Phase.SUBMITTING: lambda task: task.submitting(T0),
    Phase.WAITING: lambda task: task.wait(until=T0),
    Phase.UNKNOWN: lambda task: task.lost(next_check_at=T0),
    Phase.QUEUED: lambda task: task.submitted(T0, upstream_task_id="tk"),
    Phase.GENERATING: lambda task: task.progressed(Phase.GENERATING, T0),
    Phase.ARCHIVING: lambda task: task.progressed(Phase.ARCHIVING, T0),
    Phase.STORING: lambda task: task.storing(T0, by="poll", lease="l", lease_s=1, outputs=()),
    Phase.SUCCEEDED: lambda task: task.stored(T0, (a_picture(),)),
    Phase.FAILED: lambda task: task.failed(T0, WHY, by="poll"),
    Phase.CANCELED: lambda task: task.canceled(T0, charged="no", by="cancel"),
    Phase.EXPIRED: lambda task: task.expired(T0, WHY, TIMING),
}


@pytest.mark.parametrize(("start", "to"), list(product(Phase, MOVERS)))
def test_a_move_is_made_exactly_when_the_table_allows_it(start: Phase, to: Phase) -> None:
    task = a_task(start)
    late_picture = start is Phase.EXPIRED and to in (Phase.STORING, Phase.SUCCEEDED)

    if to in MOVES[start] or late_picture:
        after = MOVERS[to](task)

        assert after.phase is (Phase.EXPIRED if late_picture else to)
        assert after.version == task.version + 1
    else:
        with pytest.raises(IllegalMove, match=str(start)):
            MOVERS[to](task)


def test_every_phase_has_a_status_and_terminal_words_are_the_same_in_both() -> None:
    assert set(STATUS) == set(Phase)
    assert {STATUS[phase].value for phase in TERMINAL} == {phase.value for phase in TERMINAL}
    assert {phase for phase in Phase if STATUS[phase] is Status.QUEUED} == {Phase.ACCEPTED, Phase.WAITING, Phase.SUBMITTING}


def test_every_open_phase_can_reach_an_end() -> None:
    def reachable(phase: Phase, seen: frozenset[Phase] = frozenset()) -> frozenset[Phase]:
        for onward in MOVES[phase] - seen:
            seen = reachable(onward, seen | {onward})
        return seen

    for phase in OPEN:
        assert reachable(phase) & TERMINAL, phase


@pytest.mark.parametrize("phase", sorted(TERMINAL - {Phase.EXPIRED}))
def test_a_closed_task_cannot_be_rewritten(phase: Phase) -> None:
    for change in (
        lambda task: task.cancel_asked(),
        lambda task: task.looked(T0, next_check_at=T0, crowded=False),
        lambda task: task.released(next_check_at=T0),
        lambda task: task.lease_taken(T0, lease="l", lease_s=1),
    ):
        with pytest.raises(IllegalMove):
            change(a_task(phase))


def test_a_closed_task_is_never_looked_at_again() -> None:
    for to in (Phase.FAILED, Phase.CANCELED):
        assert MOVERS[to](a_task()).next_check_at is None

    assert a_task(Phase.STORING, lease="l").stored(T0, (a_picture(),)).next_check_at is None


def test_a_post_that_did_no_work_does_not_count_as_the_first() -> None:
    waiting = a_task(Phase.WAITING, first_sent_at=None)

    first = waiting.submitting(T0 + 5)
    again = first.wait(until=T0 + 900).submitting(T0 + 900)

    assert (first.first_sent_at, again.first_sent_at) == (T0 + 5, T0 + 900)


def test_time_spent_waiting_does_not_shorten_the_time_for_an_answer() -> None:
    sent = a_task(Phase.WAITING, timeout_s=600).submitting(T0 + 7200)

    assert sent.lost(next_check_at=T0 + 7260).give_up_at(TIMING) == T0 + 7800


def test_the_deadline_counts_from_submission() -> None:
    task = a_task(timeout_s=100)

    submitted = task.submitted(T0 + 7, upstream_task_id="tk", request_id="r")

    assert task.deadline_at is None
    assert submitted.deadline_at == T0 + 107
    assert (submitted.upstream_task_id, submitted.upstream_request_id) == ("tk", "r")
    assert submitted.next_check_at == task.next_check_at


def test_news_never_replaces_a_known_upstream_id() -> None:
    task = a_task(Phase.QUEUED, upstream_task_id="tk-1", submitted_at=T0)

    after = task.progressed(Phase.GENERATING, T0 + 9, upstream_task_id="tk-2")

    assert (after.upstream_task_id, after.submitted_at) == ("tk-1", T0)


def test_giving_up_depends_on_how_far_the_task_came() -> None:
    assert a_task(Phase.WAITING).give_up_at(TIMING) == T0 + TIMING.max_wait_s
    assert a_task(Phase.UNKNOWN, first_sent_at=T0 + 3).give_up_at(TIMING) == T0 + 1803
    assert a_task(Phase.QUEUED, submitted_at=T0 + 9).give_up_at(TIMING) == T0 + 1809
    assert a_task(Phase.STORING, first_sent_at=None).give_up_at(TIMING) == T0 + 1800


@pytest.mark.parametrize(("looks", "gap"), [(0, 60), (1, 120), (2, 240), (3, 300), (50, 300)])
def test_looks_come_further_apart_up_to_a_ceiling(looks: int, gap: float) -> None:
    task = a_task(Phase.QUEUED, submitted_at=T0, looks=looks)

    assert task.next_look(T0, TIMING, jitter=0.5) == pytest.approx(T0 + gap)


def test_looks_are_spread_by_a_tenth_either_way() -> None:
    task = a_task(Phase.QUEUED, submitted_at=T0)

    assert task.next_look(T0, TIMING, jitter=0.0) == pytest.approx(T0 + 54)
    assert task.next_look(T0, TIMING, jitter=0.999) == pytest.approx(T0 + 66, abs=0.1)


def test_one_look_follows_the_last_delivery_attempt_and_one_meets_the_deadline() -> None:
    task = a_task(Phase.QUEUED, submitted_at=T0, looks=9)

    assert task.next_look(T0 + LAST_DELIVERY_S - 10, TIMING, jitter=0.5) == T0 + LAST_DELIVERY_S
    assert task.next_look(T0 + 1795, TIMING, jitter=0.5) == T0 + 1800
    assert task.next_look(T0 + 1801, TIMING, jitter=0.5) == pytest.approx(T0 + 2101)


def test_an_expired_task_is_asked_about_for_a_day_after_its_first_post() -> None:
    task = a_task(Phase.QUEUED, submitted_at=T0, upstream_task_id="tk", looks=9)

    expired = task.expired(T0 + 1800, WHY, TIMING)

    assert expired.next_check_at == T0 + 1800 + TIMING.recheck_max_s
    assert expired.looks == 0
    assert replace(expired, looks=30).next_look(T0 + 1800, TIMING, jitter=0) == T0 + 1800 + 4 * 3600
    assert replace(expired, looks=30).next_look(T0 + TAIL_S - 10, TIMING, jitter=0) == T0 + TAIL_S
    assert expired.next_look(T0 + TAIL_S, TIMING, jitter=0) is None
    assert replace(expired, first_sent_at=None).next_look(T0 + TAIL_S, TIMING, jitter=0) is None


def test_an_expired_task_that_no_upstream_knows_is_not_asked_about() -> None:
    assert a_task(Phase.WAITING).expired(T0, WHY, TIMING).next_check_at is None


def test_a_wish_to_cancel_turns_every_later_end_into_canceled_with_the_true_charge() -> None:
    wished = a_task(Phase.QUEUED, submitted_at=T0).cancel_asked()

    failed = wished.failed(T0, replace(WHY, charged="yes"), by="poll")
    expired = wished.expired(T0, replace(WHY, charged="unknown"), TIMING)

    assert (failed.phase, failed.error and failed.error.charged) == (Phase.CANCELED, "yes")
    assert (expired.phase, expired.error and expired.error.charged) == (Phase.CANCELED, "unknown")


def test_from_storing_on_a_wish_to_cancel_no_longer_counts() -> None:
    storing = a_task(Phase.STORING, cancel_requested=True)

    assert storing.failed(T0, WHY, by="poll").phase is Phase.FAILED


def test_a_lease_keeps_the_next_look_unless_it_lies_far_behind() -> None:
    near = a_task(Phase.QUEUED, next_check_at=T0 + 60)
    far = a_task(Phase.QUEUED, next_check_at=T0 + 1000)
    never = a_task(Phase.EXPIRED, next_check_at=None)

    kept, pulled, woken = (task.storing(T0, by="callback", lease="l", lease_s=25, outputs=()) for task in (near, far, never))

    assert (kept.next_check_at, pulled.next_check_at, woken.next_check_at) == (T0 + 60, T0 + 26, T0 + 26)
    assert kept.leased(T0 + 24)
    assert not kept.leased(T0 + 25)


def test_taking_a_lease_keeps_the_outputs_unless_fresher_ones_come_along() -> None:
    old, new = (Output(url="https://a.example/1"),), (Output(url="https://a.example/2"),)
    storing = a_task(Phase.STORING, outputs=old)

    assert storing.lease_taken(T0, lease="l", lease_s=1).outputs == old
    assert storing.lease_taken(T0, lease="l", lease_s=1, outputs=new).outputs == new


def test_late_pictures_are_marked_and_leave_the_task_expired() -> None:
    expired = a_task(Phase.EXPIRED, lease="l", lease_until=T0 + 9, outputs=(Output(url="https://a.example/1"),))

    after = expired.stored(T0 + 5, (a_picture(),))

    assert after.phase is Phase.EXPIRED
    assert [image.late for image in after.images] == [True]
    assert (after.next_check_at, after.lease, after.outputs) == (None, None, ())


def test_success_forgets_the_dying_urls_and_the_lease() -> None:
    storing = a_task(Phase.STORING, lease="l", lease_until=T0 + 9, outputs=(Output(url="https://a.example/1"),))

    after = storing.stored(T0 + 5, (a_picture(),))

    assert (after.status, after.terminal_at) == (Status.SUCCEEDED, T0 + 5)
    assert (after.lease, after.lease_until, after.outputs) == (None, None, ())


def test_releasing_gives_the_lease_back_and_says_when_to_look() -> None:
    after = a_task(Phase.STORING, lease="l", lease_until=T0 + 9).released(next_check_at=T0 + 30)

    assert (after.lease, after.lease_until, after.next_check_at) == (None, None, T0 + 30)


def test_a_look_is_counted() -> None:
    assert a_task().looked(T0, next_check_at=T0 + 1, crowded=False).looks == 1


def test_the_upstream_key_names_task_and_attempt() -> None:
    assert a_task(attempt=2).submission_key == "task_01HZTQ8BX2N3GM3YFK4Z9D7VQR:2"


def test_whoever_stores_late_pictures_is_looked_after_even_when_the_tail_has_ended() -> None:
    storing = a_task(Phase.EXPIRED, upstream_task_id="tk", lease="l", lease_until=T0 + TAIL_S)

    assert storing.next_look(T0 + TAIL_S, TIMING, jitter=0.5) == T0 + TAIL_S + TIMING.recheck_max_s
    assert storing.released(next_check_at=T0).next_look(T0 + TAIL_S, TIMING, jitter=0.5) is None


def test_an_upstream_that_wants_to_be_left_alone_moves_the_next_look_and_counts_none() -> None:
    after = a_task(Phase.UNKNOWN, looks=3).asked_to_wait(until=T0 + 500)

    assert (after.phase, after.next_check_at, after.looks) == (Phase.UNKNOWN, T0 + 500, 3)


def test_given_up_late_ends_the_looking() -> None:
    assert a_task(Phase.EXPIRED, lease="l").given_up_late().next_check_at is None


@pytest.mark.parametrize("phase", [Phase.STORING, Phase.EXPIRED])
def test_a_task_keeps_what_could_not_be_read_and_what_could_not_be_stored(phase: Phase) -> None:
    task = a_task(phase, lease="mine", lease_until=T0 + 9, missing=("output 2: no address",))

    done = task.stored(T0 + 1, (a_picture(),), missing=("output 3: not an image",))

    assert done.missing == ("output 2: no address", "output 3: not an image")
    assert len(done.images) == 1
