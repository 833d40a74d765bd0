"""Remember the task first, then ask the upstream to do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from darkroom.domain import ids
from darkroom.domain.task import Phase, Request, Task, Timing
from darkroom.errors import KeyReused, StorageUnavailable, TaskExists
from darkroom.ports import Claims, Clock, Job, Queue, Randomness, Tasks, Upstream
from darkroom.usecases.submit_task import submit_task


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A validated request. `fingerprint` tells two bodies under one `idempotency_key` apart; `timeout_s` is in seconds.

    `wire_model` is what the upstream calls the model; "" where it is `model`.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The task as it is now; `replayed` when an earlier request with the same key had made it."""

    task: Task
    replayed: bool
    resend_not_replayed: bool = False


def create_task(
    order: Order,
    *,
    clock: Clock,
    fresh: Randomness,
    jitter: Callable[[], float],
    tasks: Tasks,
    claims: Claims,
    queue: Queue,
    upstream: Upstream,
    callback_url: Callable[[str, int], str | None],
    timing: Timing,
    submit_timeout_s: float,
) -> Created:
    """One task for one request, however often it is sent; raises KeyReused, StorageUnavailable.

    Whoever adds the state row submits; everybody else answers with what is there.
    """
    task_id, known = _named(order, clock=clock, fresh=fresh, tasks=tasks, claims=claims)
    if known is not None:
        return Created(task=known, replayed=True)
    task = _new(order, task_id, now=clock(), upstream=upstream, callback_url=callback_url(task_id, 1), timing=timing)
    try:
        tasks.add(task)
    except TaskExists:
        return Created(task=tasks.get(task_id) or task, replayed=True)
    if not upstream.promises.collapses_repeats:
        _enqueue(task, queue)
        return Created(task=task, replayed=False)
    sent = submit_task(
        task,
        maybe_sent=False,
        clock=clock,
        jitter=jitter,
        tasks=tasks,
        upstream=upstream,
        timing=timing,
        timeout_s=submit_timeout_s,
    )
    return Created(task=sent.task, replayed=False)


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


def _new(order: Order, task_id: str, *, now: float, upstream: Upstream, callback_url: str | None, timing: Timing) -> Task:
    body = upstream.freeze(model=order.wire_model or order.model, route=order.route, input=order.input, callback_url=callback_url)
    inline = upstream.promises.collapses_repeats
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
        phase=Phase.SUBMITTING if inline else Phase.ACCEPTED,
        first_sent_at=now if inline else None,
        next_check_at=now + timing.first_check_s,
        callback_expected=callback_url is not None,
        request=Request(input=order.input, body=body, metadata=order.metadata),
    )


def _enqueue(task: Task, queue: Queue) -> None:
    try:
        queue.send(Job(do="submit", task_id=task.id, attempt=task.attempt))
    except StorageUnavailable:
        # The row is safe and has a time at which the reconciler sends the job again.
        return
