"""`GET /v1/tasks/{id}`, `GET /v1/tasks` and the models: everything that only looks."""

from collections.abc import Callable, Mapping
from typing import Any

from local.simulator.access import account_of
from local.simulator.dialects import HIAPI, Dialect
from local.simulator.messages import Answer, Json, Refused, Request, json_answer, success
from local.simulator.misanswers import misanswer
from local.simulator.models import public_schema
from local.simulator.tasks import Task
from local.simulator.world import World

DEFAULT_SIZE, MAX_SIZE = 10, 100


Show = Callable[[World, Task], dict[str, Json]]
Wrap = Callable[[Json], Answer]


def show_task(world: World, request: Request, task_id: str) -> Answer:
    """The task's detail; 404 for an unknown task and for one of another account alike."""
    return look_at(world, request, task_id, show=World.shown, wrap=success, dialect=HIAPI)


def look_at(world: World, request: Request, task_id: str, *, show: Show, wrap: Wrap, dialect: Dialect) -> Answer:
    """A task's detail in any API: `show` gives the task object, `wrap` the envelope that it comes in."""
    account = account_of(world, request)
    with world.lock:
        task = world.tasks.get(task_id)
        if task is None or task.account != account or task.api != dialect.api:
            raise Refused(404, dialect.no_task, "task not found")
        task.counts["gets"] += 1
    fault = world.faults.claim("detail", task.subject)
    if fault is None:
        return wrap(show(world, task))
    with world.lock:
        task.faults.append(fault.kind.name)
    if fault.kind.name == "detail-slow":
        world.pause(fault.params["seconds"])
        return wrap(show(world, task))
    if fault.kind.name == "detail-unknown-status":
        return wrap(_unfinished(show(world, task), fault.params))
    return misanswer(fault, request, wrap(show(world, task)), dialect=dialect)


def _unfinished(shown: Mapping[str, Json], params: Mapping[str, Any]) -> dict[str, Json]:
    kept = {name: value for name, value in shown.items() if name not in ("output", "data", "error")}
    return kept | {"status": params["status"], "completed": 0}


def list_tasks(world: World, request: Request) -> Answer:
    """One page of the account's tasks, newest first; sizes out of range fall back to the default."""
    account = account_of(world, request)
    page = _number(request, "page", 1, lambda value: value >= 1)
    size = _number(request, "size", DEFAULT_SIZE, lambda value: 1 <= value <= MAX_SIZE)
    with world.lock:
        newest = [task for task in reversed(world.tasks.values()) if task.account == account and task.api == HIAPI.api]
        shown = [world.shown(task) for task in newest[(page - 1) * size : page * size]]
    return success({"page": page, "size": size, "total": len(newest), "tasks": shown})


def list_models(world: World, request: Request) -> Answer:
    """The models that the key may use."""
    account_of(world, request)
    row = {"category": "image", "output_type": "image", "supported_endpoint_types": ["task"]}
    return json_answer({"data": [{"id": name, **row} for name in world.models.ids()]})


def list_public_models(world: World, _request: Request) -> Answer:
    """The models as HiAPI's docs list them, without a key: `GET /docs/models.json`; what each takes is left to `show_model`."""
    rows = [{"id": name, "title": name, "category": "image", "capability": "", "input": []} for name in world.models.ids()]
    return json_answer({"models": rows})


def show_model(world: World, request: Request) -> Answer:
    """A model's whole input schema, without a key: `GET /api/models/content?name=…`."""
    name = request.query.get("name", "")
    try:
        offer = world.models.offer(name)
    except Refused as exc:
        raise Refused(404, "MODEL_NOT_FOUND", exc.message) from exc
    return json_answer({"data": {"name": offer.name, "input_schema": public_schema(offer)}})


def _number(request: Request, name: str, default: int, fits: Callable[[int], bool]) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and fits(int(text)) else default
