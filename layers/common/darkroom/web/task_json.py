"""A task and its images as callers see them."""

from collections.abc import Iterator, Mapping
from typing import Any

from darkroom.domain.attempts import Begun, Way, begun_after
from darkroom.domain.ids import image_id
from darkroom.domain.task import Image, Phase, Task, TaskError
from darkroom.ports import Evidence
from darkroom.web.answers import rfc3339


def task_json(task: Task, *, metadata: Mapping[str, str], evidence: Evidence | None = None) -> dict[str, Any]:
    """The task object; `evidence` is the upstream's last body, where one is shown."""
    return {
        "object": "task",
        "id": task.id,
        "status": task.status.value,
        "phase": task.phase.value,
        "version": task.version,
        "kind": "user_rerun" if task.retry_of else "first",
        "preset": task.preset,
        "upstream": task.upstream,
        "model": task.model,
        "route": task.route,
        "upstream_task_id": task.upstream_task_id,
        "user": task.user,
        "metadata": dict(metadata),
        "attempt": task.attempt,
        "attempts": [*_earlier(task), _present(task)],
        "max_auto_retries": task.max_auto_retries,
        "cancel_requested": task.cancel_requested,
        "retry_of": task.retry_of,
        "settled_by": task.news_by,
        "images": [image_json(task, image) for image in task.images],
        "outputs_missing": list(task.missing),
        "error": _error(task, task.error, evidence) if task.error else None,
        "timeout_s": task.timeout_s,
        "created_at": rfc3339(task.created_at),
        "submitted_at": rfc3339(task.submitted_at),
        "terminal_at": rfc3339(task.terminal_at),
        "deadline_at": rfc3339(task.deadline_at),
        "links": _links(task),
    }


def image_json(task: Task, image: Image) -> dict[str, Any]:
    """One stored picture's facts; `url` redirects to its bytes."""
    its_id = image_id(task.id, image.attempt, image.index)
    return {
        "object": "image",
        "id": its_id,
        "task": task.id,
        "index": image.index,
        "url": f"/v1/images/{its_id}",
        "content_type": image.content_type,
        "bytes": image.size,
        "width": image.width,
        "height": image.height,
        "sha256": image.sha256,
        "late": image.late,
        "created_at": rfc3339(image.created_at),
    }


def _earlier(task: Task) -> Iterator[dict[str, Any]]:
    """The attempts that were followed by another one: that happens only where nothing seemed to be charged."""
    before = None
    for number, one in enumerate(task.earlier, start=1):
        begun = begun_after(before, one.way)
        yield _attempt(number, begun, one.way, (one.sent_at, one.ended_at), outcome=one.code, charged="yes" if one.paid else "no")
        before = one


def _present(task: Task) -> dict[str, Any]:
    outcome, charged = ("succeeded", "yes") if task.phase is Phase.SUCCEEDED else (None, None)
    if task.error is not None:
        outcome, charged = task.error.code, _charged(task, task.error)
    times = (task.first_sent_at, task.terminal_at)
    return _attempt(task.attempt, task.begun, task.way, times, outcome=outcome, charged=charged)


def _attempt(
    number: int,
    begun: Begun,
    way: Way,
    times: tuple[float | None, float | None],
    *,
    outcome: str | None,
    charged: str | None,
) -> dict[str, Any]:
    upstream, model, route = way
    sent_at, ended_at = map(rfc3339, times)
    return {
        "attempt": number,
        "kind": begun.value,
        "upstream": upstream,
        "model": model,
        "route": route,
        "sent_at": sent_at,
        "ended_at": ended_at,
        "outcome": outcome,
        "charged": charged,
    }


def _error(task: Task, error: TaskError, evidence: Evidence | None) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "charged": _charged(task, error),
        "upstream": _upstream(task, error, evidence),
    }


def _charged(task: Task, error: TaskError) -> str:
    """A picture that came late was paid for, whatever was thought when its task expired."""
    return "yes" if task.images else error.charged


def _upstream(task: Task, error: TaskError, evidence: Evidence | None) -> dict[str, Any] | None:
    """What a support ticket needs; None when the upstream has said nothing."""
    request_id = error.upstream_request_id or (evidence.request_id if evidence else None) or task.upstream_request_id
    told = {
        "code": error.upstream_code,
        "message": error.upstream_message,
        "request_id": request_id,
        "last_body": evidence.body if evidence else None,
    }
    return told if any(value is not None for value in told.values()) else None


def _links(task: Task) -> dict[str, str]:
    me = f"/v1/tasks/{task.id}"
    if task.is_terminal:
        return {"self": me, "retry": f"{me}/retry"}
    return {"self": me} if task.phase is Phase.STORING else {"self": me, "cancel": f"{me}/cancel"}
