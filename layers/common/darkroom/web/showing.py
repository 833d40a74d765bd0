"""Find a caller's own task, wait for its end where that is preferred, and answer with it."""

from collections.abc import Mapping
from typing import Any

from darkroom.domain.ids import is_task_id
from darkroom.domain.task import Status, Task
from darkroom.web.answers import PRIVATE, Answer, json_answer
from darkroom.web.call import Call
from darkroom.web.conditional import applied, etag, wait_seconds
from darkroom.web.problems import Problem
from darkroom.web.task_json import task_json
from darkroom.web.waiting import Waiting

WAITING = Waiting()

POLL_HINT_S = 3
"""How soon it makes sense to ask for an open task again."""

_WITH_EVIDENCE = frozenset({Status.FAILED, Status.EXPIRED})


def own_task(call: Call, task_id: str) -> Task:
    """The caller's task; raises Problem not_found for an unknown one and for another owner's alike."""
    call.facts["task_id"] = task_id if is_task_id(task_id) else None
    task = call.services.tasks.get(task_id) if is_task_id(task_id) else None
    if task is None or task.owner != call.caller.owner:
        raise Problem("not_found", "you have no such task")
    return task


def waited(call: Call, task: Task) -> tuple[Task, dict[str, str]]:
    """The task after the wait that the caller prefers, and the header that says so."""
    services = call.services
    wanted = wait_seconds(call.request.headers.get("prefer", ""), cap=services.settings.wait_cap_s)
    seconds = min(wanted or 0.0, call.until - services.clock())
    if wanted is None or seconds <= 0:
        return task, {}
    seen = WAITING.for_end(task, seconds=seconds, clock=services.clock, sleep=services.sleep, read=services.tasks.get)
    return (task, {}) if seen is None else (seen, {"Preference-Applied": applied(wanted)})


def task_content(call: Call, task: Task, *, evidence: bool) -> dict[str, Any]:
    """The task object. `evidence`: with the upstream's last body, where one was kept."""
    tasks = call.services.tasks
    kept = tasks.evidence(task.id) if evidence and task.status in _WITH_EVIDENCE else None
    return task_json(task, metadata=tasks.request_of(task).metadata, evidence=kept)


def task_answer(
    call: Call, task: Task, status: int, headers: Mapping[str, str] | None = None, *, evidence: bool = True
) -> Answer:
    """The task, with what a caller needs to ask for it again."""
    call.facts.update(task_id=task.id, phase=task.phase.value)
    again = {} if task.is_terminal else {"Retry-After": str(POLL_HINT_S)}
    content = task_content(call, task, evidence=evidence)
    return json_answer(status, content, {**PRIVATE, "ETag": etag(task.version), **again, **(headers or {})})
