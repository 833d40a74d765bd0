"""Pixapi's asynchronous API under the path /pixapi: a create that answers with an id, and a task that is polled.

Documented are the paths, `id`, and the words `completed` and `failed` (Pixapi docs, async tasks); everything else is a guess,
and the faults `answer-…` make other guesses.
"""

import re
from collections.abc import Mapping
from typing import Any

from local.simulator.dialects import Dialect
from local.simulator.generating import Api, generate
from local.simulator.image_requests import prompt_of, reader
from local.simulator.looking import look_at
from local.simulator.messages import Answer, Json, Request, json_answer
from local.simulator.presenting import answer_faults, placed_images
from local.simulator.routes import Route
from local.simulator.tasks import Task
from local.simulator.world import World

MODELS = (
    "gemini-2.5-flash-image",
    "nano-banana",
    "gemini-3.1-flash-image-preview",
    "nano-banana-2",
    "gemini-3-pro-image-preview",
    "nano-banana-pro",
    "gpt-image-1.5",
    "gpt-image-2",
)

DIALECT = Dialect(
    "pixapi",
    "P-b",
    no_task="task_not_found",
    translations={
        "INVALID_REQUEST": "invalid_request_error",
        "IDEMPOTENCY_KEY_MISMATCH": "prompt_rejected",
        "IDEMPOTENCY_KEY_PROCESSING": "conflict",
        "permission_denied": "unauthorized",
        "rate_limit_exceeded": "rate_limited",
    },
    words={
        400: "invalid_request_error",
        401: "unauthorized",
        402: "insufficient_credits",
        500: "internal_error",
        503: "model_unavailable",
    },
)
WORDS = {"queued": "queued", "handling": "processing", "archiving": "processing", "success": "completed", "fail": "failed"}


def create_pixapi_task(world: World, request: Request) -> Answer:
    """The id of a task that has begun."""
    return generate(world, request, API)


def show_pixapi_task(world: World, request: Request, task_id: str) -> Answer:
    """The task as it is now."""
    if task_id.isdigit():
        with world.lock:
            ours = (one for one, task in world.tasks.items() if task.api == DIALECT.api and str(_number(task)) == task_id)
            task_id = next(ours, task_id)
    return look_at(world, request, task_id, show=_shown, wrap=json_answer, dialect=DIALECT)


def _receipt(world: World, task: Task) -> Answer:
    shown = {"object": "image.generation.task", "status": "queued", "created_at": task.created}
    fault = world.faults.claim("receipt", task.subject)
    if fault is None:
        return json_answer({"id": task.task_id} | shown)
    with world.lock:
        task.faults.append(fault.kind.name)
    named = {fault.params["field"]: _number(task) if fault.params["number"] else task.task_id} | shown
    return json_answer({"code": 0, "message": "ok", "data": named} if fault.params["wrapped"] else named)


def _number(task: Task) -> int:
    """The id that a task has where ids are numbers."""
    return int(task.task_id.removeprefix(API.id_prefix)[:12], 16)


def _shown(world: World, task: Task) -> dict[str, Json]:
    struck = answer_faults(world, task)
    with world.lock:
        word = task.status(world.now())
        shown: dict[str, Json] = {
            "id": task.task_id,
            "status": _word(word, struck.get("answer-words")),
            "model": task.submission.offer.model,
            "created_at": task.created,
        }
        if task.error:
            shown["error"] = dict(task.error)
    if word == "success":
        shown |= placed_images(world, task, struck)
    return {"code": struck["answer-wrapped"]["code"], "message": "ok", "data": shown} if "answer-wrapped" in struck else shown


def _word(word: str, other: Mapping[str, Any] | None) -> str:
    if other is None:
        return WORDS[word]
    return str({"success": other["success"], "fail": other["failed"]}.get(word, other["running"]))


API = Api(DIALECT, "task_", prompt_of, reader(MODELS), _receipt, synchronous=False)
ROUTES = (
    Route("POST", re.compile(r"/pixapi/v1/async/images/generations"), create_pixapi_task, "posts", dialect=DIALECT),
    Route("GET", re.compile(r"/pixapi/v1/tasks/([^/]+)"), show_pixapi_task, "gets", dialect=DIALECT),
)
