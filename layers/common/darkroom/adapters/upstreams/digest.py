"""Reads an answer that may hold whole pictures, and keeps of it what a support ticket needs."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.reading import object_or_none
from darkroom.adapters.upstreams.tolerant import read_tolerantly
from darkroom.ports import MAX_UNREAD

LARGE_BODY = 96 * 1024 * 1024
"""Two pictures of 32 MiB, the largest that are stored by default, as base64. While it is read, memory holds up to three times
as much: the bytes, the text and the values; afterwards only the pictures. So one is read at a time."""

_LONGEST_TEXT = 200
_KEPT = 64 * 1024
_DEPTH = 8
_one_at_a_time = threading.Lock()


def digest(answer: Answer, *, partly: bool = False) -> tuple[dict[str, Any] | None, Answer]:
    """The object in the answer's body (None: there is none, or not all of it), and the answer with a body that is short.

    A success is read tolerantly, `partly` also what has come of one that broke off. A refusal is the gateway's own only where it
    is plain JSON: a proxy's page may hold anything.
    """
    doc = None
    if answer.complete or partly:
        fine = 200 <= answer.status < 300
        with _one_at_a_time:
            doc = read_tolerantly(answer.body, whole=answer.complete) if fine else object_or_none(answer.body)
    if len(answer.body) <= _KEPT:
        return doc, answer
    if doc is None:
        return doc, replace(answer, body=answer.body[:_KEPT])
    # Half of a pair of surrogates can be in a text, and in no encoding.
    told = json.dumps(_abridged(doc, _DEPTH), ensure_ascii=False).encode(errors="replace")
    return doc, replace(answer, body=told[:_KEPT])


def unread_of(answer: Answer) -> bytes:
    """What a person is to have of a success that nobody understands; what a refusal says is kept in any case."""
    return answer.body[:MAX_UNREAD] if 200 <= answer.status < 300 else b""


def _abridged(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}… [{len(value)} characters]"
    if isinstance(value, Mapping):
        return {name[:_LONGEST_TEXT]: _abridged(one, depth - 1) for name, one in value.items()} if depth else "…"
    if isinstance(value, list):
        return [_abridged(one, depth - 1) for one in value[:100]] if depth else "…"
    return value
