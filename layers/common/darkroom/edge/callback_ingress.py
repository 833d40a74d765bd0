"""From API Gateway's event to `receive_callback` and back: raw bytes in, status and a small JSON body out."""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from darkroom.domain.ids import is_task_id
from darkroom.errors import SignatureRejected, StorageUnavailable, TaskChanged, TokenRejected
from darkroom.observe import count, discreet, say, tell_next_attempt, tell_unforeseen
from darkroom.usecases.receive_callback import Received, receive_callback
from darkroom.wiring import Services

MAX_BYTES = 1024 * 1024
_MOST_ENCODED = 4 * (MAX_BYTES // 3 + 1)
BUDGET_S = 7.0
"""Of the 10 s that HiAPI waits for an answer (HiAPI examples, README)."""


@discreet
def receive(event: Mapping[str, Any], services: Services, *, remaining_s: float) -> dict[str, Any]:
    """The answer to one delivery; `remaining_s` is what Lambda leaves of this invocation."""
    until = services.clock() + min(BUDGET_S, remaining_s - 2.0)
    path = _texts(event.get("pathParameters"))
    upstream, task_id, token = (path.get(name, "") for name in ("upstream", "task_id", "token"))
    raw = _raw(event)
    if raw is None:
        return _reject(413, "too_large", f"a callback has at most {MAX_BYTES} bytes", task_id)
    if not (services.has_upstream(upstream) and is_task_id(task_id) and token.isascii()):
        return _reject(404, "not_found", "no such callback address", task_id)
    try:
        received = receive_callback(
            upstream=services.upstream(upstream),
            task_id=task_id,
            token=token,
            headers=_texts(event.get("headers")),
            raw=raw,
            keys=services.signing_keys(),
            lease=services.new_lease(),
            clock=services.clock,
            tasks=services.tasks,
            queue=services.queue,
            admission=services.admission,
            may_ask=services.allowance().may_ask,
            timing=services.settings.timing,
            store=lambda task: services.store(task, resume=False, until=until),
            keep=lambda task: services.keep(task, until=until),
        )
    except TokenRejected:
        return _reject(404, "not_found", "no such callback address", task_id)
    except SignatureRejected as error:
        count("CallbacksSuspicious")
        return _reject(401, "unauthorized", str(error), task_id)
    except (StorageUnavailable, TaskChanged) as error:
        say("callback not recorded", level="error", task_id=task_id, fault=str(error))
        count("CallbacksDeferred")
        return _answer(503, {"retry": True})
    except Exception as error:
        # The upstream delivers again, and the reconciler looks after the task in any case.
        tell_unforeseen(error, during="callback", task_id=task_id)
        count("CallbacksDeferred")
        return _answer(503, {"retry": True})
    return _tell(received, task_id)


def _texts(given: object) -> dict[str, str]:
    """Headers or path parameters: texts by name, whatever shape the event has."""
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, Mapping) else {}


def _raw(event: Mapping[str, Any]) -> bytes | None:
    """The very bytes that were sent; None: too many, which is seen before they are decoded, verified or parsed.

    What is called base64 and is none stays as it is: nobody will have signed that.
    """
    encoded = bool(event.get("isBase64Encoded"))
    text = str(event.get("body") or "")
    if len(text) > (_MOST_ENCODED if encoded else MAX_BYTES):
        return None
    raw = text.encode("utf-8", errors="surrogatepass")
    if encoded:
        with suppress(ValueError):
            raw = base64.b64decode(raw, validate=True)
    return raw if len(raw) <= MAX_BYTES else None


def _tell(received: Received, task_id: str) -> dict[str, Any]:
    task = received.task
    say(
        "callback",
        level="warning" if received.is_suspicious or received.is_charge else "info",
        outcome=received.outcome,
        task_id=task_id,
        phase=task.phase.value if task else None,
        attempt=task.attempt if task else None,
        upstream_task_id=task.upstream_task_id if task else None,
        downloads=received.downloads,
        kept=" ".join(received.kept),
        fault=received.fault,
    )
    count("CallbacksDuplicate", received.outcome == "duplicate")
    count("CallbacksSuspicious", received.is_suspicious)
    count("ChargedAfterAll", received.is_charge)
    count("UpstreamContradictions", received.is_charge)
    if task is not None and received.outcome == "again":
        tell_next_attempt(task)
    if task is not None and received.outcome in ("stored", "ended"):
        count(f"Tasks{task.status.value.capitalize()}")
    return _answer(200, received.body or {"received": True})


def _reject(status: int, code: str, detail: str, task_id: str) -> dict[str, Any]:
    say("callback refused", level="warning", status=status, code=code, task_id=task_id if is_task_id(task_id) else None)
    count("CallbacksRejected")
    return _answer(status, {"code": code, "status": status, "detail": detail}, problem=True)


def _answer(status: int, body: Mapping[str, object], *, problem: bool = False) -> dict[str, Any]:
    kind = "application/problem+json" if problem else "application/json"
    return {"statusCode": status, "headers": {"Content-Type": kind}, "body": json.dumps(body)}
