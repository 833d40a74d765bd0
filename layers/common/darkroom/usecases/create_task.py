"""Remember the task first, then ask the upstream to do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from darkroom.domain import ids
from darkroom.domain.admission import Parked, Slot
from darkroom.domain.attempts import Alternative
from darkroom.domain.task import Phase, Request, Task, Timing
from darkroom.errors import KeyReused, StorageUnavailable, TaskExists
from darkroom.ports import CallbackUrl, Claims, Clock, Prepare, Randomness, Tasks, Upstream
from darkroom.usecases.account import Admission, send_when
from darkroom.usecases.admit_task import hand_on, join_queue, take_slot, uses_slot
from darkroom.usecases.begin_attempt import have_it_sent
from darkroom.usecases.park_task import ask_again_at, park_task
from darkroom.usecases.submit_task import submit_task


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A validated request. `fingerprint` tells two bodies under one `idempotency_key` apart; `timeout_s` is in seconds.

    `wire_model` is what the upstream calls the model; "" where it is `model`. `alternatives` may serve it instead.
    """

    owner: str
    model: str
    input: Mapping[str, Any] = field(repr=False)
    timeout_s: int
    wire_model: str = ""
    route: str | None = None
    preset: str | None = None
    user: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(repr=False)
    idempotency_key: str | None = None
    fingerprint: str = ""
    retry_of: str | None = None
    alternatives: tuple[Alternative, ...] = field(default=(), repr=False)
    max_auto_retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The task as it is now; `replayed` when an earlier request with the same key had made it.

    `again`: its first attempt is over already, and the task goes on with another one. `refused`: why the upstream said no.
    `unforeseen`: an error that no code expected; whether the upstream has the task is then unknown.
    """

    task: Task
    replayed: bool
    again: bool = False
    refused: str | None = None
    unforeseen: Exception | None = None


def create_task(
    order: Order,
    *,
    clock: Clock,
    fresh: Randomness,
    jitter: Callable[[], float],
    tasks: Tasks,
    claims: Claims,
    upstream: Upstream,
    prepare: Prepare,
    admission: Admission,
    origin: str | None,
    callback_url: CallbackUrl,
    timing: Timing,
    submit_timeout_s: float,
) -> Created:
    """One task for one request, however often it is sent; raises KeyReused, StorageUnavailable.

    Whoever adds the state row submits; everybody else answers with what is there. Without a slot at the upstream the task waits.
    `origin` is where upstreams reach this deployment, None where they cannot.
    """
    task_id, known = _named(order, clock=clock, fresh=fresh, tasks=tasks, claims=claims)
    if known is not None:
        return Created(task=known, replayed=True)
    new = _new(order, task_id, upstream=upstream, origin=origin, callback_url=callback_url)
    slot = take_slot(new, admission=admission)
    look_at = ask_again_at(slot, admission) if isinstance(slot, Parked) else clock() + timing.waiting_check_s
    task = _born(new, slot, now=clock(), look_at=look_at, inline=upstream.promises.submits_inline, timing=timing)
    try:
        tasks.add(task)
    except TaskExists:
        return Created(task=_added_by_another(task, tasks, admission), replayed=True)
    if isinstance(slot, Parked):
        return _parked(task, slot, order, admission, tasks)
    if slot is None:
        join_queue(task, admission=admission)
        return Created(task=task, replayed=False)
    if task.phase is not Phase.SUBMITTING:
        # The row is safe: where the message is lost, the tending sends it again.
        send_when(task.id, task.attempt, slot.at, admission=admission)
        return Created(task=task, replayed=False)
    try:
        request = prepare(task, task.request or tasks.request_of(task))
    except StorageUnavailable:
        # The row is safe and says "submitting": the reconciler sends it.
        return Created(task=task, replayed=False)
    sent = submit_task(
        task,
        maybe_sent=False,
        clock=clock,
        jitter=jitter,
        tasks=tasks,
        upstream=upstream,
        admission=admission,
        timing=timing,
        timeout_s=submit_timeout_s,
        request=request,
    )
    if sent.sends_on:
        have_it_sent(sent.task, admission.queue)
    return Created(task=sent.task, replayed=False, again=sent.again, refused=sent.refused, unforeseen=sent.unforeseen)


def _named(order: Order, *, clock: Clock, fresh: Randomness, tasks: Tasks, claims: Claims) -> tuple[str, Task | None]:
    """The id this request's task has or will have, and the task where it is there already."""
    now = clock()
    task_id = ids.task_id(now, fresh(10))
    if order.idempotency_key is None:
        return task_id, None
    claim = claims.claim(order.owner, order.idempotency_key, fingerprint=order.fingerprint, task_id=task_id, now=now)
    if claim.fingerprint != order.fingerprint:
        raise KeyReused(f"this Idempotency-Key was used for another request (task {claim.task_id})")
    # A claim without its task: the first request died in between, and this repeat finishes its work.
    return claim.task_id, None if claim.fresh else tasks.get(claim.task_id)


def _new(order: Order, task_id: str, *, upstream: Upstream, origin: str | None, callback_url: CallbackUrl) -> Task:
    url = None
    if origin is not None and upstream.promises.calls_back:
        url = callback_url(origin, upstream=upstream.name, task_id=task_id, attempt=1)
    body = upstream.freeze(model=order.wire_model or order.model, route=order.route, input=order.input, callback_url=url)
    return Task(
        id=task_id,
        owner=order.owner,
        upstream=upstream.name,
        model=order.model,
        route=order.route,
        preset=order.preset,
        user=order.user,
        retry_of=order.retry_of,
        timeout_s=order.timeout_s,
        created_at=ids.created_at(task_id),
        phase=Phase.ACCEPTED,
        next_check_at=None,
        max_auto_retries=order.max_auto_retries,
        callback_expected=url is not None,
        request=Request(
            input=order.input,
            body=body,
            metadata=order.metadata,
            wire_model=order.wire_model if order.wire_model != order.model else "",
            alternatives=order.alternatives,
            origin=origin,
        ),
    )


def _born(task: Task, slot: Slot | Parked | None, *, now: float, look_at: float, inline: bool, timing: Timing) -> Task:
    """The task as it is added: about to be sent from here (`inline`) or by the worker, or waiting and looked at then."""
    if not isinstance(slot, Slot):
        return replace(task, phase=Phase.WAITING, next_check_at=look_at)
    if slot.at > now:
        return replace(task, phase=Phase.WAITING, next_check_at=slot.at + timing.first_check_s)
    born = replace(task, next_check_at=now + timing.first_check_s)
    return replace(born, phase=Phase.SUBMITTING, first_sent_at=now) if inline else born


def _parked(task: Task, parked: Parked, order: Order, admission: Admission, tasks: Tasks) -> Created:
    """The row says already when it asks again; where another model may serve, that one is asked."""
    if not order.alternatives:
        return Created(task=task, replayed=False)
    try:
        after = park_task(task, parked, admission=admission, tasks=tasks)
    except StorageUnavailable:
        return Created(task=task, replayed=False)
    return Created(task=after, replayed=False, again=after.attempt != task.attempt)


def _added_by_another(task: Task, tasks: Tasks, admission: Admission) -> Task:
    current = tasks.get(task.id)
    if current is not None and not uses_slot(current):
        # It has ended already, and has given back its slot before we took it again.
        hand_on(current, admission=admission)
    return current or task
