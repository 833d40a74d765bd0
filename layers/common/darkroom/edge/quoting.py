"""What an upstream quotes of a request is taken out of its words before they are logged: a prompt is nobody else's business."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from darkroom.domain.redact import redact
from darkroom.domain.task import Task
from darkroom.errors import StorageUnavailable
from darkroom.ports import Tasks

_MARK = "[prompt]"
_SHORTEST = 6
"""Shorter texts are settings such as `1K` and `9:16`, or parts of ordinary words."""

_BEGINNING = 12
"""So much of a text is enough to know it by."""


def unquoted(text: str | None, task: Task | None, tasks: Tasks) -> str | None:
    """`text` without what the task's application wrote; None where the request cannot be read just now."""
    if not text or task is None:
        return text
    try:
        request = task.request or tasks.request_of(task)
    except StorageUnavailable:
        return None
    forms = sorted({form for form in _forms(request.input) if len(form) >= _SHORTEST}, key=len, reverse=True)
    for form in forms:
        text = text.replace(form, _MARK)
    return _without_beginnings(text, forms)


def _forms(value: Any) -> Iterator[str]:
    """Every text in an input: as it is, as it stands in JSON, and each of these as `redact` leaves it."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _forms(one)
    elif isinstance(value, str):
        for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
            yield from (form, redact(form, len(form)))


def _without_beginnings(text: str, forms: Sequence[str]) -> str:
    """Somebody may have capped the text, so that only the beginning of a form is left."""
    for form in forms:
        at = text.find(form[:_BEGINNING])
        while at >= 0:
            left = text[at:]
            text = text[:at] + _MARK + left[max(_in_common(left, one) for one in forms) :]
            at = text.find(form[:_BEGINNING], at + len(_MARK))
    return text


def _in_common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
