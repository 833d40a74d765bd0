"""Pixapi's task object, of which only `id` and two status words are documented, read tolerantly and turned into news."""

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

KEY_FIELD = "pixapi_api_key"
TASK_NAMES = ("task_id", "taskId")
_ID = re.compile(r"[\x21-\x7e]{1,128}")
_STATUS_NAMES = ("status", "state", "task_status")
_WORD_CAP = 64

_SAYS: Mapping[str, Says] = {
    **dict.fromkeys(("completed", "complete", "succeeded", "succeed", "success", "done", "finished"), Says.SUCCEEDED),
    **dict.fromkeys(
        ("failed", "fail", "failure", "error", "cancelled", "canceled", "expired", "timeout", "rejected"), Says.FAILED
    ),
    **dict.fromkeys(("queued", "pending", "submitted", "created", "waiting"), Says.QUEUED),
    **dict.fromkeys(("processing", "running", "in_progress", "generating"), Says.GENERATING),
}
"""Documented are `completed` and `failed` (Pixapi docs, async tasks); the others are families of words that mean the same."""

_UNPAID = frozenset({"failed", "fail", "failure", "error", "rejected"})
"""Words for `failed`. What was canceled, ran out of time or has expired may have had its output; nobody says what that costs."""

_PASSING = frozenset({"rate_limited", "model_unavailable", "internal_error", "timeout"})
_SENTENCES: Mapping[str, str] = {
    "model_unavailable": "the model is not available at the upstream",
    "content_rejected": "the upstream refused the content",
    "generation_failed": "the upstream could not generate the image",
}


def task_id(doc: Mapping[str, Any], *, names: Sequence[str] = (*TASK_NAMES, "id")) -> str | None:
    """The task's id in `doc` or its `data`; a name that can only be a task's goes before a bare `id`. Numbers count too."""
    places = (doc, _data(doc))
    found = first_text(*(place.get(name) for name in names for place in places))
    return found if found and _ID.fullmatch(found) else None


def read_news(doc: Mapping[str, Any], *, attempt: int, raw: bytes, headers: Mapping[str, str]) -> News | None:
    """The news in a poll's answer; None when it tells nothing of a task. Unknown status words mean "ask again"."""
    task = _task_in(doc)
    word = _status(task)
    found = find_images(task) if word is None or _SAYS.get(word.lower()) is Says.SUCCEEDED else Found()
    if word is None and not found.outputs:
        return None
    says = _SAYS.get(word.lower(), Says.WORKING) if word else Says.SUCCEEDED
    if says is Says.SUCCEEDED and not found.outputs and task is not doc:
        # Images lie inside the task, or beside it in the envelope.
        found = find_images(doc)
    asked_id = request_id(headers, [mapping(task.get("error")), task, doc], _failure_message(task) or "")
    return News(
        says=says,
        attempt=attempt,
        by="poll",
        # We ask about one task by its id: a bare `id` in the answer may be the request's, or a picture's.
        upstream_task_id=task_id(doc, names=TASK_NAMES),
        outputs=found.outputs,
        missing=found.missing,
        error=_error(task, (word or "").lower(), asked_id) if says is Says.FAILED else None,
        word=redact(word or "", _WORD_CAP),
        request_id=asked_id,
        raw=redact_bytes(raw, RAW_CAP),
    )


def _task_in(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task in `doc`: the envelope's `data` when that has a status of its own, otherwise `doc`."""
    data = _data(doc)
    return data if _status(data) is not None else doc


def _data(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    data = doc.get("data")
    return mapping(data[0] if isinstance(data, list) and len(data) == 1 else data)


def _status(task: Mapping[str, Any]) -> str | None:
    return next((word for name in _STATUS_NAMES if isinstance(word := task.get(name), str) and word.strip()), None)


def _error(task: Mapping[str, Any], status: str, asked_id: str | None) -> TaskError:
    """Why it failed. Credits are taken after successful output only (Pixapi docs, error handling)."""
    error = mapping(task.get("error"))
    codes = (error.get("code"), error.get("type"), task.get("error_code"), task.get("code"))
    code = _telling(codes) or (None if status in _UNPAID else status)
    charged = "no" if status in _UNPAID else "unknown"
    word, message = (code or "").lower(), _failure_message(task) or ""
    ours = _our_code(word, message)
    return TaskError(
        code=ours,
        message=_SENTENCES[ours],
        retryable="later" if word in _PASSING and charged == "no" else "manual",
        charged=charged,
        upstream_code=redact(code, MESSAGE_CAP) if code else None,
        upstream_message=redact(message, MESSAGE_CAP) or None,
        upstream_request_id=asked_id,
    )


def _telling(codes: Sequence[Any]) -> str | None:
    """A word before a number: the number only repeats an HTTP status."""
    found = [code for code in map(text, codes) if code]
    return next((code for code in found if not code.isdigit()), found[0] if found else None)


def _our_code(word: str, message: str) -> str:
    if word in ("model_unavailable", "model_not_found"):
        return "model_unavailable"
    return "content_rejected" if is_policy(word, message) or word == "422" else "generation_failed"


def _failure_message(task: Mapping[str, Any]) -> str | None:
    error = task.get("error")
    return first_text(
        mapping(error).get("message"), error, task.get("fail_reason"), task.get("error_message"), task.get("message")
    )
