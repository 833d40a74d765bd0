"""Decisions about news: each verdict, for each place a task can be in."""

from dataclasses import replace

import pytest

from darkroom.domain.news import Decision, News, Says, Verdict, decide
from darkroom.domain.task import IN_FLIGHT, OPEN, TERMINAL, Output, Phase, Task
from tests.unit.domain.test_task import T0, WHY, a_picture, a_task

OUTPUT = Output(url="https://cdn.example/0.png")
SUCCESS = News(says=Says.SUCCEEDED, attempt=1, by="callback", upstream_task_id="tk-1", outputs=(OUTPUT,))
FAILURE = News(says=Says.FAILED, attempt=1, by="callback", upstream_task_id="tk-1", error=WHY)
SENT = sorted(OPEN - {Phase.ACCEPTED, Phase.STORING})


def about(task: Task, news: News, now: float = T0) -> Decision:
    return decide(task, news, now=now, lease="mine", lease_s=25)


def known(phase: Phase, **changes: object) -> Task:
    return a_task(phase, upstream_task_id="tk-1", **changes)


@pytest.mark.parametrize("phase", SENT)
def test_a_success_is_written_down_with_a_lease_before_any_byte_is_fetched(phase: Phase) -> None:
    decision = about(a_task(phase), SUCCESS)

    after = decision.after
    assert decision.verdict is Verdict.STORE
    assert after is not None
    assert (after.phase, after.lease, after.outputs, after.upstream_task_id) == (Phase.STORING, "mine", (OUTPUT,), "tk-1")
    assert after.submitted_at is not None
    assert after.news_by == "callback"


@pytest.mark.parametrize("phase", SENT)
def test_a_failure_ends_the_task_with_the_upstreams_reason(phase: Phase) -> None:
    decision = about(a_task(phase), FAILURE)

    assert decision.verdict is Verdict.ENDED
    assert decision.after is not None
    assert (decision.after.phase, decision.after.error, decision.after.upstream_task_id) == (Phase.FAILED, WHY, "tk-1")


def test_a_failure_without_a_reason_still_ends_the_task() -> None:
    after = about(known(Phase.QUEUED), replace(FAILURE, error=None)).after

    assert after is not None
    assert after.error is not None
    assert after.error.code == "generation_failed"


@pytest.mark.parametrize("phase", sorted(TERMINAL - {Phase.EXPIRED}))
@pytest.mark.parametrize("news", [SUCCESS, FAILURE, replace(SUCCESS, says=Says.QUEUED)], ids=["success", "failure", "queued"])
def test_news_after_the_end_changes_nothing(phase: Phase, news: News) -> None:
    assert about(known(phase), news) == Decision(verdict=Verdict.DUPLICATE)


def test_news_of_another_attempt_is_superseded() -> None:
    assert about(known(Phase.QUEUED, attempt=2), SUCCESS) == Decision(verdict=Verdict.SUPERSEDED)


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.STORING, Phase.SUCCEEDED])
def test_news_of_another_upstream_task_is_a_mismatch(phase: Phase) -> None:
    task = known(phase)

    assert about(task, replace(SUCCESS, upstream_task_id="tk-2")) == Decision(verdict=Verdict.MISMATCH)


def test_news_of_a_request_that_was_never_sent_is_a_contradiction() -> None:
    for phase in (Phase.ACCEPTED, Phase.WAITING):
        never_sent = a_task(phase, first_sent_at=None)

        assert about(never_sent, SUCCESS) == Decision(verdict=Verdict.CONTRADICTION)


def test_a_repeat_while_the_lease_is_alive_is_a_duplicate() -> None:
    storing = known(Phase.STORING, lease="theirs", lease_until=T0 + 10)

    assert about(storing, SUCCESS, now=T0 + 9) == Decision(verdict=Verdict.DUPLICATE)


def test_a_repeat_after_the_lease_lapsed_takes_the_lease_and_the_fresher_url() -> None:
    fresher = (Output(url="https://cdn.example/fresh.png"),)
    storing = known(Phase.STORING, lease="theirs", lease_until=T0 + 10, outputs=(OUTPUT,))

    taken = about(storing, replace(SUCCESS, outputs=fresher), now=T0 + 10)
    kept = about(storing, replace(SUCCESS, outputs=()), now=T0 + 10)

    assert taken.verdict is Verdict.STORE
    assert taken.after is not None
    assert (taken.after.lease, taken.after.outputs) == ("mine", fresher)
    assert kept.after is not None
    assert kept.after.outputs == (OUTPUT,)


def test_a_failure_after_a_success_is_a_contradiction() -> None:
    assert about(known(Phase.STORING), FAILURE) == Decision(verdict=Verdict.CONTRADICTION)
    assert about(known(Phase.EXPIRED, lease="theirs", lease_until=T0), FAILURE) == Decision(verdict=Verdict.CONTRADICTION)
    assert about(known(Phase.EXPIRED, images=(a_picture(),)), FAILURE) == Decision(verdict=Verdict.CONTRADICTION)


def test_a_success_that_nobody_wants_any_more_is_dropped_and_was_paid() -> None:
    after = about(a_task(Phase.QUEUED, cancel_requested=True), SUCCESS).after

    assert after is not None
    assert after.phase is Phase.CANCELED
    assert after.error is not None
    assert after.error.charged == "yes"


def test_a_success_that_names_no_image_is_kept_as_one_whose_image_is_still_to_be_asked_for() -> None:
    nameless = replace(SUCCESS, outputs=(), missing=("output 1: no address",))

    for task in (known(Phase.GENERATING), a_task(Phase.UNKNOWN), known(Phase.EXPIRED, next_check_at=None)):
        decision = about(task, nameless)

        assert decision.verdict is Verdict.STORE
        assert decision.after is not None
        assert (decision.after.lease, decision.after.outputs, decision.after.missing) == ("mine", (), ("output 1: no address",))


@pytest.mark.parametrize(
    ("task", "news"),
    [
        (known(Phase.SUBMITTING), replace(SUCCESS, by="create")),
        (a_task(Phase.SUBMITTING), replace(SUCCESS, upstream_task_id=None)),
    ],
    ids=["the answer to the POST", "no id to ask about"],
)
def test_a_success_without_an_image_fails_where_nobody_can_be_asked_and_was_paid(task: Task, news: News) -> None:
    after = about(task, replace(news, outputs=(), request_id="r-1")).after

    assert after is not None
    assert after.error is not None
    assert (after.error.code, after.error.charged, after.error.upstream_request_id) == ("no_output", "yes", "r-1")


def test_what_could_not_be_read_of_a_success_is_kept_with_the_task_and_told_when_nothing_could() -> None:
    partly = replace(SUCCESS, missing=("output 2: no address",))

    storing = about(known(Phase.GENERATING), partly).after
    failed = about(known(Phase.SUBMITTING), replace(partly, by="create", outputs=())).after

    assert storing is not None
    assert storing.missing == ("output 2: no address",)
    assert failed is not None
    assert failed.error is not None
    assert failed.error.message == "the upstream reports success but names no image; output 2: no address"


def test_fresh_outputs_come_with_what_is_missing_among_them_and_a_repeat_without_any_changes_neither() -> None:
    storing = known(Phase.STORING, lease="theirs", lease_until=T0 + 10, outputs=(OUTPUT,), missing=("output 2: no address",))

    fresh = about(storing, replace(SUCCESS, outputs=(OUTPUT, OUTPUT)), now=T0 + 10).after
    empty = about(storing, replace(SUCCESS, outputs=()), now=T0 + 10).after

    assert fresh is not None
    assert (len(fresh.outputs), fresh.missing) == (2, ())
    assert empty is not None
    assert (empty.outputs, empty.missing) == ((OUTPUT,), ("output 2: no address",))


def test_a_late_success_is_stored_and_the_task_stays_expired() -> None:
    decision = about(known(Phase.EXPIRED, next_check_at=None), SUCCESS)

    assert decision.verdict is Verdict.STORE
    assert decision.after is not None
    assert (decision.after.phase, decision.after.lease) == (Phase.EXPIRED, "mine")
    assert decision.after.next_check_at is not None


def test_a_second_late_success_is_a_duplicate() -> None:
    assert about(known(Phase.EXPIRED, images=(a_picture(),)), SUCCESS) == Decision(verdict=Verdict.DUPLICATE)


def test_a_late_end_without_a_picture_stops_the_looking() -> None:
    expired = known(Phase.EXPIRED, next_check_at=T0 + 1)

    for news in (FAILURE, replace(SUCCESS, by="create", outputs=())):
        after = about(expired, news).after

        assert after is not None
        assert (after.phase, after.next_check_at) == (Phase.EXPIRED, None)
    assert about(replace(expired, next_check_at=None), FAILURE) == Decision(verdict=Verdict.DUPLICATE)


@pytest.mark.parametrize("says", [Says.QUEUED, Says.GENERATING, Says.ARCHIVING])
def test_progress_is_written_only_when_it_is_news(says: Says) -> None:
    news = replace(SUCCESS, says=says, outputs=())
    first = about(known(Phase.SUBMITTING), news)

    assert first.verdict is Verdict.PROGRESSED
    assert first.after is not None
    assert first.after.phase in IN_FLIGHT
    assert about(first.after, news) == Decision(verdict=Verdict.NOTHING)


def test_an_unknown_status_word_changes_nothing_in_a_task_that_is_under_way() -> None:
    word = News(says=Says.WORKING, attempt=1, by="poll", upstream_task_id="tk-1", word="moonwalking")

    assert about(known(Phase.GENERATING), word) == Decision(verdict=Verdict.NOTHING)


def test_any_word_about_an_unanswered_submission_proves_that_it_was_accepted() -> None:
    word = News(says=Says.WORKING, attempt=1, by="poll", upstream_task_id="tk-1", word="moonwalking")

    after = about(a_task(Phase.UNKNOWN), word).after

    assert after is not None
    assert (after.phase, after.upstream_task_id) == (Phase.QUEUED, "tk-1")


@pytest.mark.parametrize("phase", [Phase.STORING, Phase.EXPIRED])
def test_progress_never_takes_a_task_back(phase: Phase) -> None:
    assert about(known(phase), replace(SUCCESS, says=Says.QUEUED)) == Decision(verdict=Verdict.NOTHING)
