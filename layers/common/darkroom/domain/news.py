"""What an upstream says about an attempt, and what that means for the task: the only way from outside into the state machine."""

from dataclasses import dataclass, field
from enum import StrEnum

from darkroom.domain.again import after_failure
from darkroom.domain.missing import shortened
from darkroom.domain.task import IN_FLIGHT, Output, Phase, Task, TaskError


class Says(StrEnum):
    """An upstream's status word in our terms; words we do not know count as `WORKING` (ask again later)."""

    QUEUED = "queued"
    GENERATING = "generating"
    ARCHIVING = "archiving"
    WORKING = "working"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_PROGRESS = {Says.QUEUED: Phase.QUEUED, Says.GENERATING: Phase.GENERATING, Says.ARCHIVING: Phase.ARCHIVING}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One message from an upstream: `by` is callback or poll; `error` is set on FAILED; `raw` is capped.

    `outputs` are those that could be read; `missing` says why others of the same answer could not. `unread` is such an answer,
    capped but otherwise as it came, where it cannot be asked for again.
    """

    says: Says
    attempt: int
    by: str
    upstream_task_id: str | None = None
    outputs: tuple[Output, ...] = ()
    missing: tuple[str, ...] = field(default=(), repr=False)
    error: TaskError | None = None
    word: str = field(default="", repr=False)
    request_id: str | None = None
    raw: bytes = field(default=b"", repr=False)
    unread: bytes = field(default=b"", repr=False)


class Verdict(StrEnum):
    """What a piece of news changes."""

    STORE = "store"  # we hold the lease: fetch the bytes
    ENDED = "ended"  # failed, or canceled
    AGAIN = "again"  # this attempt failed for nothing, and the next one is to be sent
    PROGRESSED = "progressed"
    NOTHING = "nothing"  # it is as we knew
    DUPLICATE = "duplicate"  # the end was known already
    SUPERSEDED = "superseded"  # about an attempt that is not the current one
    MISMATCH = "mismatch"  # about another upstream task than ours
    CHARGED = "charged_after_all"  # the success of an attempt that was taken for unpaid: only what it cost is put right
    CONTRADICTION = "contradiction"  # a failure after a success was recorded, or news of a request that was never sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict and, where something changes, the task to write."""

    verdict: Verdict
    after: Task | None = None


def decide(task: Task, news: News, *, now: float, lease: str, lease_s: float) -> Decision:
    """What `news` means for `task`; pure, so that it can be asked again when the task has moved meanwhile."""
    if news.attempt != task.attempt:
        return _charged(task, news) or Decision(verdict=Verdict.SUPERSEDED)
    if task.upstream_task_id and news.upstream_task_id and news.upstream_task_id != task.upstream_task_id:
        return Decision(verdict=Verdict.MISMATCH)
    if task.is_terminal and task.phase is not Phase.EXPIRED:
        return _charged(task, news) or Decision(verdict=Verdict.DUPLICATE)
    if task.phase is Phase.ACCEPTED or (task.phase is Phase.WAITING and task.first_sent_at is None):
        return Decision(verdict=Verdict.CONTRADICTION)
    if news.says is Says.SUCCEEDED:
        return _succeeded(task, news, now=now, lease=lease, lease_s=lease_s)
    if news.says is Says.FAILED:
        return _failed(task, news, now=now)
    return _progressed(task, news, now=now)


def proves_charge(task: Task, news: News) -> bool:
    """Whether `news` is the success of an attempt that is over and that the task takes for unpaid."""
    if news.says is not Says.SUCCEEDED:
        return False
    if news.attempt == task.attempt:
        return task.phase in (Phase.FAILED, Phase.CANCELED) and task.error is not None and task.error.charged == "no"
    return 0 < news.attempt <= len(task.earlier) and not task.earlier[news.attempt - 1].paid


def _charged(task: Task, news: News) -> Decision | None:
    after = task.charged_after_all(news.attempt) if proves_charge(task, news) else None
    return Decision(verdict=Verdict.CHARGED, after=after) if after else None


def _succeeded(task: Task, news: News, *, now: float, lease: str, lease_s: float) -> Decision:
    if task.leased(now) or task.images:
        return Decision(verdict=Verdict.DUPLICATE)
    if task.phase is Phase.STORING:
        taken = task.lease_taken(now, lease=lease, lease_s=lease_s, outputs=news.outputs or None, missing=news.missing)
        return Decision(verdict=Verdict.STORE, after=taken)
    if task.cancel_requested:
        return _dropped(task, news, now=now)
    if not news.outputs and not _can_be_asked_again(task, news):
        return _without_image(task, news, now=now)
    storing = task.storing(
        now,
        by=news.by,
        lease=lease,
        lease_s=lease_s,
        outputs=news.outputs,
        missing=news.missing,
        upstream_task_id=news.upstream_task_id,
    )
    return Decision(verdict=Verdict.STORE, after=storing)


def _can_be_asked_again(task: Task, news: News) -> bool:
    """Whether a success that names no image may yet name one: the answer to a POST is all that its upstream will say."""
    return news.by != "create" and (task.upstream_task_id or news.upstream_task_id) is not None


def no_image_named(missing: tuple[str, ...]) -> str:
    """Say that a success names no image, and why what it names is none."""
    return "; ".join(("the upstream reports success but names no image", *shortened(missing)))


def _dropped(task: Task, news: News, *, now: float) -> Decision:
    after = task.canceled(now, charged="yes", by=news.by, upstream_task_id=news.upstream_task_id)
    return Decision(verdict=Verdict.ENDED, after=after)


def _without_image(task: Task, news: News, *, now: float) -> Decision:
    if task.phase is Phase.EXPIRED:
        return Decision(verdict=Verdict.ENDED, after=task.given_up_late())
    error = TaskError(
        code="no_output",
        message=no_image_named(news.missing),
        charged="yes",
        upstream_request_id=news.request_id,
    )
    return Decision(
        verdict=Verdict.ENDED,
        after=task.failed(now, error, by=news.by, upstream_task_id=news.upstream_task_id),
    )


def _failed(task: Task, news: News, *, now: float) -> Decision:
    if task.phase is Phase.STORING or task.images or task.lease is not None:
        return Decision(verdict=Verdict.CONTRADICTION)
    if task.phase is Phase.EXPIRED:
        if task.next_check_at is None:
            return Decision(verdict=Verdict.DUPLICATE)
        return Decision(verdict=Verdict.ENDED, after=task.given_up_late())
    error = news.error or TaskError(code="generation_failed", message="the upstream reports a failure without a reason")
    after = after_failure(task, error, now=now, by=news.by, upstream_task_id=news.upstream_task_id)
    return Decision(verdict=Verdict.ENDED if after.is_terminal else Verdict.AGAIN, after=after)


def _progressed(task: Task, news: News, *, now: float) -> Decision:
    to = _PROGRESS.get(news.says)
    unsent = task.phase not in IN_FLIGHT
    if to is None and unsent and news.upstream_task_id:
        to = Phase.QUEUED
    if to is None or to is task.phase or task.phase in (Phase.STORING, Phase.EXPIRED):
        return Decision(verdict=Verdict.NOTHING)
    return Decision(verdict=Verdict.PROGRESSED, after=task.progressed(to, now, upstream_task_id=news.upstream_task_id))
