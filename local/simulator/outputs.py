"""`GET /outputs/…`: the bytes of a picture, or what a fault makes of the download."""

from collections.abc import Callable, Mapping
from typing import Any

from local.simulator.faults import Fault
from local.simulator.messages import Answer, Refused, Request
from local.simulator.pictures import CONTENT_TYPES, padded_bytes, picture_bytes
from local.simulator.tasks import OUTPUT_LIFE_S, Output, Task
from local.simulator.world import World

Params = Mapping[str, Any]
PAGE = b"<!doctype html><title>Not a picture</title><p>This is a page, although a picture was asked for.</p>"


def serve_output(world: World, request: Request, task_id: str, fresh: str, index: str, extension: str) -> Answer:
    """The bytes behind one output URL; 404 for a path that no task ever showed, 403 once it has expired."""
    with world.lock:
        task, output = _find(world, task_id, fresh, index, extension)
    round_ = int(fresh or 1)
    # A redirect leads to the same path with this query: past the fault that redirected.
    fault = None if "direct" in request.query else _strike(world, task, round_)
    answer = _dead(world, task, round_) or _misserved(fault, output, request.path) or _picture(output)
    world.ledger.count("downloads", key=task.idempotency_key)
    record = {"status": answer.status, "bytes": len(answer.body), "round": round_}
    with world.lock:
        task.downloads.append(record | {"fault": fault.kind.name if fault else None})
    return answer


def _find(world: World, task_id: str, fresh: str, index: str, extension: str) -> tuple[Task, Output]:
    task = world.tasks.get(task_id)
    known = task is not None and task.is_final and int(fresh or 1) <= task.round
    if task is None or not known or not task.outputs or int(index) >= len(task.outputs):
        raise Refused(404, None, "no such object")
    output = task.outputs[int(index)]
    if output.spec.extension != extension:
        raise Refused(404, None, "no such object")
    return task, output


def _strike(world: World, task: Task, round_: int) -> Fault | None:
    fault = None if _dead(world, task, round_) else world.faults.claim("download", task.subject)
    if fault is None:
        return None
    with world.lock:
        task.faults.append(fault.kind.name)
        if fault.kind.name.startswith("download-expired"):
            task.dead_rounds[round_] = fault.params["status"]
            # From now on a look at the task shows a fresh URL.
            task.round = max(task.round, round_ + 1)
        if fault.kind.name == "download-expired-always":
            task.dead_always = fault.params["status"]
    return fault


def _dead(world: World, task: Task, round_: int) -> Answer | None:
    expired = 403 if world.now() - task.ended >= OUTPUT_LIFE_S else None
    status = task.dead_rounds.get(round_) or task.dead_always or expired
    return _plain(status, b"the link has expired") if status else None


def _picture(output: Output) -> Answer:
    spec = output.spec
    body = padded_bytes(spec, output.bytes) if output.bytes else picture_bytes(spec)
    return Answer(200, body, {"Content-Type": CONTENT_TYPES[spec.extension]})


def _misserved(fault: Fault | None, output: Output, path: str) -> Answer | None:
    wrong = WRONG.get(fault.kind.name) if fault else None
    return wrong(output, path, fault.params) if wrong and fault else None


def _slow(output: Output, _path: str, params: Params) -> Answer:
    right = _picture(output)
    return Answer(200, right.body, right.headers, bytes_per_second=params["bytes_per_second"])


def _broken(output: Output, _path: str, params: Params) -> Answer:
    right = _picture(output)
    return Answer(200, right.body, right.headers, cut_after=params["after"] or len(right.body) // 2)


def _chunked(output: Output, _path: str, _params: Params) -> Answer:
    right = _picture(output)
    return Answer(200, right.body, right.headers, chunked=True)


def _redirect(_output: Output, path: str, params: Params) -> Answer:
    return Answer(302, b"", {"Location": params["location"] or f"{path}?direct=1"})


def _page(_output: Output, _path: str, params: Params) -> Answer:
    return Answer(200, PAGE, {"Content-Type": params["content_type"]})


def _plain(status: int, text: bytes) -> Answer:
    return Answer(status, text, {"Content-Type": "text/plain"})


WRONG: Mapping[str, Callable[[Output, str, Params], Answer]] = {
    "download-404": lambda _output, _path, _params: _plain(404, b"not found"),
    "download-500": lambda _output, _path, _params: _plain(500, b"internal error"),
    "download-slow": _slow,
    "download-broken": _broken,
    "download-chunked": _chunked,
    "download-redirect": _redirect,
    "download-not-image": _page,
}
