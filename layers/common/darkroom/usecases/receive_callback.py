"""Take an upstream's word at the door: verify it, write the news down, then fetch the bytes while time is left."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from darkroom.domain.callback_token import SigningKey, token_lives_s, verify
from darkroom.domain.news import News, Says, Verdict, proves_charge
from darkroom.domain.redact import redact
from darkroom.domain.task import IN_FLIGHT, SENDING, Phase, Task, Timing
from darkroom.errors import StorageUnavailable, TaskChanged, TokenRejected, UpstreamError
from darkroom.ports import EVIDENCE_CHARACTERS, Clock, Evidence, Heard, Job, Queue, Tasks, Upstream
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import hand_on, uses_slot
from darkroom.usecases.allowance import MayAsk
from darkroom.usecases.begin_attempt import have_it_sent
from darkroom.usecases.keep_evidence import keep_evidence
from darkroom.usecases.leave_alone import leave_alone
from darkroom.usecases.settle_task import Settled, settle_task
from darkroom.usecases.shut_off import note_end
from darkroom.usecases.store_pictures import Stored, picture_key

_CONFIRM_TIMEOUT_S = 4.0
_WAITS_FOR_NEWS = IN_FLIGHT | SENDING
_ENDS = frozenset({Says.SUCCEEDED, Says.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a callback led to. `outcome` is one word for logs and metrics; `body` is the answer's JSON.

    `kept`: where pictures of an attempt lie that was taken for unpaid, in the bucket.
    """

    outcome: str
    task: Task | None = None
    body: Mapping[str, object] | None = None
    downloads: int = 0
    kept: tuple[str, ...] = ()
    fault: str | None = None

    @property
    def is_suspicious(self) -> bool:
        """Whether an alarm should look at it: the door was right, the visitor was not."""
        return self.outcome in ("mismatch", "contradiction")

    @property
    def is_charge(self) -> bool:
        """Whether an attempt was paid for that was taken for unpaid."""
        return self.outcome == Verdict.CHARGED


def receive_callback(
    *,
    upstream: Upstream,
    task_id: str,
    token: str,
    headers: Mapping[str, str],
    raw: bytes,
    keys: Sequence[SigningKey],
    lease: str,
    clock: Clock,
    tasks: Tasks,
    queue: Queue,
    admission: Admission,
    may_ask: MayAsk,
    timing: Timing,
    store: Callable[[Task], Stored],
    keep: Callable[[Task], Stored],
) -> Received:
    """Handle one delivery. Raises TokenRejected (also for an unknown task), SignatureRejected, StorageUnavailable, TaskChanged.

    After the two storage errors nothing has been written that a second delivery would not do again.
    `store` brings the bytes home within the caller's budget; `keep` only puts them into the bucket.
    """
    lives_s = token_lives_s(timing.max_wait_s)
    attempt = verify(keys, token, upstream=upstream.name, task_id=task_id, now=clock(), lives_s=lives_s)
    heard = upstream.hear(headers, raw, attempt=attempt, now=clock())
    task = _read(task_id, heard, attempt, tasks=tasks, now=clock())
    news = heard.news
    tells_of_money = heard.trusted and news is not None and proves_charge(task, news)
    if not tells_of_money and (early := _known_already(task, news, attempt, now=clock())) is not None:
        return early
    if news is None:
        return _unreadable(task, heard, now=clock(), tasks=tasks)
    if not heard.trusted:
        task, confirmed = _confirm(task, attempt, upstream, clock=clock, tasks=tasks, admission=admission, may_ask=may_ask)
        if confirmed is None:
            return Received(outcome="unconfirmed", task=task, body={"hint": "noted"})
        news = confirmed
    settled = settle_task(task, news, clock=clock, tasks=tasks, lease=lease, lease_s=timing.inline_lease_s)
    if settled.is_end_of_generation and uses_slot(task):
        # Before the bytes: the next task need not wait for them.
        hand_on(task, admission=admission)
        note_end(task, news.error, admission=admission)
    if settled.verdict is Verdict.CHARGED:
        return _keep(settled.task, news, now=clock(), tasks=tasks, keep=keep)
    return _act(settled, news, queue=queue, store=store)


def _keep(task: Task, news: News, *, now: float, tasks: Tasks, keep: Callable[[Task], Stored]) -> Received:
    """The gateway charged an attempt that it had called free. Its pictures are kept where that can be done at once; they are not
    the task's, which has had its one end or goes on with another attempt."""
    keep_evidence(task.id, news.raw, source="callback", status=None, request_id=news.request_id, now=now, tasks=tasks)
    kept: Stored | None = None
    with suppress(StorageUnavailable):
        kept = keep(replace(task, attempt=news.attempt, outputs=news.outputs))
    fault = f"attempt {news.attempt}, taken for unpaid, succeeded as {news.upstream_task_id}"
    return Received(
        outcome=Verdict.CHARGED.value,
        task=task,
        body={"received": True},
        downloads=kept.downloads if kept else 0,
        kept=tuple(picture_key(task, image.attempt, image.index) for image in kept.images) if kept else (),
        fault=fault,
    )


def _read(task_id: str, heard: Heard, attempt: int, *, tasks: Tasks, now: float) -> Task:
    """The task; a copy that may be a moment old where nothing can go wrong with it. Raises TokenRejected: there is none."""
    if heard.trusted and heard.news is not None:
        copy = tasks.get(task_id, consistent=False)
        if copy is not None and _will_do(copy, heard.news, attempt, now=now):
            return copy
    task = tasks.get(task_id)
    if task is None:
        raise TokenRejected("no such task")
    return task


def _will_do(copy: Task, news: News, attempt: int, *, now: float) -> bool:
    """Whether it leads to a write, which fails where the row has changed meanwhile; or says what can never change again."""
    if attempt != copy.attempt:
        return False
    if _is_closed(copy):
        return True
    waits = copy.phase in _WAITS_FOR_NEWS and copy.lease is None and not copy.images
    return waits and news.says in _ENDS and _known_already(copy, news, attempt, now=now) is None


def _is_closed(task: Task) -> bool:
    """Whether this attempt has ended for good; one that expired may still succeed."""
    return task.is_terminal and task.phase is not Phase.EXPIRED


def _known_already(task: Task, news: News | None, attempt: int, *, now: float) -> Received | None:
    """What can be answered without a write or a question: this keeps repeats cheap."""
    if attempt != task.attempt:
        return Received(outcome="superseded", task=task, body={"ignored": "superseded"})
    if news and news.upstream_task_id and task.upstream_task_id not in (None, news.upstream_task_id):
        return _ignored(Verdict.MISMATCH, task, news)
    if _is_closed(task) or (news and news.says is Says.SUCCEEDED and task.leased(now)):
        return Received(outcome="duplicate", task=task, body={"duplicate": True})
    return None


def _ignored(verdict: Verdict, task: Task, news: News) -> Received:
    fault = f"the callback names upstream task {news.upstream_task_id}, ours is {task.upstream_task_id} in phase {task.phase}"
    return Received(outcome=verdict.value, task=task, body={"ignored": verdict.value}, fault=fault)


def _unreadable(task: Task, heard: Heard, *, now: float, tasks: Tasks) -> Received:
    """Answered 2xx: the reconciler will ask the upstream itself. What the upstream signed is kept for a person."""
    if heard.trusted:
        body = redact(heard.raw.decode("utf-8", errors="replace"), EVIDENCE_CHARACTERS)
        tasks.keep_evidence(task.id, Evidence(body=body, at=now, source="callback"))
    return Received(outcome="unreadable", task=task, body={"ignored": heard.why}, fault=heard.why)


def _confirm(
    task: Task, attempt: int, upstream: Upstream, *, clock: Clock, tasks: Tasks, admission: Admission, may_ask: MayAsk
) -> tuple[Task, News | None]:
    """The task as it is now, and the upstream's own answer to a GET; None when there is none to be had now.

    A hint says only that it may be worth asking. Nothing is taken from it, least of all an id: anybody may have written it, and
    about any task of the account. It is written down before we ask, so that more of them lead to no more than a read.
    """
    now, upstream_task_id = clock(), task.upstream_task_id
    if upstream_task_id is None or not task.follows_hint(now):
        return task, None
    noted = task.hinted(now)
    try:
        tasks.move(task, noted)
    except (TaskChanged, StorageUnavailable):
        # Somebody else is at it, or the next look will be: it was only a hint.
        return task, None
    if not may_ask(upstream.name):
        return noted, None
    try:
        return noted, upstream.look(upstream_task_id, attempt=attempt, timeout_s=_CONFIRM_TIMEOUT_S)
    except UpstreamError as error:
        # What cannot be written down about a hint costs no second delivery.
        with suppress(StorageUnavailable):
            noted = leave_alone(noted, error, clock=clock, tasks=tasks, admission=admission)
    return noted, None


def _act(settled: Settled, news: News, *, queue: Queue, store: Callable[[Task], Stored]) -> Received:
    task = settled.task
    match settled.verdict:
        case Verdict.STORE:
            return _store(task, queue=queue, store=store)
        case Verdict.DUPLICATE:
            return Received(outcome="duplicate", task=task, body={"duplicate": True})
        case Verdict.SUPERSEDED:
            return Received(outcome="superseded", task=task, body={"ignored": "superseded"})
        case Verdict.MISMATCH | Verdict.CONTRADICTION:
            return _ignored(settled.verdict, task, news)
        case Verdict.AGAIN:
            have_it_sent(task, queue)
            return Received(outcome="again", task=task, body={"received": True})
        case Verdict.ENDED:
            return Received(outcome="ended", task=task, body={"received": True})
        case _:
            return Received(outcome="not_terminal", task=task, body={"received": True})


def _store(task: Task, *, queue: Queue, store: Callable[[Task], Stored]) -> Received:
    """Now, or through the queue: the news is safe, so the answer is 2xx whatever happens to the bytes."""
    stored: Stored | None = None
    try:
        stored = store(task)
        fault = str(stored.fault) if stored.fault else None
    except (StorageUnavailable, TaskChanged) as error:
        fault = str(error)
    if fault is None and stored is not None:
        return Received(outcome="stored", task=stored.task, body={"received": True}, downloads=stored.downloads)
    _hand_over(task, queue)
    downloads = stored.downloads if stored else 0
    return Received(outcome="handed_over", task=task, body={"received": True}, downloads=downloads, fault=fault)


def _hand_over(task: Task, queue: Queue) -> None:
    try:
        queue.send(Job(do="store", task_id=task.id, attempt=task.attempt, lease=task.lease))
    except StorageUnavailable:
        # The lease runs out and the reconciler sends the job again.
        return
