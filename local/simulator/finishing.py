"""The end of a task: fail or success, with the outputs that faults leave of it."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from local.simulator.faults import Fault
from local.simulator.pictures import FORMATS, picture_bytes
from local.simulator.references import Unreachable, fetched, references_in
from local.simulator.tasks import Output, Task
from local.simulator.world import World

Outputs = list[Output]
Params = Mapping[str, Any]


def finish_task(world: World, task: Task) -> None:
    """End the task now, once."""
    missing = _fetch_references(world, task)
    outcome = world.faults.claim_all("outcome", task.subject)
    shape = {} if outcome else world.faults.claim_all("output", task.subject)
    with world.lock:
        task.faults.extend([*outcome, *shape])
        if missing:
            task.error = {"code": "TASK_FAILED", "message": missing}
        elif outcome:
            _fail(world, task, next(iter(outcome.values())))
        else:
            _succeed(task, shape)
        task.completed = world.clock.wall()
        task.ended = world.now()


def _fetch_references(world: World, task: Task) -> str:
    """Fetch what the request refers to; what is missing, in words."""
    for number, address in enumerate(references_in(task.submission.body), start=1):
        try:
            task.references.append(fetched(address, world.http))
        except Unreachable as exc:
            return f"reference image {number} could not be fetched: {exc}"
    return ""


def _fail(world: World, task: Task, fault: Fault) -> None:
    code, message = fault.params.get("code", "TASK_FAILED"), fault.params.get("message", "task failed")
    task.error = {"code": code, "message": message}
    if not fault.params["billed"]:
        task.billed = 0
        world.ledger.count("billed", key=task.idempotency_key, by=-1)


def _succeed(task: Task, shape: dict[str, Fault]) -> None:
    several = shape["output-several"].params["n"] if "output-several" in shape else task.submission.count
    task.outputs = [Output(task.picture(index)) for index in range(several)]
    if "output-expiry" in shape:
        task.expiry_form = shape["output-expiry"].params["form"]
    for name, fault in shape.items():
        if name in SHAPES:
            task.outputs = SHAPES[name](task.outputs, fault.params)
    if "output-missing" in shape:
        task.outputs = None


def _empty(_outputs: Outputs, _params: Params) -> Outputs:
    return []


def _other_type(outputs: Outputs, params: Params) -> Outputs:
    return [replace(output, type=params["type"]) for output in outputs]


def _extra(outputs: Outputs, params: Params) -> Outputs:
    return [*_other_type(outputs[:1], params), *outputs]


def _format(outputs: Outputs, params: Params) -> Outputs:
    extension = FORMATS[params["format"]]
    return [replace(output, spec=replace(output.spec, extension=extension)) for output in outputs]


def _padded(outputs: Outputs, params: Params) -> Outputs:
    return [replace(output, bytes=params["bytes"]) for output in outputs]


def _url(outputs: Outputs, params: Params) -> Outputs:
    return [replace(output, url=params["url"]) for output in outputs]


def _data_uri(outputs: Outputs, _params: Params) -> Outputs:
    return [replace(output, url=_inline(output)) for output in outputs]


def _inline(output: Output) -> str:
    # Small, because it travels inside the callback.
    spec = replace(output.spec, width=96, height=96)
    return f"data:{spec.content_type};base64,{base64.b64encode(picture_bytes(spec)).decode()}"


SHAPES: Mapping[str, Callable[[Outputs, Params], Outputs]] = {
    "output-empty": _empty,
    "output-other-type": _other_type,
    "output-extra": _extra,
    "output-format": _format,
    "output-padded": _padded,
    "output-oversized": _padded,
    "output-url": _url,
    "output-data-uri": _data_uri,
}
