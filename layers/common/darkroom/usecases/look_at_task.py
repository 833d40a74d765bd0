"""One look at one task that has been silent too long."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from darkroom.domain.admission import Parked
from darkroom.domain.news import News, Verdict
from darkroom.domain.task import IN_FLIGHT, NOT_SENT, SENDING, TAIL_S, Phase, Request, Task, TaskError, Timing
from darkroom.errors import (
    StorageUnavailable,
    StoreError,
    TaskChanged,
    UpstreamError,
    UpstreamRefused,
)
from darkroom.ports import Clock, Job, Prepare, Queue, Tasks, Upstream
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import hand_on, may_send, uses_slot
from darkroom.usecases.allowance import MayAsk
from darkroom.usecases.begin_attempt import begin_attempt
from darkroom.usecases.keep_evidence import keep_evidence
from darkroom.usecases.keep_unread import unread_key
from darkroom.usecases.leave_alone import leave_alone, left_alone_until
from darkroom.usecases.park_task import park_task
from darkroom.usecases.settle_task import Settled, settle_task
from darkroom.usecases.shut_off import note_end
from darkroom.usecases.submit_task import submit_task

STORE_GIVE_UP_S = 24 * 3600
"""A success whose bytes cannot be brought home for a day has failed; HiAPI keeps outputs for about 7 days."""

UNASKED_GIVE_UP_S = 24 * 3600
"""How long after its deadline a task ends unasked: no request was free, the account is out of order, or our own services fail."""

ANSWER_GRACE_S = 60.0
"""A worker that lives has written a synchronous upstream's answer down so long after the last moment for it."""

_QUIET = frozenset({"not_due", "changed", "left", "no_request_free", "storage_error", "misconfigured", "unforeseen"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look did: a word, the task before and after, how late the look was in seconds.

    `contradicts`: the upstream's answer is about another task than the one it was asked about. `unforeseen`: an error that no
    code expected.
    """

    outcome: str
    task_id: str
    before: Task | None = None
    after: Task | None = None
    overdue_s: float = 0.0
    fault: str | None = None
    refused: str | None = None
    not_replayed: bool = False
    contradicts: bool = False
    unforeseen: Exception | None = None

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
    """What a look at a task of the upstream called `name` works with."""

    name: str
    lease: str
    clock: Clock
    jitter: Callable[[], float]
    tasks: Tasks
    queue: Queue
    upstream_of: Callable[[str], Upstream]
    prepare: Prepare
    admission: Admission
    may_ask: MayAsk
    timing: Timing
    timeout_s: float

    @property
    def upstream(self) -> Upstream:
        """The task's. Raises ConfigurationError: this deployment no longer has it."""
        return self.upstream_of(self.name)


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

    Whatever goes wrong, a task whose time is over ends. Otherwise the error is raised, and the task keeps a time at which it is
    looked at again.
    """
    now = clock()
    task = tasks.get(task_id)
    if task is None or task.next_check_at is None or task.next_check_at > now:
        return Look(outcome="not_due", task_id=task_id)
    means = _Means(
        name=task.upstream,
        lease=lease,
        clock=clock,
        jitter=jitter,
        tasks=tasks,
        queue=queue,
        upstream_of=upstream_of,
        prepare=prepare,
        admission=admission,
        may_ask=may_ask,
        timing=timing,
        timeout_s=timeout_s,
    )
    try:
        look = _look(task, means, now, crowded=crowded)
    except Exception as error:
        look = _end_all_the_same(task, error, means, now)
    return replace(look, before=task, overdue_s=now - task.next_check_at)


def _look(task: Task, means: _Means, now: float, *, crowded: bool) -> Look:
    unasked = _is_asked_about(task) and not means.may_ask(task.upstream)
    if unasked and not (task.phase in IN_FLIGHT and now >= task.give_up_at(means.timing) + UNASKED_GIVE_UP_S):
        # Still due, and among the first when there is room again.
        return Look(outcome="no_request_free", task_id=task.id)
    ahead = task.looked(now, next_check_at=_next(task, now, means.timing, means.jitter()), crowded=crowded)
    try:
        means.tasks.move(task, ahead)
    except TaskChanged:
        return Look(outcome="changed", task_id=task.id)
    look = _end_unasked(ahead, means, now) if unasked else _dispatch(ahead, means, now)
    return look if look.after else replace(look, after=ahead)


def _end_all_the_same(task: Task, error: Exception, means: _Means, now: float) -> Look:
    """End the task if its time is over, although its look failed with `error`. Raises that error if time is left.

    Our own services get a day to come back: they may hide a success that is known already.
    """
    current = means.tasks.get(task.id) or task
    patience = UNASKED_GIVE_UP_S if isinstance(error, StoreError) else 0
    if now >= _over_at(current, means.timing) + patience:
        look = _end(current, _given_up(current, means, now, f"the last look failed: {type(error).__name__}"), means)
        return replace(look, unforeseen=error)
    if current.phase in NOT_SENT and not isinstance(error, StoreError):
        # It takes a slot again when it is sent; until then others may have it.
        hand_on(current, admission=means.admission)
    raise error


def _is_asked_about(task: Task) -> bool:
    """Whether a look at the task asks its upstream."""
    return task.upstream_task_id is not None and _upstream_may_know(task)


def _upstream_may_know(task: Task) -> bool:
    """Whether the upstream may know more of the task than we do: its last look then asks before it ends."""
    return task.phase in IN_FLIGHT or (task.phase is Phase.EXPIRED and task.lease is None)


def _next(task: Task, now: float, timing: Timing, jitter: float) -> float | None:
    at = task.next_look(now, timing, jitter=jitter)
    if task.leased(now) and task.lease_until is not None:
        return task.lease_until + 1
    return at


def _dispatch(task: Task, means: _Means, now: float) -> Look:
    if not _upstream_may_know(task) and now >= _over_at(task, means.timing):
        return _end(task, _given_up(task, means, now), means)
    if task.phase in NOT_SENT:
        return _look_at_unsent(task, means)
    if task.phase in SENDING:
        return _look_at_unanswered(task, means, now)
    if _upstream_may_know(task):
        return _ask(task, means, now)
    # A success is known, be it in time or late: it is brought home in the same way.
    return Look(outcome="waiting", task_id=task.id) if task.leased(now) else _hand_to_worker(task, means, do="store")


def _look_at_unsent(task: Task, means: _Means) -> Look:
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
    if means.upstream.promises.synchronous and _answer_is_lost(task, means, now):
        return _end(task, _given_up(task, means, now), means)
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
    return Look(
        outcome="sent",
        task_id=task.id,
        after=sent.task,
        refused=sent.refused,
        not_replayed=sent.not_replayed,
        unforeseen=sent.unforeseen,
    )


def _hand_to_worker(task: Task, means: _Means, *, do: str) -> Look:
    try:
        means.queue.send(Job(do=do, task_id=task.id, attempt=task.attempt, lease=task.lease))
    except StorageUnavailable as error:
        return Look(outcome="waiting", task_id=task.id, fault=str(error))
    return Look(outcome=f"{do}_queued", task_id=task.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What asking led to. A task whose time is over ends for the reason `why`; a person then sees `raw`.

    `not_before`: the upstream is not asked again earlier.
    """

    look: Look
    why: str
    raw: bytes = b""
    status: int | None = 200
    request_id: str | None = None
    not_before: float = 0.0


def _ask(task: Task, means: _Means, now: float) -> Look:
    """Ask the upstream. Whatever it says, a task that is still in flight at its deadline ends there."""
    answer = _answer(task, means)
    current = answer.look.after or task
    if current.phase not in IN_FLIGHT or now < current.give_up_at(means.timing):
        return answer.look
    if answer.raw:
        _keep(current, means, answer.raw, status=answer.status, request_id=answer.request_id)
    after = _given_up(current, means, now, answer.why, answer.request_id, not_before=answer.not_before)
    return replace(_end(current, after, means), refused=answer.look.refused, contradicts=answer.look.contradicts)


def _answer(task: Task, means: _Means) -> _Answer:
    if task.upstream_task_id is None or means.upstream.promises.synchronous:
        # Whatever said that it is in flight, nobody will ever say more.
        return _Answer(look=Look(outcome="waiting", task_id=task.id), why="the upstream keeps no tasks to ask about")
    try:
        news = means.upstream.look(task.upstream_task_id, attempt=task.attempt, timeout_s=means.timeout_s)
    except UpstreamError as error:
        return _unanswered(task, error, means)
    settled = settle_task(
        task, news, clock=means.clock, tasks=means.tasks, lease=means.lease, lease_s=means.timing.queued_lease_s
    )
    if settled.is_end_of_generation and uses_slot(task):
        hand_on(task, admission=means.admission)
        note_end(task, news.error, admission=means.admission)
    look, why = _consequence(settled, news, means)
    return _Answer(look=look, why=why, raw=news.raw, request_id=news.request_id)


def _consequence(settled: Settled, news: News, means: _Means) -> tuple[Look, str]:
    """What is left to do, and why the task has not ended by this news."""
    task, verdict = settled.task, settled.verdict
    look = Look(outcome=verdict.value, task_id=task.id, after=task)
    match verdict:
        case Verdict.STORE:
            _hand_to_worker(task, means, do="store")
            return replace(look, outcome="recovered"), ""
        case Verdict.AGAIN | Verdict.ENDED:
            _keep(task, means, news.raw, status=200, request_id=news.request_id)
            if verdict is Verdict.AGAIN:
                _hand_to_worker(task, means, do="submit")
            return replace(look, outcome="again" if verdict is Verdict.AGAIN else "recovered"), ""
        case Verdict.MISMATCH:
            # Kept each time: a person has to judge by it.
            _keep(task, means, news.raw, status=200, request_id=news.request_id)
            fault = f"asked about {task.upstream_task_id}, the upstream answers about {news.upstream_task_id}"
            return replace(look, fault=fault, contradicts=True), "the upstream answers about another task"
        case _:
            works = verdict in (Verdict.PROGRESSED, Verdict.NOTHING)
            look = replace(look, outcome="working", fault=news.word or None) if works else look
            return look, f"the upstream still says {news.word!r}"


def _unanswered(task: Task, error: UpstreamError, means: _Means) -> _Answer:
    left = leave_alone(task, error, clock=means.clock, tasks=means.tasks, admission=means.admission)
    refused = error.reason if isinstance(error, UpstreamRefused) else None
    return _Answer(
        look=Look(outcome="no_answer", task_id=task.id, after=left, fault=error.message, refused=refused),
        why=f"the last look failed: {error.message}",
        raw=error.raw,
        status=error.status,
        request_id=error.request_id,
        not_before=left_alone_until(error, clock=means.clock),
    )


def _end_unasked(task: Task, means: _Means, now: float) -> Look:
    return _end(task, _given_up(task, means, now, "for a day no request was free to ask"), means)


def _over_at(task: Task, timing: Timing) -> float:
    """When a task that is looked at ends, whatever is or is not heard of it."""
    if not task.is_terminal and task.phase is not Phase.STORING:
        return task.give_up_at(timing)
    if task.next_check_at is None:
        return inf
    if task.lease is None and task.phase is Phase.EXPIRED:
        return (task.first_sent_at or task.created_at) + TAIL_S
    return max((task.news_at or task.created_at) + STORE_GIVE_UP_S, task.lease_until or 0.0)


def _given_up(
    task: Task, means: _Means, now: float, why: str = "", request_id: str | None = None, *, not_before: float = 0.0
) -> Task:
    """The task as it ends because its time is over; `why` says what the last look came to."""
    if task.phase is Phase.EXPIRED:
        return task.given_up_late()
    if task.phase is Phase.STORING:
        error = TaskError(code="storage_failed", message="the picture could not be stored for a day", charged="yes")
        return task.failed(now, error, by=task.news_by or "poll")
    code, charged, message = "deadline_exceeded", "unknown", f"no result within {task.timeout_s} s"
    if task.phase in NOT_SENT:
        charged, message = "no", "no slot was free before the longest wait was over"
    if task.phase in SENDING:
        code = "submission_outcome_unknown"
        message = "nobody knows whether the upstream accepted the request: look into its console before paying again"
        message += _naming_what_is_kept(task, means.tasks)
    error = TaskError(
        code=code,
        message=f"{message}; {why}" if why else message,
        charged=charged,
        upstream_request_id=request_id or task.upstream_request_id,
    )
    return task.expired(now, error, means.timing, not_before=not_before)


def _naming_what_is_kept(task: Task, tasks: Tasks) -> str:
    """Say where the answer to the task's POST lies, if there was one that could not be read."""
    try:
        evidence = tasks.evidence(task.id)
    except Exception:
        # A task's end hangs on nothing but its own row.
        return ""
    kept = evidence is not None and evidence.kept_as == unread_key(task)
    return f"; its answer is kept in the bucket as {unread_key(task)}" if kept else ""


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
