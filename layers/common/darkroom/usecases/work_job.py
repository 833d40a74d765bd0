"""Do what does not fit a request: store a finished task's pictures patiently, or submit to an upstream that takes minutes."""

from collections.abc import Callable
from dataclasses import dataclass

from darkroom.domain.news import Says
from darkroom.domain.task import Output, Phase, Task, TaskError, Timing
from darkroom.errors import (
    DownloadError,
    DownloadInterrupted,
    OutputGone,
    OutputRefused,
    TaskChanged,
    UpstreamError,
    UpstreamTaskNotFound,
)
from darkroom.ports import Clock, Job, Tasks, Upstream
from darkroom.usecases.store_pictures import Stored
from darkroom.usecases.submit_task import submit_task

_LOOK_TIMEOUT_S = 10.0
_SUBMIT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What became of a job: one word, and the task as it is now."""

    outcome: str
    task: Task | None = None
    downloads: int = 0
    fault: str | None = None


def work_job(
    job: Job,
    *,
    lease: str,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    upstream_of: Callable[[str], Upstream],
    timing: Timing,
    store: Callable[[Task, bool], Stored],
) -> Worked:
    """Do `job` once; a job that somebody else does, or that is done, is nothing to do.

    `store(task, resume)` brings the bytes home within the caller's budget. Raises StorageUnavailable:
    the message then comes back, and after enough of that lies in the dead-letter queue.
    """
    task = tasks.get(job.task_id)
    if task is None or task.attempt != job.attempt:
        return Worked(outcome="nothing_to_do", task=task)
    upstream = upstream_of(task.upstream)
    if job.do == "store":
        return _store_now(
            task, job, lease=lease, clock=clock, jitter=jitter, tasks=tasks, upstream=upstream, timing=timing, store=store
        )
    return _submit_now(task, clock=clock, jitter=jitter, tasks=tasks, upstream=upstream, timing=timing)


def _submit_now(
    task: Task, *, clock: Clock, jitter: Callable[[], float], tasks: Tasks, upstream: Upstream, timing: Timing
) -> Worked:
    if task.phase not in (Phase.ACCEPTED, Phase.WAITING):
        return Worked(outcome="nothing_to_do", task=task)
    # Read before the row says "submitting": from then on nobody knows whether it was sent.
    request = task.request or tasks.request_of(task)
    sending = task.submitting(clock())
    try:
        tasks.move(task, sending)
    except TaskChanged:
        return Worked(outcome="nothing_to_do", task=task)
    sent = submit_task(
        sending,
        maybe_sent=False,
        clock=clock,
        jitter=jitter,
        tasks=tasks,
        upstream=upstream,
        timing=timing,
        timeout_s=_SUBMIT_TIMEOUT_S,
        request=request,
    )
    return Worked(outcome="submitted", task=sent.task, fault=sent.refused)


def _store_now(
    task: Task,
    job: Job,
    *,
    lease: str,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    upstream: Upstream,
    timing: Timing,
    store: Callable[[Task, bool], Stored],
) -> Worked:
    now = clock()
    wanted = task.phase is Phase.STORING or (task.phase is Phase.EXPIRED and task.lease is not None)
    if not wanted or (task.leased(now) and task.lease != job.lease):
        return Worked(outcome="nothing_to_do", task=task)
    taken = task.lease_taken(now, lease=lease, lease_s=timing.queued_lease_s)
    try:
        tasks.move(task, taken)
    except TaskChanged:
        return Worked(outcome="nothing_to_do", task=task)
    first = store(taken, True) if taken.outputs else Stored(task=taken, fault=OutputGone("the output's URL was not kept"))
    if first.fault is None:
        return Worked(outcome="stored", task=first.task, downloads=first.downloads)
    return _with_fresh_url(taken, first, clock=clock, jitter=jitter, tasks=tasks, upstream=upstream, timing=timing, store=store)


def _with_fresh_url(
    task: Task,
    first: Stored,
    *,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    upstream: Upstream,
    timing: Timing,
    store: Callable[[Task, bool], Stored],
) -> Worked:
    """Ask the upstream for a fresh URL and try once more: the picture is paid for, a new generation never is the answer."""
    outputs, fault = _fresh_outputs(task, upstream)
    downloads = first.downloads
    if outputs:
        fresh = task.lease_taken(clock(), lease=task.lease or "", lease_s=timing.queued_lease_s, outputs=outputs)
        try:
            tasks.move(task, fresh)
        except TaskChanged:
            return Worked(outcome="nothing_to_do", task=task, downloads=downloads)
        again = store(fresh, True)
        downloads += again.downloads
        if again.fault is None:
            return Worked(outcome="stored", task=again.task, downloads=downloads)
        task, fault = fresh, again.fault
    return _give_up_or_wait(task, fault or first.fault, downloads, clock=clock, jitter=jitter, tasks=tasks, timing=timing)


def _fresh_outputs(task: Task, upstream: Upstream) -> tuple[tuple[Output, ...], DownloadError | None]:
    if task.upstream_task_id is None:
        return (), None
    try:
        news = upstream.look(task.upstream_task_id, attempt=task.attempt, timeout_s=_LOOK_TIMEOUT_S)
    except UpstreamTaskNotFound:
        return (), OutputGone("the upstream no longer knows the task")
    except UpstreamError as error:
        return (), DownloadInterrupted(f"no fresh URL could be asked for: {error.message}")
    if news.says is not Says.SUCCEEDED:
        return (), OutputGone(f"asked for a fresh URL, the upstream says {news.word or news.says.value}")
    return news.outputs, None


def _give_up_or_wait(
    task: Task,
    fault: DownloadError | None,
    downloads: int,
    *,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    timing: Timing,
) -> Worked:
    now = clock()
    late = task.phase is Phase.EXPIRED
    if isinstance(fault, DownloadInterrupted) and (late or now < task.give_up_at(timing)):
        released = task.released(next_check_at=now)
        at = released.next_look(now, timing, jitter=jitter())
        after = task.given_up_late() if at is None else task.released(next_check_at=at)
        outcome = "later"
    else:
        after = task.given_up_late() if late else task.failed(now, _why(fault), by=task.news_by or "poll")
        outcome = "failed"
    try:
        tasks.move(task, after)
    except TaskChanged:
        return Worked(outcome="nothing_to_do", task=task, downloads=downloads)
    return Worked(outcome=outcome, task=after, downloads=downloads, fault=str(fault))


def _why(fault: DownloadError | None) -> TaskError:
    code = fault.code if isinstance(fault, OutputRefused) else "storage_failed"
    if isinstance(fault, OutputGone):
        code = "output_expired"
    return TaskError(code=code, message=f"the picture could not be stored: {fault}", charged="yes")
