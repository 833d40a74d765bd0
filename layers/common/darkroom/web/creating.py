"""POST /v1/tasks and POST /v1/tasks/{id}/retry: validation first, then exactly one task for one request."""

from collections.abc import Mapping, Sequence
from typing import Any

from darkroom.catalogue.choosing import Choice, NotOffered, Understood, choose_again, choose_model, choose_preset
from darkroom.catalogue.faults import Fault
from darkroom.domain.attempts import Alternative, Way
from darkroom.domain.task import Request as Asked
from darkroom.domain.task import Status, Task
from darkroom.observe import count, tell_next_attempt, tell_unforeseen
from darkroom.ports import ApiKey
from darkroom.usecases.create_task import Created, Order, create_task
from darkroom.web.answers import Answer
from darkroom.web.bodies import expect_no_body, read_object
from darkroom.web.call import Call
from darkroom.web.catalogue import catalogue_now
from darkroom.web.idempotency import fingerprint, idempotency_key
from darkroom.web.origin import callback_origin
from darkroom.web.problems import InputFault, Problem
from darkroom.web.requests import TaskRequest, read_body
from darkroom.web.showing import own_task, task_answer, waited
from darkroom.web.uploads import upload_faults

SUBMIT_TIMEOUT_S = 8.0

_ACCOUNT_TROUBLE = frozenset({"upstream_auth", "upstream_quota"})


def create(call: Call) -> Answer:
    """One task for the body that was sent."""
    key = idempotency_key(call.request.headers)
    content = read_object(call.request)
    _permit(call.caller, content.get("preset"), content.get("model"))
    try:
        wanted, understood = _understand(content, call)
    except Problem as problem:
        refused = problem.code == "invalid_request"
        if refused and (known := _accepted_before(call, key, fingerprint("create", content))) is not None:
            return _answer(call, known)
        raise
    choice = understood.choice
    preset = choice.preset
    order = Order(
        owner=call.caller.owner,
        model=choice.model.id,
        wire_model=choice.route.wire_model,
        route=choice.route.wire_route,
        preset=preset.id if preset else None,
        input=understood.input,
        timeout_s=wanted.timeout_s or (preset.timeout_s if preset else None) or call.services.settings.task_timeout_s,
        user=wanted.user,
        metadata=wanted.metadata or {},
        idempotency_key=key,
        fingerprint=fingerprint("create", content),
        alternatives=_alternatives(choice, content["input"], call),
        max_auto_retries=call.services.settings.max_auto_retries if wanted.max_auto_retries is None else wanted.max_auto_retries,
    )
    return _place(call, order, choice)


def retry(call: Call, task_id: str) -> Answer:
    """A new task for the request of one that has ended."""
    key = idempotency_key(call.request.headers)
    expect_no_body(call.request)
    original = own_task(call, task_id)
    if not original.is_terminal:
        raise Problem("not_terminal", f"the task is still {original.status.value}; it can be run again once it has ended")
    if not call.caller.may_use(original.preset):
        raise _not_permitted(call.caller)
    asked = call.services.tasks.request_of(original)
    choice = _still_offered(original, asked, call)
    return _place(call, _rerun(original, asked, choice, key, call), choice)


def _rerun(original: Task, asked: Asked, choice: Choice, key: str | None, call: Call) -> Order:
    return Order(
        owner=original.owner,
        model=choice.model.id,
        wire_model=choice.route.wire_model,
        route=choice.route.wire_route,
        preset=original.preset,
        input=asked.input,
        timeout_s=original.timeout_s,
        user=original.user,
        metadata=asked.metadata,
        idempotency_key=key,
        fingerprint=fingerprint("retry", {"task": original.id}),
        retry_of=original.id,
        alternatives=tuple(one for one in asked.alternatives if _is_offered(one, call)),
        max_auto_retries=original.max_auto_retries,
    )


def _alternatives(choice: Choice, given: Mapping[str, Any], call: Call) -> tuple[Alternative, ...]:
    """The preset's further models that can serve `given`, as the task remembers them."""
    fallbacks = choice.fallbacks(given, offered=call.services.offers)
    return tuple(
        Alternative(
            upstream=one.choice.route.upstream,
            model=one.choice.model.id,
            route=one.choice.route.wire_route,
            wire_model=one.choice.route.wire_model,
            input=one.input,
        )
        for one in fallbacks
        if not upload_faults(call, one)
    )


def _permit(caller: ApiKey, preset: object, model: object) -> None:
    """A key that is limited to presets asks for one of them; raises Problem scope_missing. What is no text is refused later."""
    if caller.presets is None or (preset is None and model is None):
        return
    names = {name.partition("@")[0] for name in caller.presets}
    if model is not None or (isinstance(preset, str) and preset.partition("@")[0] not in names):
        raise _not_permitted(caller)


def _not_permitted(caller: ApiKey) -> Problem:
    allowed = ", ".join(sorted(caller.presets or ()))
    challenge = 'Bearer realm="darkroom", error="insufficient_scope"'
    return Problem("scope_missing", f"this key may ask for the presets {allowed} only", headers={"WWW-Authenticate": challenge})


def _understand(content: Mapping[str, Any], call: Call) -> tuple[TaskRequest, Understood]:
    """The request and what it chooses; raises Problem: invalid_request with every fault, or scope_missing."""
    wanted, faults = read_body(TaskRequest, content)
    choice, more = _chosen(content, call)
    given = content.get("input")
    understood = choice.understand(given) if choice is not None and isinstance(given, dict) else None
    if understood is not None:
        more += upload_faults(call, understood)
        more += [InputFault("pointer", fault.pointer, fault.detail) for fault in understood.faults]
    if faults or more or wanted is None or understood is None:
        raise Problem("invalid_request", "the request cannot be used; nothing was stored or sent", faults=[*faults, *more])
    return wanted, understood


def _chosen(content: Mapping[str, Any], call: Call) -> tuple[Choice | None, list[InputFault]]:
    preset, model, route = content.get("preset"), content.get("model"), content.get("route")
    if preset is not None and model is not None:
        return None, [InputFault("pointer", "/model", "give either preset or model, not both")]
    if preset is None and model is None:
        return None, [InputFault("pointer", "", "give a preset or a model")]
    if preset is not None and route is not None:
        return None, [InputFault("pointer", "/route", "a route belongs to a model; a preset has its own")]
    try:
        if isinstance(preset, str):
            return _of_preset(preset, call), []
        if isinstance(model, str) and isinstance(route, str | None):
            return choose_model(catalogue_now(call.services), model, route, offered=call.services.offers), []
    except NotOffered as error:
        return None, [InputFault("pointer", error.fault.pointer, error.fault.detail)]
    # Of another type than text, which the fields' own check says.
    return None, []


def _of_preset(name: str, call: Call) -> Choice:
    choice = choose_preset(catalogue_now(call.services), name, offered=call.services.offers)
    if choice.preset is not None and not call.caller.may_use(choice.preset.id):
        raise _not_permitted(call.caller)
    return choice


def _still_offered(original: Task, asked: Asked, call: Call) -> Choice:
    understood, faults = _offered_now(original.asked_way, asked.input, call)
    if understood is None or faults:
        detail = "the model has changed since; create a new task"
        raise Problem("invalid_request", detail, faults=[InputFault("pointer", one.pointer, one.detail) for one in faults])
    if gone := upload_faults(call, understood):
        raise Problem("invalid_request", "its reference images cannot be used any more; create a new task", faults=gone)
    return understood.choice


def _is_offered(alternative: Alternative, call: Call) -> bool:
    way = (alternative.upstream, alternative.model, alternative.route)
    return not _offered_now(way, alternative.input, call)[1]


def _offered_now(way: Way, given: Mapping[str, Any], call: Call) -> tuple[Understood | None, Sequence[Fault]]:
    """What an earlier task was made with, and what is wrong with that today."""
    upstream, model, route = way
    try:
        choice = choose_again(catalogue_now(call.services), model, route, upstream, offered=call.services.offers)
    except NotOffered as error:
        return None, (error.fault,)
    understood = choice.understand(given)
    return understood, understood.faults


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
        upstream=services.upstream(choice.route.upstream),
        prepare=services.prepare,
        admission=services.admission,
        origin=callback_origin(services.settings.public_url, call.request.domain),
        callback_url=services.callback_url,
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
    # A task that its own order has ended was refused: the error says all that is known.
    evidence = created.replayed or task is not created.task
    return task_answer(call, task, 200 if created.replayed or seen_to_end else 202, headers, evidence=evidence)


def _count(created: Created) -> None:
    if created.replayed:
        count("TasksReplayed")
        return
    count("TasksCreated")
    count("UserReruns", created.task.retry_of is not None)
    if created.again:
        tell_next_attempt(created.task)
    if created.unforeseen is not None:
        tell_unforeseen(created.unforeseen, during="create", task_id=created.task.id)
    count("UpstreamRefusedUs", created.refused in _ACCOUNT_TROUBLE)
    count("TasksFailed", created.task.status is Status.FAILED)
