"""`POST /v1/tasks`: from a request to a billed task, or to whatever a fault makes of it."""

from dataclasses import dataclass, replace

from local.simulator.access import account_of
from local.simulator.delivering import deliver_first
from local.simulator.faults import BadFault, Fault, Subject
from local.simulator.finishing import finish_task
from local.simulator.limits import require_room
from local.simulator.messages import Answer, Json, Refused, Request, success
from local.simulator.misanswers import misanswer
from local.simulator.submissions import Submission, read_key, read_submission, require_json
from local.simulator.tasks import NEVER, Task
from local.simulator.world import World


def create_task(world: World, request: Request) -> Answer:
    """Accept, replay or refuse a create; raises `BadKey` and `Refused`."""
    account = account_of(world, request)
    require_json(request)
    key = read_key(request)
    value = readable(request)
    subject = _subject(value, scope=f"{account}:{key}" if key else request.id, key=key)
    arm_markers(world, subject)
    create = _Create(account, key, value, subject)
    try:
        return _create(world, request, create)
    finally:
        # Without a key nobody can come back for the markers of a request that made no task.
        if key is None and not create.made:
            world.faults.forget(subject.scope)


@dataclass
class _Create:
    """What is known of one create before it is judged, and whether it made a task."""

    account: str
    key: str | None
    value: Json
    subject: Subject
    made: bool = False


def _create(world: World, request: Request, create: _Create) -> Answer:
    arrival = world.faults.claim_all("arrival", create.subject)
    if "clock-jump" in arrival:
        world.agenda.jump(arrival["clock-jump"].params["seconds"])
    slow = arrival["create-slow"].params["seconds"] if "create-slow" in arrival else 0
    fault = world.faults.claim("create", create.subject)
    if fault is not None and not fault.params["accepted"]:
        world.pause(slow)
        return misanswer(fault, request)
    honest = _accept_once(world, request, create, slow)
    return misanswer(fault, request, honest) if fault else honest


def _accept_once(world: World, request: Request, create: _Create, slow: float) -> Answer:
    """The task's answer; the key stays busy until that is ready to be sent."""
    if create.key is None:
        task = _accept(world, request, create)
        world.pause(slow)
        return success({"taskId": task.task_id})
    replay = _replay(world, request, create)
    if replay is not None:
        world.pause(slow)
        return replay
    try:
        task = _accept(world, request, create)
    except Refused:
        world.keys.forget(create.account, create.key)
        raise
    world.pause(slow)
    answer = success({"taskId": task.task_id})
    world.keys.settle(create.account, create.key, answer.body, task.task_id)
    return answer


def _replay(world: World, request: Request, create: _Create) -> Answer | None:
    account, key = create.account, str(create.key)
    if world.keys.knows(account, key) and world.faults.claim("key", create.subject):
        world.keys.forget(account, key)
    entry = world.keys.reserve(account, key, request.body, world.now())
    if entry is None:
        return None
    world.ledger.count("replays", key=key)
    if task := world.tasks.get(entry.task_id):
        task.counts["posts"] += 1
    return replace(success(None), body=entry.answer or b"").with_headers(Idempotent_Replay="true")


def _accept(world: World, request: Request, create: _Create) -> Task:
    submission = read_submission(request.body, create.value, world.models)
    require_room(world.running(), world.settings.concurrent_tasks)
    world.pay()
    task = _new_task(world, create, submission)
    struck = world.faults.claim_all("generation", task.subject)
    task.faults.extend(struck)
    task.latency = latency_of(struck, world.settings.latency_s)
    with world.lock:
        world.tasks[task.task_id] = task
    create.made = True
    world.ledger.count("accepted", key=create.key)
    _begin(world, task, early="callback-early" in struck)
    return task


def _new_task(world: World, create: _Create, submission: Submission) -> Task:
    task = Task(
        task_id=world.new_task_id(),
        account=create.account,
        scope=create.subject.scope,
        submission=submission,
        idempotency_key=create.key,
        created=world.clock.wall(),
        began=world.now(),
        latency=0.0,
    )
    task.counts["posts"] = 1
    return task


def _begin(world: World, task: Task, *, early: bool) -> None:
    # Billed when it begins, not when it ends: HiAPI has no cancel, and started work is paid for.
    world.ledger.count("billed", key=task.idempotency_key)
    if early:
        finish_task(world, task)
        deliver_first(world, task)
    elif task.latency != NEVER:
        world.agenda.at(task.began + task.latency, lambda: _finish_and_tell(world, task))


def _finish_and_tell(world: World, task: Task) -> None:
    finish_task(world, task)
    world.spawn(lambda: deliver_first(world, task))


def latency_of(struck: dict[str, Fault], usual: float) -> float:
    """How long generating takes, in simulated seconds."""
    if "hang" in struck:
        return NEVER
    return float(struck["latency"].params["seconds"]) if "latency" in struck else usual


def readable(request: Request) -> Json:
    """The body as JSON (None when it is not); raises `Refused` when it is not even text."""
    try:
        request.body.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise Refused(400, "INVALID_REQUEST", "body: must be UTF-8") from exc
    return request.json()


def _subject(value: Json, *, scope: str, key: str | None) -> Subject:
    body = value if isinstance(value, dict) else {}
    inputs = body["input"] if isinstance(body.get("input"), dict) else {}
    callback = body["callback"] if isinstance(body.get("callback"), dict) else {}
    return Subject(
        scope=scope,
        prompt=str(inputs.get("prompt", "")),
        models=(str(body.get("model", "")),),
        idempotency_key=key or "",
        callback_url=str(callback.get("url", "")),
    )


def arm_markers(world: World, subject: Subject) -> None:
    """Arm what the prompt asks for; raises `Refused` when that cannot be understood."""
    try:
        world.faults.arm_markers(subject.prompt, subject.scope)
    except BadFault as exc:
        raise Refused(400, "INVALID_REQUEST", f"input.prompt: {exc}") from exc
