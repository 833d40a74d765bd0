"""A POST that asks for images in any API without idempotency keys: billed when it begins, and answered at once or at the end."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.simulator.access import account_of
from local.simulator.creating import arm_markers, latency_of, readable
from local.simulator.dialects import Dialect
from local.simulator.faults import Subject
from local.simulator.finishing import finish_task
from local.simulator.limits import require_room
from local.simulator.messages import Answer, Json, Refused, Request
from local.simulator.misanswers import misanswer
from local.simulator.models import Offer
from local.simulator.submissions import Submission, require_json
from local.simulator.tasks import NEVER, Task
from local.simulator.world import World

_STATUS_OF_FAILURE = {"prompt_rejected": 422, "content_policy_violation": 400, "model_unavailable": 503, "rate_limited": 429}
_PATIENCE_S = 0.2


@dataclass(frozen=True)
class Wanted:
    """What a request asks for; `inputs` decide the picture's size and format."""

    model: str
    prompt: str
    inputs: Mapping[str, Json]
    count: int = 1


@dataclass(frozen=True)
class Api:
    """An API that generates: how it words refusals and begins ids, what it reads, and what it answers in the end.

    `prompt_of` finds a prompt (for its markers) in anything, `read` raises `Refused`. `answer` is made of an accepted task, or,
    when the API is synchronous, of one that has ended well.
    """

    dialect: Dialect
    id_prefix: str
    prompt_of: Callable[[Json], str]
    read: Callable[[Json], Wanted]
    answer: Callable[[World, Task], Answer]
    synchronous: bool = True


def generate(world: World, request: Request, api: Api) -> Answer:
    """Accept or refuse; raises `BadKey` and `Refused`."""
    account = account_of(world, request)
    require_json(request)
    value = readable(request)
    model = str(value.get("model", "")) if isinstance(value, dict) else ""
    subject = Subject(scope=request.id, prompt=api.prompt_of(value), models=(model,), api=api.dialect.api)
    arm_markers(world, subject)
    made: list[Task] = []
    try:
        return _generate(world, request, api, subject, lambda: _accept(world, request, api, account, made))
    finally:
        # Nobody can come back for the markers of a request that made no task.
        if not made:
            world.faults.forget(subject.scope)


def _generate(world: World, request: Request, api: Api, subject: Subject, accept: Callable[[], Task]) -> Answer:
    arrival = world.faults.claim_all("arrival", subject)
    if "clock-jump" in arrival:
        world.agenda.jump(arrival["clock-jump"].params["seconds"])
    slow = arrival["create-slow"].params["seconds"] if "create-slow" in arrival else 0
    fault = world.faults.claim("create", subject)
    if fault is not None and not fault.params["accepted"]:
        world.pause(slow)
        return misanswer(fault, request, dialect=api.dialect)
    honest = _honest(world, api, accept())
    world.pause(slow)
    return misanswer(fault, request, honest, dialect=api.dialect) if fault else honest


def _accept(world: World, request: Request, api: Api, account: str, made: list[Task]) -> Task:
    wanted = api.read(request.json())
    require_room(world.running(), world.settings.concurrent_tasks)
    world.pay()
    offer = Offer(wanted.model, None, {})
    inputs = {**wanted.inputs, "prompt": wanted.prompt}
    task = Task(
        task_id=world.new_id(api.id_prefix),
        account=account,
        scope=request.id,
        submission=Submission(offer, None, inputs, None, "temp", request.body, wanted.count),
        idempotency_key=None,
        created=world.clock.wall(),
        began=world.now(),
        latency=0.0,
        api=api.dialect.api,
    )
    task.counts["posts"] = 1
    struck = world.faults.claim_all("generation", task.subject)
    task.faults.extend(struck)
    task.latency = latency_of(struck, world.settings.latency_s)
    with world.lock:
        world.tasks[task.task_id] = task
    made.append(task)
    world.ledger.count("accepted")
    world.ledger.count("billed")
    return task


def _honest(world: World, api: Api, task: Task) -> Answer:
    ended = threading.Event()

    def end() -> None:
        finish_task(world, task)
        ended.set()

    if task.latency != NEVER:
        world.agenda.at(task.began + task.latency, end)
    if not api.synchronous:
        return api.answer(world, task)
    while not ended.wait(_PATIENCE_S):
        if not world.remembers(task):
            return Answer(drop=True)
    return _failure(api, task) if task.error else api.answer(world, task)


def _failure(api: Api, task: Task) -> Answer:
    code = (task.error or {})["code"]
    said = None if code == "TASK_FAILED" else code
    return api.dialect.refused_answer(Refused(_STATUS_OF_FAILURE.get(code, 500), said, (task.error or {})["message"]))
