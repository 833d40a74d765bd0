"""POST /v1/tasks and POST /v1/tasks/{id}/retry: validation first, then exactly one task for one request."""

from collections.abc import Mapping
from typing import Any

from darkroom.catalogue.choosing import Choice, NotOffered, choose_again, choose_model, choose_preset
from darkroom.catalogue.offers import Catalogue
from darkroom.domain.callback_token import sign
from darkroom.domain.task import Request as Asked
from darkroom.domain.task import Status, Task
from darkroom.observe import count
from darkroom.usecases.create_task import Created, Order, create_task
from darkroom.web.answers import Answer
from darkroom.web.bodies import expect_no_body, read_object
from darkroom.web.call import Call
from darkroom.web.idempotency import fingerprint, idempotency_key
from darkroom.web.origin import callback_origin
from darkroom.web.problems import InputFault, Problem
from darkroom.web.requests import TaskRequest, read_body
from darkroom.web.showing import own_task, task_answer, waited

SUBMIT_TIMEOUT_S = 8.0

_ACCOUNT_TROUBLE = frozenset({"upstream_auth", "upstream_quota"})


def create(call: Call) -> Answer:
    """One task for the body that was sent."""
    key = idempotency_key(call.request.headers)
    content = read_object(call.request)
    try:
        wanted, choice = _understand(content, call.services.catalogue)
    except Problem:
        if (known := _accepted_before(call, key, fingerprint("create", content))) is not None:
            return _answer(call, known)
        raise
    order = Order(
        owner=call.caller.owner,
        model=choice.model.id,
        route=choice.route.wire_route,
        preset=choice.preset.id if choice.preset else None,
        input=choice.complete(wanted.input),
        timeout_s=wanted.timeout_s or call.services.settings.task_timeout_s,
        user=wanted.user,
        metadata=wanted.metadata or {},
        idempotency_key=key,
        fingerprint=fingerprint("create", content),
    )
    return _place(call, order, choice)


def retry(call: Call, task_id: str) -> Answer:
    """A new task for the request of one that has ended."""
    key = idempotency_key(call.request.headers)
    expect_no_body(call.request)
    original = own_task(call, task_id)
    if not original.is_terminal:
        raise Problem("not_terminal", f"the task is still {original.status.value}; it can be run again once it has ended")
    asked = call.services.tasks.request_of(original)
    choice = _still_offered(original, asked, call.services.catalogue)
    count("UserReruns")
    return _place(call, _rerun(original, asked, key), choice)


def _rerun(original: Task, asked: Asked, key: str | None) -> Order:
    return Order(
        owner=original.owner,
        model=original.model,
        route=original.route,
        preset=original.preset,
        input=asked.input,
        timeout_s=original.timeout_s,
        user=original.user,
        metadata=asked.metadata,
        idempotency_key=key,
        fingerprint=fingerprint("retry", {"task": original.id}),
        retry_of=original.id,
    )


def _understand(content: Mapping[str, Any], catalogue: Catalogue) -> tuple[TaskRequest, Choice]:
    """The request and what it chooses; raises Problem invalid_request with every fault."""
    wanted, faults = read_body(TaskRequest, content)
    choice, more = _chosen(content, catalogue)
    given = content.get("input")
    if choice is not None and isinstance(given, dict):
        more += [InputFault("pointer", fault.pointer, fault.detail) for fault in choice.faults(given)]
    if faults or more or wanted is None or choice is None:
        raise Problem("invalid_request", "the request cannot be used; nothing was stored or sent", faults=[*faults, *more])
    return wanted, choice


def _chosen(content: Mapping[str, Any], catalogue: Catalogue) -> tuple[Choice | None, list[InputFault]]:
    preset, model, route = content.get("preset"), content.get("model"), content.get("route")
    if preset is not None and model is not None:
        return None, [InputFault("pointer", "/model", "give either preset or model, not both")]
    if preset is None and model is None:
        return None, [InputFault("pointer", "", "give a preset or a model")]
    if preset is not None and route is not None:
        return None, [InputFault("pointer", "/route", "a route belongs to a model; a preset has its own")]
    try:
        if isinstance(preset, str):
            return choose_preset(catalogue, preset), []
        if isinstance(model, str) and isinstance(route, str | None):
            return choose_model(catalogue, model, route), []
    except NotOffered as error:
        return None, [InputFault("pointer", error.fault.pointer, error.fault.detail)]
    # Of another type than text, which the fields' own check says.
    return None, []


def _still_offered(original: Task, asked: Asked, catalogue: Catalogue) -> Choice:
    try:
        choice = choose_again(catalogue, original.model, original.route)
        faults = choice.faults(asked.input)
    except NotOffered as error:
        faults = [error.fault]
    if faults:
        detail = "the model has changed since; create a new task"
        raise Problem("invalid_request", detail, faults=[InputFault("pointer", one.pointer, one.detail) for one in faults])
    return choice


def _accepted_before(call: Call, key: str | None, mark: str) -> Created | None:
    """The task of a request that was accepted once, though today's catalogue would refuse it: a repeat is a repeat."""
    claim = call.services.claims.known(call.caller.owner, key, now=call.services.clock()) if key else None
    task = call.services.tasks.get(claim.task_id) if claim and claim.fingerprint == mark else None
    return Created(task=task, replayed=True) if task else None


def _place(call: Call, order: Order, choice: Choice) -> Answer:
    services = call.services
    created = create_task(
        order,
        clock=services.clock,
        fresh=services.fresh,
        jitter=services.jitter,
        tasks=services.tasks,
        claims=services.claims,
        queue=services.queue,
        upstream=services.upstream(choice.model.upstream),
        callback_url=lambda task_id, attempt: _callback_url(call, choice.model.upstream, task_id, attempt),
        timing=services.settings.timing,
        submit_timeout_s=SUBMIT_TIMEOUT_S,
    )
    return _answer(call, created)


def _answer(call: Call, created: Created) -> Answer:
    _count(created)
    task, preference = waited(call, created.task)
    replayed = {"Idempotent-Replayed": "true"} if created.replayed else {}
    seen_to_end = bool(preference) and task.is_terminal
    headers = {"Location": f"/v1/tasks/{task.id}", **replayed, **preference}
    return task_answer(call, task, 200 if created.replayed or seen_to_end else 202, headers)


def _callback_url(call: Call, upstream: str, task_id: str, attempt: int) -> str | None:
    services = call.services
    origin = callback_origin(services.settings.public_url, call.request.domain)
    if origin is None or not services.upstream(upstream).promises.calls_back:
        return None
    token = sign(services.signing_keys()[0], upstream=upstream, task_id=task_id, attempt=attempt)
    return f"{origin}/v1/callbacks/{upstream}/{task_id}/{token}"


def _count(created: Created) -> None:
    if created.replayed:
        count("TasksReplayed")
        return
    count("TasksCreated")
    error = created.task.error
    if created.task.status is Status.FAILED and error is not None:
        count("TasksFailed")
        count("UpstreamRefusedUs", error.code in _ACCOUNT_TROUBLE)
