"""Send a task's frozen bytes to its upstream, and write down what became of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from darkroom.domain.again import after_failure
from darkroom.domain.attempts import Alternative, Begun
from darkroom.domain.breaker import REFUSALS
from darkroom.domain.news import News
from darkroom.domain.task import MOVES, OPEN, SENDING, Phase, Request, Task, TaskError, Timing
from darkroom.errors import (
    About,
    NotAsked,
    OutcomeUnknown,
    StorageUnavailable,
    TaskChanged,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from darkroom.ports import Accepted, Clock, Promises, Tasks, Upstream
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import hand_on, heed, put_back, put_behind, uses_slot
from darkroom.usecases.keep_evidence import keep_evidence
from darkroom.usecases.keep_unread import KeepUnread, keep_nothing
from darkroom.usecases.park_task import ask_behind_them_at
from darkroom.usecases.shut_off import note_answer, note_failure, note_refusal, when_shut

_TRIES = 3
_FIRST_BACKOFF_S = 5.0
_LONG_WAIT_S = 60.0
_TOO_MANY = 429
_TAKEN_BEFORE = "submission_outcome_unknown"
"""Why an adapter refuses a request whose key was used before."""

_Change = Callable[[Task], Task | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The task as it is now. `not_replayed`: a repeat after a lost answer was accepted without the upstream
    saying that it collapsed it, so somebody should look at the bill. `refused`: why the upstream said no. `news`: the end,
    where the answer to the POST was just that; it is for the caller to settle. `again`: this attempt is over, and the task goes
    on with another one. `unforeseen`: an error that no code expected; what the POST led to is then unknown.
    """

    task: Task
    not_replayed: bool = False
    refused: str | None = None
    news: News | None = None
    again: bool = False
    unforeseen: Exception | None = None

    @property
    def sends_on(self) -> bool:
        """Whether the caller has the next attempt sent; one that is to wait is found when it is due."""
        return self.again and self.task.begun is Begun.FALLBACK


def submit_task(
    task: Task,
    *,
    maybe_sent: bool,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    upstream: Upstream,
    admission: Admission,
    timing: Timing,
    timeout_s: float,
    request: Request,
    keep_unread: KeepUnread = keep_nothing,
) -> Submission:
    """POST once. `maybe_sent`: an earlier POST of this attempt may have arrived, so only a clear answer ends the doubt.

    The row is in phase submitting or submission_unknown and keeps its next look, so that a crash anywhere in
    here is found by the reconciler. The task holds a slot; it is given back where the answer is a no, for now or for ever.
    `request` is the task's, prepared to be sent. `keep_unread` keeps what an answer holds beyond what could be read.
    """
    post = _Post(
        task=task,
        maybe_sent=maybe_sent,
        promises=upstream.promises,
        # Where an earlier POST may have arrived, nothing is sent elsewhere.
        instead=None if maybe_sent else next(iter(request.alternatives[task.alternative :]), None),
        admission=admission,
        clock=clock,
        tasks=tasks,
    )
    try:
        accepted = upstream.submit(request.body, key=task.submission_key, timeout_s=timeout_s)
    except UpstreamUnavailable as error:
        if error.status != _TOO_MANY and not isinstance(error, NotAsked):
            note_failure(task, "upstream_unavailable", request=request, admission=admission)
        after = _unavailable(post, error, jitter=jitter, timing=timing)
        _give_way(task, after, error, admission)
        return post.over(after)
    except UpstreamRefused as error:
        refused = _refused(post, error, shut_before=_heed_refusal(task, error, request, admission), timing=timing)
        if refused.again or refused.task.phase is Phase.WAITING or not uses_slot(refused.task):
            hand_on(task, admission=admission)
        if refused.task.phase is Phase.WAITING:
            put_behind(refused.task, admission=admission)
        return refused
    except OutcomeUnknown as error:
        note_failure(task, "no_clear_answer", request=request, admission=admission)
        return Submission(task=_unknown(post, error, keep_unread))
    except Exception as error:
        # It may have been raised by the answer: the request may have been taken.
        note_failure(task, "no_clear_answer", request=request, admission=admission)
        return Submission(task=_unknown(post, OutcomeUnknown("the answer could not be read"), keep_unread), unforeseen=error)
    note_answer(task, admission=admission)
    if accepted.news is not None:
        return Submission(task=task, news=_naming_what_is_kept(replace(accepted.news, attempt=task.attempt), task, keep_unread))
    after = post.record(lambda current: _submitted(current, accepted, clock()))
    return Submission(task=after, not_replayed=maybe_sent and not accepted.replayed)


def _naming_what_is_kept(news: News, task: Task, keep_unread: KeepUnread) -> News:
    """The news of an answer that could not be read in whole says where all of it lies."""
    key = keep_unread(task, news.unread) if news.unread else None
    if key is None:
        return replace(news, unread=b"")
    told = f"the answer is kept in the bucket as {key}"
    if news.error is not None:
        return replace(news, unread=b"", error=replace(news.error, message=f"{news.error.message}; {told}"))
    return replace(news, unread=b"", missing=(told, *news.missing))


def _heed_refusal(task: Task, error: UpstreamRefused, request: Request, admission: Admission) -> bool:
    """What a refusal says of the upstream; whether it is about the account or the model, which was shut for it already."""
    if error.reason in REFUSALS:
        return note_refusal(task, error, admission=admission)
    if error.reason == "model_unavailable":
        note_failure(task, error.reason, request=request, admission=admission)
    else:
        note_answer(task, admission=admission)
    return False


def _give_way(task: Task, after: Task, error: UpstreamUnavailable, admission: Admission) -> None:
    if after.phase is Phase.WAITING:
        if _is_down_for_long(after, error, admission):
            hand_on(task, admission=admission)
        else:
            put_back(after, error, admission=admission)
        return
    heed(task, error, admission=admission)
    if after.attempt != task.attempt or not uses_slot(after):
        hand_on(task, admission=admission)


def _is_down_for_long(after: Task, error: UpstreamUnavailable, admission: Admission) -> bool:
    """Whether the upstream neither names a time nor is merely busy, and the task waits for a minute or more by its row alone.

    In the queue it would be called as soon as a slot is free, however often it was refused before.
    """
    is_busy = error.status == _TOO_MANY or error.retry_after is not None
    return not is_busy and (after.next_check_at or 0.0) >= admission.clock() + _LONG_WAIT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Post:
    """One POST: what was known when it left, and where its answer is written."""

    task: Task
    maybe_sent: bool
    promises: Promises
    instead: Alternative | None
    admission: Admission
    clock: Clock
    tasks: Tasks

    def is_repeated(self, current: Task) -> bool:
        """Whether a look has (or may have) sent the same again while this POST was out: no refusal is clear then."""
        return self.promises.collapses_repeats and current.looks != self.task.looks

    def over(self, after: Task, *, refused: str | None = None) -> Submission:
        """What a POST led to that the upstream did not take."""
        return Submission(task=after, refused=refused, again=after.attempt != self.task.attempt)

    def record(self, change: _Change) -> Task:
        """Write what the POST led to; where a callback was faster, its state is kept."""
        current = self.task
        for _ in range(_TRIES):
            ours = current.attempt == self.task.attempt and current.phase in OPEN
            after = change(current) if ours else None
            if after is None:
                return current
            try:
                self.tasks.move(current, after)
            except TaskChanged:
                current = self.tasks.get(self.task.id) or current
            except StorageUnavailable:
                if self.promises.collapses_repeats:
                    # The row still says "submitting": the reconciler repeats the POST with the same key.
                    return current
                # What this POST led to is known only here: worth another try.
            else:
                return after
        return current


def _submitted(current: Task, accepted: Accepted, now: float) -> Task | None:
    if current.upstream_task_id is not None or Phase.QUEUED not in MOVES[current.phase]:
        return None
    return current.submitted(now, upstream_task_id=accepted.upstream_task_id, request_id=accepted.request_id)


def _unavailable(post: _Post, error: UpstreamUnavailable, *, jitter: Callable[[], float], timing: Timing) -> Task:
    # A quarter of the time it has waited already: so that hours of refusals cost few requests, without counting them.
    patience = max(_FIRST_BACKOFF_S * 2 ** min(post.task.looks, 20), (post.clock() - post.task.created_at) / 4)
    backoff = min(patience, timing.recheck_max_s)
    # Never earlier than the upstream asks; a little later, so that a crowd does not return at once.
    until = post.clock() + (error.retry_after if error.retry_after is not None else backoff) * (1 + 0.2 * jitter())
    if parked := when_shut(post.task, admission=post.admission):
        until = max(until, ask_behind_them_at(parked, post.admission))
    doubtful = _doubtful(post, error)

    def change(current: Task) -> Task | None:
        in_doubt = post.maybe_sent or post.is_repeated(current)
        return doubtful(current) if in_doubt else _not_now(post, current, error, until)

    return post.record(change)


def _not_now(post: _Post, current: Task, error: UpstreamUnavailable, until: float) -> Task | None:
    """The preset's next model may serve at once; without one, the same bytes go again at `until`."""
    if current.phase is not Phase.SUBMITTING or current.cancel_requested or post.instead is None or not error.about_the_request:
        return _later(current, until, post.clock())
    code = "upstream_rate_limited" if error.status == _TOO_MANY else "upstream_unavailable"
    reason = TaskError(code=code, message=error.message, retryable="later", charged="no")
    return after_failure(current, reason, now=post.clock(), by="create", instead=post.instead)


def _later(current: Task, until: float, now: float) -> Task | None:
    if current.phase is not Phase.SUBMITTING:
        return None
    return current.canceled(now, charged="no", by="cancel") if current.cancel_requested else current.wait(until=until)


def _doubtful(post: _Post, error: UpstreamError) -> _Change:
    """Nobody knows whether a POST of this attempt was taken; it is not repeated earlier than the upstream asks.

    A synchronous upstream's answer comes now or never: the next sweep tells the application.
    """
    until = post.clock() + (error.retry_after or 0.0)

    def change(current: Task) -> Task | None:
        look_at = current.next_check_at or 0.0
        if current.phase is Phase.SUBMITTING:
            return current.lost(next_check_at=post.clock() if post.promises.synchronous else max(look_at, until))
        return current.asked_to_wait(until=until) if current.phase is Phase.UNKNOWN and until > look_at else None

    return change


def _unknown(post: _Post, error: OutcomeUnknown, keep_unread: KeepUnread) -> Task:
    if error.raw and not post.promises.collapses_repeats:
        # No repeat will ever bring a clearer answer: this is what a person has to judge by. The next look names it.
        keep_evidence(
            post.task.id,
            error.raw,
            source="create",
            status=error.status,
            request_id=error.request_id,
            now=post.clock(),
            tasks=post.tasks,
            kept_as=keep_unread(post.task, error.unread) if error.unread else None,
        )
    return post.record(_doubtful(post, error))


def _refused(post: _Post, error: UpstreamRefused, *, shut_before: bool, timing: Timing) -> Submission:
    # A gateway may look at a request before it looks at its key: whatever it says to a repeat, the first request may be at work.
    # That the key belongs to other bytes even proves that one was taken.
    says_nothing = post.maybe_sent or error.reason == _TAKEN_BEFORE
    doubtful = _doubtful(post, error)
    reason = TaskError(
        code=error.reason,
        message=error.message,
        retryable=error.retryable,
        charged=error.charged,
        upstream_code=error.code,
        upstream_message=error.message,
        upstream_request_id=error.request_id,
    )
    parked = when_shut(post.task, admission=post.admission)
    until = ask_behind_them_at(parked, post.admission) if parked else post.clock() + timing.waiting_check_s

    def change(current: Task) -> Task | None:
        in_doubt = says_nothing or post.is_repeated(current)
        # Another model helps where this one cannot be had, and nowhere else.
        instead = post.instead if error.about is About.MODEL else None
        if shut_before and instead is None and not in_doubt:
            # It tried whether the account or the model is back, and did no work: it waits on with the others.
            return _later(current, until, post.clock())
        return doubtful(current) if in_doubt else _failed(post, current, reason, instead, timing.first_check_s)

    return post.over(post.record(change), refused=error.reason)


def _failed(post: _Post, current: Task, reason: TaskError, instead: Alternative | None, wait_s: float) -> Task | None:
    if current.phase not in SENDING:
        return None
    return after_failure(current, reason, now=post.clock(), by="create", instead=instead, wait_s=wait_s)
