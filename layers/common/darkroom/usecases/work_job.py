"""Do what does not fit a request: store a finished task's pictures patiently, or submit to an upstream that takes minutes."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from darkroom.domain.admission import Parked
from darkroom.domain.news import News, Says, Verdict, no_image_named
from darkroom.domain.task import NOT_SENT, Output, Phase, Task, TaskError, Timing
from darkroom.errors import (
    DownloadError,
    DownloadInterrupted,
    OutputGone,
    StorageUnavailable,
    StoreError,
    TaskChanged,
    UpstreamError,
    UpstreamTaskNotFound,
)
from darkroom.ports import Clock, Job, Prepare, Queue, Tasks, Upstream
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import called_in_vain, hand_on, heed, may_send
from darkroom.usecases.allowance import MayAsk
from darkroom.usecases.begin_attempt import begin_attempt, have_it_sent
from darkroom.usecases.keep_evidence import keep_evidence
from darkroom.usecases.keep_unread import KeepUnread
from darkroom.usecases.leave_alone import left_alone_until
from darkroom.usecases.park_task import park_task
from darkroom.usecases.settle_task import settle_task
from darkroom.usecases.store_pictures import Stored
from darkroom.usecases.submit_task import submit_task

_LOOK_TIMEOUT_S = 10.0
KEEP_TRYING_S = (2.0, 8.0, 20.0)
"""An answer that holds the paid pictures exists in this process only: our own services get so many more chances."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What became of a job: one word, and the task as it is now. `refused`: why the upstream said no.

    `again`: the attempt is over, and the task goes on with another one. `unforeseen`: an error that no code expected.
    `contradicts`: the upstream's answer is about another task than the one it was asked about.
    """

    outcome: str
    task: Task | None = None
    downloads: int = 0
    fault: str | None = None
    refused: str | None = None
    again: bool = False
    unforeseen: Exception | None = None
    contradicts: bool = False


def work_job(
    job: Job,
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
    sleep: Callable[[float], None],
    store: Callable[[Task, bool], Stored],
    keep_unread: KeepUnread,
) -> Worked:
    """Do `job` once; a job that somebody else does, or that is done, is nothing to do.

    `store(task, resume)` brings the bytes home within the caller's budget; `keep_unread` keeps an answer that could not be read.
    Whatever is raised, the message comes back, and after
    enough of that lies in the dead-letter queue. Until then others may have the slot of a task that could not be sent.
    """
    task = tasks.get(job.task_id)
    if task is None or task.attempt != job.attempt:
        return Worked(outcome="nothing_to_do", task=task)
    try:
        return _work(
            task,
            job,
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
            sleep=sleep,
            store=store,
            keep_unread=keep_unread,
        )
    except StoreError:
        raise
    except Exception:
        current = tasks.get(task.id) or task
        if current.phase in NOT_SENT and current.attempt == task.attempt:
            hand_on(current, admission=admission)
        raise


def _work(
    task: Task,
    job: Job,
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
    sleep: Callable[[float], None],
    store: Callable[[Task, bool], Stored],
    keep_unread: KeepUnread,
) -> Worked:
    upstream = upstream_of(task.upstream)
    if job.do == "store":
        return _store_now(
            task,
            job,
            lease=lease,
            clock=clock,
            jitter=jitter,
            tasks=tasks,
            ask=_Asking(upstream=upstream, clock=clock, admission=admission, may_ask=may_ask),
            timing=timing,
            store=store,
        )
    return _submit_now(
        task,
        lease=lease,
        clock=clock,
        jitter=jitter,
        tasks=tasks,
        queue=queue,
        upstream=upstream,
        prepare=prepare,
        admission=admission,
        timing=timing,
        sleep=sleep,
        store=store,
        keep_unread=keep_unread,
    )


def _submit_now(
    task: Task,
    *,
    lease: str,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    queue: Queue,
    upstream: Upstream,
    prepare: Prepare,
    admission: Admission,
    timing: Timing,
    sleep: Callable[[float], None],
    store: Callable[[Task, bool], Stored],
    keep_unread: KeepUnread,
) -> Worked:
    if task.phase not in NOT_SENT:
        called_in_vain(task, admission=admission)
        return Worked(outcome="nothing_to_do", task=task)
    # After the longest wait the next look ends it.
    if clock() >= task.give_up_at(timing):
        return Worked(outcome="waits", task=task)
    turn = may_send(task, admission=admission)
    if isinstance(turn, Parked):
        parked = park_task(task, turn, admission=admission, tasks=tasks)
        return Worked(outcome="waits", task=parked, again=parked.attempt != task.attempt)
    if not turn:
        return Worked(outcome="waits", task=task)
    try:
        sending, request = begin_attempt(task, clock=clock, tasks=tasks, upstream=upstream, prepare=prepare, timing=timing)
    except TaskChanged:
        return Worked(outcome="nothing_to_do", task=task)
    sent = submit_task(
        sending,
        maybe_sent=False,
        clock=clock,
        jitter=jitter,
        tasks=tasks,
        upstream=upstream,
        admission=admission,
        timing=timing,
        timeout_s=upstream.promises.answers_within_s,
        request=request,
        keep_unread=keep_unread,
    )
    if sent.news is None:
        if sent.sends_on:
            have_it_sent(sent.task, queue)
        outcome = "failed" if sent.refused and sent.task.is_terminal else "submitted"
        return Worked(
            outcome=outcome,
            task=sent.task,
            fault=sent.refused,
            refused=sent.refused,
            again=sent.again,
            unforeseen=sent.unforeseen,
        )
    return _bring_home(
        sent.task,
        sent.news,
        lease=lease,
        clock=clock,
        jitter=jitter,
        tasks=tasks,
        queue=queue,
        admission=admission,
        timing=timing,
        sleep=sleep,
        store=store,
    )


def _bring_home(
    task: Task,
    news: News,
    *,
    lease: str,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    queue: Queue,
    admission: Admission,
    timing: Timing,
    sleep: Callable[[float], None],
    store: Callable[[Task, bool], Stored],
) -> Worked:
    """The answer was the end: write it down and store what it holds, now; nobody can ask for it again."""
    settled = _stubbornly(
        lambda _: settle_task(task, news, clock=clock, tasks=tasks, lease=lease, lease_s=timing.queued_lease_s), sleep
    )
    hand_on(task, admission=admission)
    if settled.verdict is Verdict.AGAIN:
        have_it_sent(settled.task, queue)
        return Worked(outcome="submitted", task=settled.task, again=True)
    # Ours also where we did not hear that it was written.
    if settled.task.lease != lease:
        return Worked(outcome="failed" if settled.verdict is Verdict.ENDED else "nothing_to_do", task=settled.task)
    held = replace(settled.task, outputs=news.outputs)
    stored = _stubbornly(lambda again: store(held, again), sleep)
    if stored.fault is None:
        return Worked(outcome="stored", task=stored.task, downloads=stored.downloads)
    return _give_up_or_wait(stored, stored.fault, _Asked(), clock=clock, jitter=jitter, tasks=tasks, timing=timing)


def _stubbornly(do: Callable[[bool], _Found], sleep: Callable[[float], None]) -> _Found:
    """`do(again)`, also when our own services need a moment; raises what the last try raises."""
    for number, pause in enumerate(KEEP_TRYING_S):
        with suppress(StorageUnavailable, TaskChanged):
            return do(number > 0)
        sleep(pause)
    return do(True)


def _store_now(
    task: Task,
    job: Job,
    *,
    lease: str,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    ask: "_Asking",
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
    first = store(taken, True)
    if first.fault is None:
        return Worked(outcome="stored", task=first.task, downloads=first.downloads)
    return _with_fresh_url(first, first.fault, clock=clock, jitter=jitter, tasks=tasks, ask=ask, timing=timing, store=store)


def _with_fresh_url(
    first: Stored,
    fault: DownloadError,
    *,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    ask: "_Asking",
    timing: Timing,
    store: Callable[[Task, bool], Stored],
) -> Worked:
    """Ask the upstream for a fresh URL and try once more: the picture is paid for, a new generation never is the answer."""
    task, asked = first.task, _ask_for_fresh(first.task, ask)
    if not asked.outputs:
        # A URL that may work later outweighs an upstream that has no better one.
        fault = fault if isinstance(fault, DownloadInterrupted) else asked.fault or fault
        return _give_up_or_wait(first, fault, asked, clock=clock, jitter=jitter, tasks=tasks, timing=timing)
    fresh = _move_as_holder(
        task,
        lambda held: held.lease_taken(
            clock(), lease=task.lease or "", lease_s=timing.queued_lease_s, outputs=asked.outputs, missing=asked.missing
        ),
        tasks=tasks,
    )
    if fresh is None:
        return Worked(outcome="nothing_to_do", task=task, downloads=first.downloads)
    again = store(fresh, True)
    again = replace(again, downloads=first.downloads + again.downloads)
    if again.fault is None:
        return Worked(outcome="stored", task=again.task, downloads=again.downloads)
    return _give_up_or_wait(again, again.fault, asked, clock=clock, jitter=jitter, tasks=tasks, timing=timing)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the upstream says when it is asked for fresh URLs; not to be asked again before `not_before`."""

    outputs: tuple[Output, ...] = ()
    missing: tuple[str, ...] = ()
    fault: DownloadError | None = None
    not_before: float = 0.0
    request_id: str | None = None
    raw: bytes = field(default=b"", repr=False)
    contradicts: bool = False
    unforeseen: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """Whom to ask for fresh URLs, and whether that may be done."""

    upstream: Upstream
    clock: Clock
    admission: Admission
    may_ask: MayAsk


def _ask_for_fresh(task: Task, ask: _Asking) -> _Asked:
    if task.upstream_task_id is None or ask.upstream.promises.synchronous:
        return _Asked()
    if not ask.may_ask(task.upstream):
        return _Asked(fault=DownloadInterrupted("no fresh URL could be asked for: the account's requests are used up"))
    try:
        news = ask.upstream.look(task.upstream_task_id, attempt=task.attempt, timeout_s=_LOOK_TIMEOUT_S)
    except UpstreamTaskNotFound:
        return _Asked(fault=OutputGone("the upstream no longer knows the task"))
    except UpstreamError as error:
        fault = DownloadInterrupted(f"no fresh URL could be asked for: {error.message}")
        heed(task, error, admission=ask.admission)
        return _Asked(fault=fault, not_before=left_alone_until(error, clock=ask.clock))
    except Exception as error:
        # Contained here, so that the task meets its deadline. The job tells it.
        fault = DownloadInterrupted(f"no fresh URL could be asked for: {type(error).__name__}")
        return _Asked(fault=fault, unforeseen=error)
    if news.upstream_task_id not in (None, task.upstream_task_id):
        fault = DownloadInterrupted("asked for a fresh URL, the upstream answers about another task")
        return _Asked(fault=fault, request_id=news.request_id, raw=news.raw, contradicts=True)
    told = _Asked(outputs=news.outputs, missing=news.missing, request_id=news.request_id, raw=news.raw)
    if news.says is Says.SUCCEEDED and (news.outputs or task.outputs):
        return told
    if news.says is Says.FAILED or task.outputs:
        gone = OutputGone(f"asked for a fresh URL, the upstream says {news.word or news.says.value}")
        return replace(told, outputs=(), fault=gone)
    return replace(told, outputs=(), fault=DownloadInterrupted(no_image_named(news.missing), code="no_output"))


def _give_up_or_wait(
    stored: Stored,
    fault: DownloadError,
    asked: _Asked,
    *,
    clock: Clock,
    jitter: Callable[[], float],
    tasks: Tasks,
    timing: Timing,
) -> Worked:
    """Wait for what may still come; otherwise end the task with the pictures that it has, and say what is missing."""
    task, now = stored.task, clock()
    late = task.phase is Phase.EXPIRED
    waits = isinstance(fault, DownloadInterrupted) and (late or now < task.give_up_at(timing))
    at = task.released(next_check_at=now).next_look(now, timing, jitter=jitter()) if waits else None
    end = "stored" if stored.images else "failed"
    outcome = end if at is None else "later"

    def ended(held: Task) -> Task:
        if at is not None:
            return held.released(next_check_at=max(at, asked.not_before))
        if stored.images:
            return held.stored(now, stored.images, missing=stored.missing)
        return _given_up(held, fault, asked, now)

    after = _move_as_holder(task, ended, tasks=tasks)
    if after is None:
        return Worked(outcome="nothing_to_do", task=task, downloads=stored.downloads)
    if outcome == "failed" and asked.raw:
        keep_evidence(task.id, asked.raw, source="poll", status=200, request_id=asked.request_id, now=now, tasks=tasks)
    return Worked(
        outcome=outcome,
        task=after,
        downloads=stored.downloads,
        fault=str(fault),
        contradicts=asked.contradicts,
        unforeseen=asked.unforeseen,
    )


def _move_as_holder(task: Task, change: Callable[[Task], Task], *, tasks: Tasks) -> Task | None:
    """Move the task whose lease is ours, also when it was looked at meanwhile; None when others have taken it over."""
    held = task
    while True:
        after = change(held)
        try:
            tasks.move(held, after)
        except TaskChanged:
            latest = tasks.get(task.id)
            if latest is None or latest.version == held.version or (latest.lease, latest.phase) != (task.lease, task.phase):
                return None
            held = latest
        else:
            return after


def _given_up(task: Task, fault: DownloadError, asked: _Asked, now: float) -> Task:
    if task.phase is Phase.EXPIRED:
        return task.given_up_late()
    error = TaskError(
        code=fault.code,
        message=f"the picture could not be stored: {fault}",
        charged="yes",
        upstream_request_id=asked.request_id,
    )
    return task.failed(now, error, by=task.news_by or "poll")
