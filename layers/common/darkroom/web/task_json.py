"""A task and its images as callers see them."""

from collections.abc import Mapping
from typing import Any

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
        "cancel_requested": task.cancel_requested,
        "retry_of": task.retry_of,
        "settled_by": task.news_by,
        "images": [image_json(task, image) for image in task.images],
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


def _error(task: Task, error: TaskError, evidence: Evidence | None) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "charged": error.charged,
        "upstream": _upstream(task, error, evidence),
    }


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
