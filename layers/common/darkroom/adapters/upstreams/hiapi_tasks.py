"""HiAPI's task object, as its detail answer and its callbacks hold it, turned into news."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from darkroom.adapters.upstreams.complaints import MESSAGE_CAP, request_id
from darkroom.adapters.upstreams.images import Found, find_images
from darkroom.adapters.upstreams.reading import first_text, mapping, text
from darkroom.adapters.upstreams.refusals import RAW_CAP, is_policy
from darkroom.domain.news import News, Says
from darkroom.domain.redact import redact, redact_bytes
from darkroom.domain.task import TaskError

_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
ID_NAMES = ("taskId", "task_id")
"""Documented is the first; its blog shows others (and a bare `id`, which outside of a task may be anything's)."""

_WORD_CAP = 64

_SAYS: Mapping[str, Says] = {
    "queued": Says.QUEUED,
    "pending": Says.QUEUED,
    "handling": Says.GENERATING,
    "processing": Says.GENERATING,
    "running": Says.GENERATING,
    "archiving": Says.ARCHIVING,
    **dict.fromkeys(("success", "succeeded", "completed"), Says.SUCCEEDED),
    **dict.fromkeys(("fail", "failed", "timeout", "cancelled", "canceled"), Says.FAILED),
}
"""The five documented words (HiAPI docs, async-api) and those that its blog uses for them."""

_ENDS = (Says.SUCCEEDED, Says.FAILED)
_PASSING = frozenset({"task_timeout", "storage_unavailable", "model_unavailable"})
_SENTENCES: Mapping[str, str] = {
    "model_unavailable": "the model is not available at the upstream",
    "content_rejected": "the upstream refused the content",
    "generation_failed": "the upstream could not generate the image",
}


def task_in(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task object in `doc`: in the `data` of an envelope, or bare."""
    data = mapping(doc.get("data"))
    return data if "status" in data else doc


def task_id(task: Mapping[str, Any], *, names: Sequence[str] = (*ID_NAMES, "id")) -> str | None:
    """The task's id, opaque; None when there is none or it has no form that HiAPI could have given it."""
    found = next((task[name] for name in names if task.get(name) is not None), None)
    return found if isinstance(found, str) and _TASK_ID.fullmatch(found) else None


def is_terminal(news: News) -> bool:
    """Whether `news` tells the end of the generation."""
    return news.says in _ENDS


def read_news(doc: Mapping[str, Any], *, attempt: int, by: str, raw: bytes, headers: Mapping[str, str]) -> News | None:
    """The news in `doc`; None when it holds no task with a status. Unknown status words are kept and mean "ask again"."""
    task = task_in(doc)
    status = text(task.get("status"))
    if status is None:
        return None
    says = _SAYS.get(status.lower(), Says.WORKING)
    found = find_images(task) if says is Says.SUCCEEDED else Found()
    places = [mapping(task.get("error")), task, doc]
    asked_id = request_id(headers, places, _failure_message(task) or "")
    return News(
        says=says,
        attempt=attempt,
        by=by,
        # We ask about one task by its id: a bare `id` in the answer may be the request's, or a picture's.
        upstream_task_id=task_id(task, names=ID_NAMES) if by == "poll" else task_id(task),
        outputs=found.outputs,
        missing=found.missing,
        error=_error(task, status.lower(), asked_id) if says is Says.FAILED else None,
        word=redact(status, _WORD_CAP),
        request_id=asked_id,
        raw=redact_bytes(raw, RAW_CAP),
    )


def _error(task: Mapping[str, Any], status: str, asked_id: str | None) -> TaskError:
    """Why it failed. Nobody documents what a failed task costs, so `charged` stays unknown."""
    code = first_text(mapping(task.get("error")).get("code"), task.get("error_code")) or _code_of_status(status)
    word, message = (code or "").lower(), _failure_message(task) or ""
    ours = _our_code(word, message)
    return TaskError(
        code=ours,
        message=_SENTENCES[ours],
        retryable="later" if word in _PASSING else "manual",
        charged="unknown",
        upstream_code=redact(code, MESSAGE_CAP) if code else None,
        upstream_message=redact(message, MESSAGE_CAP) or None,
        upstream_request_id=asked_id,
    )


def _our_code(word: str, message: str) -> str:
    if word in ("model_unavailable", "model_not_found"):
        return "model_unavailable"
    return "content_rejected" if is_policy(word, message) else "generation_failed"


def _code_of_status(status: str) -> str | None:
    return "TASK_TIMEOUT" if status == "timeout" else None


def _failure_message(task: Mapping[str, Any]) -> str | None:
    error = task.get("error")
    return first_text(mapping(error).get("message"), error, task.get("error_message"), task.get("message"))
