"""Send a task's frozen bytes to its upstream, and write down what became of it."""

from collections.abc import Callable
from dataclasses import dataclass

from darkroom.domain.task import OPEN, Phase, Task, TaskError, Timing
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
) -> Submission:
    """POST once. `maybe_sent`: an earlier POST of this attempt may have arrived, so only a clear answer ends the doubt.

    The row is in phase submitting or submission_unknown and keeps its next look, so that a crash anywhere in
    here is found by the reconciler.
    """
    request = task.request or tasks.request_of(task)
    try:
        accepted = upstream.submit(request.body, key=task.submission_key, timeout_s=timeout_s)
    except UpstreamUnavailable as error:
        return Submission(
            task=_unavailable(task, error, maybe_sent=maybe_sent, clock=clock, jitter=jitter, tasks=tasks, timing=timing)
        )
    except UpstreamRefused as error:
        return _refused(task, error, maybe_sent=maybe_sent, clock=clock, tasks=tasks)
    except OutcomeUnknown as error:
        return Submission(task=_lost(task, error, clock=clock, tasks=tasks))
    after = _record(task, lambda current: _submitted(current, accepted, clock()), tasks=tasks)
    return Submission(task=after, not_replayed=maybe_sent and not accepted.replayed)


def _submitted(current: Task, accepted: Accepted, now: float) -> Task | None:
    if current.upstream_task_id is not None:
        return None
    return current.submitted(now, upstream_task_id=accepted.upstream_task_id, request_id=accepted.request_id)


def _unavailable(
    task: Task,
    error: UpstreamUnavailable,
    *,
    maybe_sent: bool,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    timing: Timing,
) -> Task:
    if maybe_sent:
        return _lost(task, error, clock=clock, tasks=tasks)
    backoff = min(_FIRST_BACKOFF_S * 2 ** min(task.looks, 20), timing.recheck_max_s)
    # Never earlier than the upstream asks; a little later, so that a crowd does not return at once.
    until = clock() + (error.retry_after if error.retry_after is not None else backoff) * (1 + 0.2 * jitter())
    return _record(task, lambda current: _waiting(current, until, clock()), tasks=tasks)


def _waiting(current: Task, until: float, now: float) -> Task | None:
    if current.phase is not Phase.SUBMITTING:
        return None
    if current.cancel_requested:
        return current.canceled(now, charged="no", by="cancel")
    return current.wait(until=until)


def _lost(task: Task, error: UpstreamError, *, clock: Clock, tasks: Tasks) -> Task:
    at = max(task.next_check_at or 0.0, clock() + (error.retry_after or 0.0))
    return _record(
        task,
        lambda current: current.lost(next_check_at=at) if current.phase is Phase.SUBMITTING else None,
        tasks=tasks,
    )


def _refused(task: Task, error: UpstreamRefused, *, maybe_sent: bool, clock: Clock, tasks: Tasks) -> Submission:
    if maybe_sent and error.reason in _ACCOUNT_TROUBLE:
        # The gateway looks at the account before it looks at the key: this says nothing of the first request.
        return Submission(task=_lost(task, error, clock=clock, tasks=tasks), refused=error.reason)
    reason = TaskError(
        code=error.reason,
        message=error.message,
        charged="unknown" if maybe_sent else error.charged,
        upstream_code=error.code,
        upstream_message=error.message,
        upstream_request_id=error.request_id,
    )
    after = _record(task, lambda current: _failed(current, reason, clock()), tasks=tasks)
    return Submission(task=after, refused=error.reason)


def _failed(current: Task, reason: TaskError, now: float) -> Task | None:
    if current.phase not in (Phase.SUBMITTING, Phase.UNKNOWN):
        return None
    return current.failed(now, reason, by="create")


def _record(task: Task, change: Callable[[Task], Task | None], *, tasks: Tasks) -> Task:
    """Write what the POST led to; where a callback was faster, its state is kept."""
    current = task
    for _ in range(_TRIES):
        after = change(current) if current.phase in OPEN else None
        if after is None:
            return current
        try:
            tasks.move(current, after)
        except TaskChanged:
            current = tasks.get(task.id) or current
        except StorageUnavailable:
            # The POST is out. The row still says "submitting": the reconciler repeats it with the same key.
            return current
        else:
            return after
    return current
