"""What follows when an attempt has failed: the next one only where nothing was charged, and otherwise the end."""

from dataclasses import replace

import pytest

from darkroom.domain.again import after_failure
from darkroom.domain.attempts import Alternative, Attempt, Begun
from darkroom.domain.news import Decision, News, Says, Verdict, decide
from darkroom.domain.task import Phase, TaskError
from darkroom.errors import IllegalMove
from tests.unit.domain.test_task import T0, a_task

NOW = T0 + 30
PASSING = TaskError(code="generation_failed", message="time-out", retryable="later", charged="no")
OTHER = Alternative(upstream="pixapi", model="gpt-image-2", route="ext", wire_model="gpt-image-2", input={"prompt": "a kite"})


def a_running_task(**changes: object):  # type: ignore[no-untyped-def]  # Task
    facts = {"max_auto_retries": 1, "upstream_task_id": "tk-1", "submitted_at": T0 + 1, "looks": 3, "callback_expected": True}
    return a_task(Phase.GENERATING, **(facts | changes))


def test_a_failure_that_cost_nothing_and_may_pass_is_tried_again_with_a_new_key_and_nothing_of_the_old_attempt() -> None:
    task = a_running_task()

    after = after_failure(task, PASSING, now=NOW, by="callback")

    assert (after.phase, after.attempt, after.submission_key) == (Phase.ACCEPTED, 2, f"{task.id}:2")
    assert after.earlier == (Attempt(upstream="hiapi", model=task.model, sent_at=T0, ended_at=NOW, code="generation_failed"),)
    assert (after.upstream_task_id, after.submitted_at, after.first_sent_at, after.news_by) == (None, None, None, None)
    assert (after.looks, after.callback_expected, after.status) == (0, False, "queued")
    assert (after.begun, after.retries_left, after.way) == (Begun.AUTOMATIC_RETRY, 0, task.way)


@pytest.mark.parametrize(
    "error",
    [
        replace(PASSING, charged="unknown"),
        replace(PASSING, charged="yes"),
        replace(PASSING, retryable="manual"),
        replace(PASSING, retryable="manual", code="content_rejected"),
    ],
)
def test_a_failure_that_may_have_cost_something_or_would_repeat_waits_for_a_person(error: TaskError) -> None:
    after = after_failure(a_running_task(), error, now=NOW, by="poll", upstream_task_id="tk-1")

    assert (after.phase, after.error, after.attempt) == (Phase.FAILED, error, 1)


def test_retries_come_to_an_end() -> None:
    once = replace(after_failure(a_running_task(), PASSING, now=NOW, by="poll"), phase=Phase.QUEUED)

    assert after_failure(once, PASSING, now=NOW, by="poll").phase is Phase.FAILED
    assert after_failure(a_running_task(max_auto_retries=0), PASSING, now=NOW, by="poll").phase is Phase.FAILED


def test_a_task_that_is_to_be_canceled_is_not_tried_again() -> None:
    after = after_failure(a_running_task(cancel_requested=True), PASSING, now=NOW, by="poll")

    assert after.phase is Phase.CANCELED
    assert after.error is not None
    assert after.error.charged == "no"


def test_a_fallback_takes_the_next_way_and_uses_up_no_retry() -> None:
    task = a_task(max_auto_retries=1)

    after = after_failure(task, replace(PASSING, retryable="manual"), now=NOW, by="create", instead=OTHER)

    assert after.way == ("pixapi", "gpt-image-2", "ext")
    assert after.asked_way == task.way == ("hiapi", "gpt-image-2/text-to-image", None)
    assert (after.begun, after.alternative, after.retries_left) == (Begun.FALLBACK, 1, 1)


def test_a_refusal_that_may_have_cost_something_has_no_fallback() -> None:
    after = after_failure(a_task(), replace(PASSING, charged="unknown"), now=NOW, by="create", instead=OTHER)

    assert after.phase is Phase.FAILED


def test_the_next_attempt_cannot_begin_while_this_one_may_have_been_charged() -> None:
    with pytest.raises(IllegalMove, match="may have been charged"):
        a_running_task().again(NOW, replace(PASSING, charged="unknown"))


@pytest.mark.parametrize(("look", "wait_s", "due"), [(40, 0, 40), (900, 0, 60), (-5, 0, 60), (None, 0, 60), (40, 300, 300)])
def test_somebody_looks_soon_whether_the_next_attempt_was_sent(look: float | None, wait_s: float, due: float) -> None:
    task = a_running_task(next_check_at=None if look is None else NOW + look)

    assert task.again(NOW, PASSING, wait_s=wait_s).next_check_at == NOW + due


@pytest.mark.parametrize("says", [one for one in Says if one is not Says.SUCCEEDED])
def test_what_is_said_of_an_attempt_that_is_over_changes_nothing(says: Says) -> None:
    again = a_running_task().again(NOW, PASSING)

    decision = decide(again, News(says=says, attempt=1, by="callback"), now=NOW, lease="l", lease_s=9)

    assert (decision.verdict, decision.after) == (Verdict.SUPERSEDED, None)


def test_a_success_of_an_attempt_that_is_over_changes_what_it_cost_and_nothing_else() -> None:
    again = a_running_task().again(NOW, PASSING)
    success = News(says=Says.SUCCEEDED, attempt=1, by="callback")

    decision = decide(again, success, now=NOW, lease="l", lease_s=9)

    assert decision.verdict is Verdict.CHARGED
    assert decision.after == replace(again, version=again.version + 1, earlier=(replace(again.earlier[0], paid=True),))
    assert decide(decision.after, success, now=NOW, lease="l", lease_s=9) == Decision(verdict=Verdict.SUPERSEDED)


@pytest.mark.parametrize("attempt", [0, 3])
def test_a_success_of_an_attempt_that_there_never_was_changes_nothing(attempt: int) -> None:
    again = a_running_task().again(NOW, PASSING)

    decision = decide(again, News(says=Says.SUCCEEDED, attempt=attempt, by="callback"), now=NOW, lease="l", lease_s=9)

    assert decision == Decision(verdict=Verdict.SUPERSEDED)


def test_news_of_an_attempt_that_nobody_has_sent_is_a_contradiction() -> None:
    again = a_running_task().again(NOW, PASSING)

    decision = decide(again, News(says=Says.SUCCEEDED, attempt=2, by="callback"), now=NOW, lease="l", lease_s=9)

    assert (decision.verdict, decision.after) == (Verdict.CONTRADICTION, None)
