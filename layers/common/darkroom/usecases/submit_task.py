"""Send a task's frozen bytes to its upstream, and write down what became of it."""

from collections.abc import Callable
from dataclasses import dataclass

from darkroom.domain.task import MOVES, OPEN, Phase, Request, Task, TaskError, Timing
from darkroom.errors import (
    OutcomeUnknown,
    StorageUnavailable,
    TaskChanged,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from darkroom.ports import Accepted, Clock, Tasks, Upstream

_TRIES = 3
_FIRST_BACKOFF_S = 5.0
_ACCOUNT_TROUBLE = frozenset({"upstream_auth", "upstream_quota"})
_Change = Callable[[Task], Task | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The task as it is now. `not_replayed`: a repeat after a lost answer was accepted without the upstream
    saying that it collapsed it, so somebody should look at the bill. `refused`: why the upstream said no.
    """

    task: Task
    not_replayed: bool = False
    refused: str | None = None


def submit_task(
    task: Task,
    *,
    maybe_sent: bool,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    upstream: Upstream,
    timing: Timing,
    timeout_s: float,
    request: Request | None = None,
) -> Submission:
    """POST once. `maybe_sent`: an earlier POST of this attempt may have arrived, so only a clear answer ends the doubt.

    The row is in phase submitting or submission_unknown and keeps its next look, so that a crash anywhere in
    here is found by the reconciler. `request` is the task's, where the caller has read it.
    """
    body = (request or task.request or tasks.request_of(task)).body
    post = _Post(task=task, maybe_sent=maybe_sent, repeats=upstream.promises.collapses_repeats, clock=clock, tasks=tasks)
    try:
        accepted = upstream.submit(body, key=task.submission_key, timeout_s=timeout_s)
    except UpstreamUnavailable as error:
        return Submission(task=_unavailable(post, error, jitter=jitter, timing=timing))
    except UpstreamRefused as error:
        return _refused(post, error)
    except OutcomeUnknown as error:
        return Submission(task=post.record(_doubtful(post, error)))
    after = post.record(lambda current: _submitted(current, accepted, clock()))
    return Submission(task=after, not_replayed=maybe_sent and not accepted.replayed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Post:
    """One POST: what was known when it left, and where its answer is written."""

    task: Task
    maybe_sent: bool
    repeats: bool
    clock: Clock
    tasks: Tasks

    def is_repeated(self, current: Task) -> bool:
        """Whether a look has (or may have) sent the same again while this POST was out: no refusal is clear then."""
        return self.repeats and current.looks != self.task.looks

    def record(self, change: _Change) -> Task:
        """Write what the POST led to; where a callback was faster, its state is kept."""
        current = self.task
        for _ in range(_TRIES):
            after = change(current) if current.phase in OPEN else None
            if after is None:
                return current
            try:
                self.tasks.move(current, after)
            except TaskChanged:
                current = self.tasks.get(self.task.id) or current
            except StorageUnavailable:
                if self.repeats:
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
    backoff = min(_FIRST_BACKOFF_S * 2 ** min(post.task.looks, 20), timing.recheck_max_s)
    # Never earlier than the upstream asks; a little later, so that a crowd does not return at once.
    until = post.clock() + (error.retry_after if error.retry_after is not None else backoff) * (1 + 0.2 * jitter())
    doubtful = _doubtful(post, error)

    def change(current: Task) -> Task | None:
        in_doubt = post.maybe_sent or post.is_repeated(current)
        return doubtful(current) if in_doubt else _waiting(current, until, post.clock())

    return post.record(change)


def _waiting(current: Task, until: float, now: float) -> Task | None:
    if current.phase is not Phase.SUBMITTING:
        return None
    if current.cancel_requested:
        return current.canceled(now, charged="no", by="cancel")
    return current.wait(until=until)


def _doubtful(post: _Post, error: UpstreamError) -> _Change:
    """Nobody knows whether a POST of this attempt was taken; it is not repeated earlier than the upstream asks."""
    until = post.clock() + (error.retry_after or 0.0)

    def change(current: Task) -> Task | None:
        look_at = current.next_check_at or 0.0
        if current.phase is Phase.SUBMITTING:
            return current.lost(next_check_at=max(look_at, until))
        return current.asked_to_wait(until=until) if current.phase is Phase.UNKNOWN and until > look_at else None

    return change


def _refused(post: _Post, error: UpstreamRefused) -> Submission:
    # The gateway looks at the account before it looks at the key: this says nothing of the first request.
    says_nothing = post.maybe_sent and error.reason in _ACCOUNT_TROUBLE
    doubtful = _doubtful(post, error)
    reason = TaskError(
        code=error.reason,
        message=error.message,
        charged="unknown" if post.maybe_sent else error.charged,
        upstream_code=error.code,
        upstream_message=error.message,
        upstream_request_id=error.request_id,
    )

    def change(current: Task) -> Task | None:
        in_doubt = says_nothing or post.is_repeated(current)
        return doubtful(current) if in_doubt else _failed(current, reason, post.clock())

    return Submission(task=post.record(change), refused=error.reason)


def _failed(current: Task, reason: TaskError, now: float) -> Task | None:
    if current.phase not in (Phase.SUBMITTING, Phase.UNKNOWN):
        return None
    return current.failed(now, reason, by="create")
