"""One look at one task that has been silent too long."""

from collections.abc import Callable
from dataclasses import dataclass

from darkroom.domain.admission import Parked
from darkroom.domain.news import Verdict
from darkroom.domain.task import IN_FLIGHT, NOT_SENT, SENDING, Phase, Request, Task, TaskError, Timing
from darkroom.errors import (
    StorageUnavailable,
    TaskChanged,
    UpstreamError,
    UpstreamRefused,
)
from darkroom.ports import Clock, Job, Prepare, Queue, Tasks, Upstream
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import hand_on, heed, may_send, uses_slot
from darkroom.usecases.allowance import MayAsk
from darkroom.usecases.begin_attempt import begin_attempt
from darkroom.usecases.keep_evidence import keep_evidence
from darkroom.usecases.leave_alone import leave_alone, left_alone_until
from darkroom.usecases.park_task import park_task
from darkroom.usecases.settle_task import settle_task
from darkroom.usecases.shut_off import note_end
from darkroom.usecases.submit_task import submit_task

STORE_GIVE_UP_S = 24 * 3600
"""A success whose bytes cannot be brought home for a day has failed; HiAPI keeps outputs for about 7 days."""

UNASKED_GIVE_UP_S = 24 * 3600
"""So long after its deadline a task ends without being asked about: no request was free, or the account is out of order."""

ANSWER_GRACE_S = 60.0
"""A worker that lives has written a synchronous upstream's answer down so long after the last moment for it."""

_QUIET = frozenset({"not_due", "changed", "left", "no_request_free", "storage_error", "misconfigured"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look did: a word, the task before and after, how late the look was in seconds."""

    outcome: str
    task_id: str
    before: Task | None = None
    after: Task | None = None
    overdue_s: float = 0.0
    fault: str | None = None
    refused: str | None = None
    not_replayed: bool = False

    @property
    def looked(self) -> bool:
        return self.outcome not in _QUIET

    @property
    def moved(self) -> bool:
        return bool(self.before and self.after and self.before.phase is not self.after.phase)

    @property
    def missed_callback(self) -> bool:
        """Whether polling found an end that a callback should have told."""
        return self.outcome in ("recovered", "again") and bool(self.before and self.before.callback_expected)

    @property
    def again(self) -> bool:
        """Whether an attempt turned out to have failed, and the task goes on with another one."""
        return bool(self.before and self.after and self.after.attempt > self.before.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """What a look works with."""

    lease: str
    clock: Clock
    jitter: Callable[[], float]
    tasks: Tasks
    queue: Queue
    upstream: Upstream
    prepare: Prepare
    admission: Admission
    may_ask: MayAsk
    timing: Timing
    timeout_s: float


def look_at_task(
    task_id: str,
    *,
    lease: str,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    queue: Queue,
    upstream_of: Callable[[str], Upstream],
    prepare: Prepare,
    admission: Admission,
    may_ask: MayAsk,
    timing: Timing,
    crowded: bool,
    timeout_s: float,
) -> Look:
    """Look once, if the row says that it is time; the next look is written down before anybody is asked.

    `crowded`: the sweep should not be offered this task again before its next look. `timeout_s` is how long the upstream is
    waited for, be it the answer to a question or to a request that is sent again.

    Raises StorageUnavailable and TaskChanged: the task then keeps a time at which it is looked at again.
    """
    now = clock()
    task = tasks.get(task_id)
    if task is None or task.next_check_at is None or task.next_check_at > now:
        return Look(outcome="not_due", task_id=task_id)
    unasked = _is_asked_about(task) and not may_ask(task.upstream)
    if unasked and not (task.phase in IN_FLIGHT and now >= task.give_up_at(timing) + UNASKED_GIVE_UP_S):
        # Still due, and among the first when there is room again.
        return Look(outcome="no_request_free", task_id=task_id, overdue_s=now - task.next_check_at)
    ahead = task.looked(now, next_check_at=_next(task, now, timing, jitter()), crowded=crowded)
    try:
        tasks.move(task, ahead)
    except TaskChanged:
        return Look(outcome="changed", task_id=task_id)
    means = _Means(
        lease=lease,
        clock=clock,
        jitter=jitter,
        tasks=tasks,
        queue=queue,
        upstream=upstream_of(task.upstream),
        prepare=prepare,
        admission=admission,
        may_ask=may_ask,
        timing=timing,
        timeout_s=timeout_s,
    )
    look = _end_unasked(ahead, means, now) if unasked else _dispatch(ahead, means, now)
    return Look(
        outcome=look.outcome,
        task_id=task_id,
        before=task,
        after=look.after or ahead,
        overdue_s=now - task.next_check_at,
        fault=look.fault,
        refused=look.refused,
        not_replayed=look.not_replayed,
    )


def _is_asked_about(task: Task) -> bool:
    """Whether a look at the task asks its upstream."""
    known = task.upstream_task_id is not None
    return known and (task.phase in IN_FLIGHT or (task.phase is Phase.EXPIRED and task.lease is None))


def _next(task: Task, now: float, timing: Timing, jitter: float) -> float | None:
    at = task.next_look(now, timing, jitter=jitter)
    if task.leased(now) and task.lease_until is not None:
        return task.lease_until + 1
    return at


def _dispatch(task: Task, means: _Means, now: float) -> Look:
    if task.phase in NOT_SENT:
        return _look_at_unsent(task, means, now)
    if task.phase in SENDING:
        return _look_at_unanswered(task, means, now)
    if task.phase is Phase.STORING:
        return _look_at_storing(task, means, now)
    if task.phase in IN_FLIGHT:
        return _ask(task, means, now)
    return _look_at_expired(task, means, now)


def _look_at_unsent(task: Task, means: _Means, now: float) -> Look:
    if now >= task.give_up_at(means.timing):
        return _expire(
            task, means, now, "no slot was free before the longest wait was over", code="deadline_exceeded", charged="no"
        )
    turn = may_send(task, admission=means.admission)
    if isinstance(turn, Parked):
        parked = park_task(task, turn, admission=means.admission, tasks=means.tasks)
        return Look(outcome="waiting", task_id=task.id, after=parked)
    if not turn:
        return Look(outcome="waiting", task_id=task.id)
    if task.phase is Phase.ACCEPTED or not means.upstream.promises.submits_inline:
        return _hand_to_worker(task, means, do="submit")
    try:
        sending, request = begin_attempt(
            task,
            clock=means.clock,
            tasks=means.tasks,
            upstream=means.upstream,
            prepare=means.prepare,
            timing=means.timing,
        )
    except TaskChanged:
        return Look(outcome="changed", task_id=task.id)
    return _send(sending, means, maybe_sent=False, request=request)


def _look_at_unanswered(task: Task, means: _Means, now: float) -> Look:
    """The outcome of a POST is unknown: ask the same again where repeats collapse, otherwise wait for a callback."""
    if now >= task.give_up_at(means.timing) or (means.upstream.promises.synchronous and _answer_is_lost(task, means, now)):
        message = "nobody knows whether the upstream accepted the request: look into its console before paying again"
        return _expire(task, means, now, message, code="submission_outcome_unknown", charged="unknown")
    if not means.upstream.promises.submits_inline:
        return Look(outcome="waiting", task_id=task.id)
    age = now - (task.first_sent_at or task.created_at)
    if task.cancel_requested or age >= means.upstream.promises.collapses_repeats_for_s:
        return Look(outcome="waiting", task_id=task.id)
    if not means.may_ask(task.upstream):
        return Look(outcome="waiting", task_id=task.id)
    return _send(task, means, maybe_sent=True, request=means.prepare(task, task.request or means.tasks.request_of(task)))


def _answer_is_lost(task: Task, means: _Means, now: float) -> bool:
    """Whether the worker that waits for a synchronous upstream has said so, or cannot be alive any more."""
    latest = (task.first_sent_at or task.created_at) + means.upstream.promises.answers_within_s + ANSWER_GRACE_S
    return task.phase is Phase.UNKNOWN or now >= latest


def _send(task: Task, means: _Means, *, maybe_sent: bool, request: Request) -> Look:
    sent = submit_task(
        task,
        maybe_sent=maybe_sent,
        clock=means.clock,
        jitter=means.jitter,
        tasks=means.tasks,
        upstream=means.upstream,
        admission=means.admission,
        timing=means.timing,
        timeout_s=means.timeout_s,
        request=request,
    )
    if sent.sends_on:
        _hand_to_worker(sent.task, means, do="submit")
    return Look(outcome="sent", task_id=task.id, after=sent.task, refused=sent.refused, not_replayed=sent.not_replayed)


def _look_at_storing(task: Task, means: _Means, now: float) -> Look:
    if task.leased(now):
        return Look(outcome="waiting", task_id=task.id)
    if now >= (task.news_at or now) + STORE_GIVE_UP_S:
        error = TaskError(code="storage_failed", message="the picture could not be stored for a day", charged="yes")
        return _end(task, task.failed(now, error, by=task.news_by or "poll"), means)
    return _hand_to_worker(task, means, do="store")


def _look_at_expired(task: Task, means: _Means, now: float) -> Look:
    """A success that was told late is brought home like any other; until one is told, the upstream is asked."""
    if task.lease is None:
        return _ask(task, means, now)
    if task.leased(now):
        return Look(outcome="waiting", task_id=task.id)
    if now >= (task.news_at or now) + STORE_GIVE_UP_S:
        return _end(task, task.given_up_late(), means)
    return _hand_to_worker(task, means, do="store")


def _hand_to_worker(task: Task, means: _Means, *, do: str) -> Look:
    try:
        means.queue.send(Job(do=do, task_id=task.id, attempt=task.attempt, lease=task.lease))
    except StorageUnavailable as error:
        return Look(outcome="waiting", task_id=task.id, fault=str(error))
    return Look(outcome=f"{do}_queued", task_id=task.id)


def _ask(task: Task, means: _Means, now: float) -> Look:
    if task.upstream_task_id is None or means.upstream.promises.synchronous:
        return _end_what_cannot_be_asked(task, means, now)
    try:
        news = means.upstream.look(task.upstream_task_id, attempt=task.attempt, timeout_s=means.timeout_s)
    except UpstreamError as error:
        return _unanswered(task, error, means, now)
    settled = settle_task(
        task, news, clock=means.clock, tasks=means.tasks, lease=means.lease, lease_s=means.timing.queued_lease_s
    )
    if settled.is_end_of_generation and uses_slot(task):
        hand_on(task, admission=means.admission)
        note_end(task, news.error, admission=means.admission)
    match settled.verdict:
        case Verdict.STORE:
            _hand_to_worker(settled.task, means, do="store")
            return Look(outcome="recovered", task_id=task.id, after=settled.task)
        case Verdict.AGAIN:
            _keep(task, means, news.raw, status=200, request_id=news.request_id)
            _hand_to_worker(settled.task, means, do="submit")
            return Look(outcome="again", task_id=task.id, after=settled.task)
        case Verdict.ENDED:
            _keep(task, means, news.raw, status=200, request_id=news.request_id)
            return Look(outcome="recovered", task_id=task.id, after=settled.task)
        case Verdict.PROGRESSED | Verdict.NOTHING:
            return _still_working(settled.task, news.raw, news.word, news.request_id, means, now)
        case _:
            return Look(outcome=settled.verdict.value, task_id=task.id, after=settled.task)


def _still_working(task: Task, raw: bytes, word: str, request_id: str | None, means: _Means, now: float) -> Look:
    if task.phase not in IN_FLIGHT or now < task.give_up_at(means.timing):
        return Look(outcome="working", task_id=task.id, after=task, fault=word or None)
    _keep(task, means, raw, status=200, request_id=request_id)
    return _past_deadline(task, means, now, f"no result within {task.timeout_s} s; the upstream still says {word!r}", request_id)


def _unanswered(task: Task, error: UpstreamError, means: _Means, now: float) -> Look:
    refused = error.reason if isinstance(error, UpstreamRefused) else None
    if task.phase not in IN_FLIGHT or now < task.give_up_at(means.timing):
        left = leave_alone(task, error, clock=means.clock, tasks=means.tasks, admission=means.admission)
        return Look(outcome="no_answer", task_id=task.id, after=left, fault=error.message, refused=refused)
    if error.raw:
        _keep(task, means, error.raw, status=error.status, request_id=error.request_id)
    message = f"no result within {task.timeout_s} s; the last look failed: {error.message}"
    heed(task, error, admission=means.admission)
    not_before = left_alone_until(error, clock=means.clock)
    return _past_deadline(task, means, now, message, error.request_id, not_before=not_before)


def _end_what_cannot_be_asked(task: Task, means: _Means, now: float) -> Look:
    """Its upstream keeps no tasks: whatever said that it is in flight, nobody will ever say more."""
    if task.phase not in IN_FLIGHT or now < task.give_up_at(means.timing):
        return Look(outcome="waiting", task_id=task.id)
    return _past_deadline(
        task, means, now, f"no result within {task.timeout_s} s, and the upstream keeps no tasks to ask about", None
    )


def _end_unasked(task: Task, means: _Means, now: float) -> Look:
    return _past_deadline(
        task, means, now, f"no result within {task.timeout_s} s, and for a day no request was free to ask", None
    )


def _past_deadline(
    task: Task, means: _Means, now: float, message: str, request_id: str | None, *, not_before: float = 0.0
) -> Look:
    code, charged = "deadline_exceeded", "unknown"
    return _expire(task, means, now, message, code=code, charged=charged, request_id=request_id, not_before=not_before)


def _expire(
    task: Task,
    means: _Means,
    now: float,
    message: str,
    *,
    code: str,
    charged: str,
    request_id: str | None = None,
    not_before: float = 0.0,
) -> Look:
    error = TaskError(
        code=code,
        message=message,
        retryable="manual",
        charged=charged,
        upstream_request_id=request_id or task.upstream_request_id,
    )
    return _end(task, task.expired(now, error, means.timing, not_before=not_before), means)


def _end(task: Task, after: Task, means: _Means) -> Look:
    try:
        means.tasks.move(task, after)
    except TaskChanged:
        return Look(outcome="changed", task_id=task.id)
    if uses_slot(task):
        hand_on(task, admission=means.admission)
    return Look(outcome="ended", task_id=task.id, after=after)


def _keep(task: Task, means: _Means, raw: bytes, *, status: int | None, request_id: str | None) -> None:
    keep_evidence(task.id, raw, source="poll", status=status, request_id=request_id, now=means.clock(), tasks=means.tasks)
