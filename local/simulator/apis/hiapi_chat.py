"""HiAPI's `POST /v1/chat/completions`, which draws: the images come in the model's words (HiAPI docs, image generation)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from local.simulator.dialects import Dialect
from local.simulator.generating import Api, Wanted, generate
from local.simulator.image_requests import count, invalid, merged, require_model
from local.simulator.messages import Answer, Json, Request, json_answer
from local.simulator.presenting import answer_faults, data_uri_of, url_of
from local.simulator.routes import Route
from local.simulator.tasks import Task
from local.simulator.world import World

MODELS = ("Nano-Banana", "Nano-Banana-2", "Nano-Banana-Pro", "gpt-image-2")

DIALECT = Dialect(
    "hiapi_chat",
    "E-b",
    translations={"INVALID_REQUEST": "invalid_request", "IDEMPOTENCY_KEY_MISMATCH": "content_policy_violation"},
    words={401: "unauthorized", 402: "insufficient_balance", 500: "internal_error", 503: "model_unavailable"},
)
WORDS = "Here is your picture, in words: a red kite over a quiet bay."


def create_hiapi_chat(world: World, request: Request) -> Answer:
    """A message with an image, once it is there."""
    return generate(world, request, API)


def _prompt_of(value: Json) -> str:
    """The words of the last message."""
    messages = value.get("messages") if isinstance(value, dict) else None
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, dict) else None
    parts = content if isinstance(content, list) else [content]
    said = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return " ".join(one for one in said if isinstance(one, str))


def _read(value: Json) -> Wanted:
    body = merged(value)
    require_model(body.get("model"), MODELS)
    if body.get("stream"):
        raise invalid("stream: images are not streamed")
    prompt = _prompt_of(value)
    if not prompt:
        raise invalid("messages: the last one must say what to draw")
    config = _image_config(body)
    inputs = {"output_format": "jpeg", "aspect_ratio": config.get("aspect_ratio"), "resolution": config.get("image_size")}
    return Wanted(str(body["model"]), prompt, {name: one for name, one in inputs.items() if one}, count(body))


def _image_config(body: Mapping[str, Any]) -> Mapping[str, Any]:
    google = body.get("google", {})
    config = google.get("image_config", {}) if isinstance(google, dict) else None
    if not isinstance(config, dict):
        raise invalid("extra_body.google.image_config: must be an object")
    return config


def _answer(world: World, task: Task) -> Answer:
    struck = answer_faults(world, task)
    refusal = struck.get("answer-refusal")
    drawn = [index for index, output in enumerate(task.outputs or []) if output.type == "image"]
    if refusal:
        choices = [_choice(0, {"content": None, "refusal": refusal["message"]}, refusal["reason"])]
    elif not drawn:
        choices = [_choice(0, {"content": WORDS}, "stop")]
    else:
        message = SHAPES.get(struck.get("answer-shape", {}).get("shape", "markdown-data"), _markdown_data)
        choices = [_choice(index, message(world, task, index), "stop") for index in drawn]
    shown = {"id": task.task_id, "object": "chat.completion", "created": task.created}
    return json_answer(shown | {"model": task.submission.offer.model, "choices": choices, "usage": USAGE})


USAGE = {"prompt_tokens": 12, "completion_tokens": 1290, "total_tokens": 1302}


def _choice(index: int, message: dict[str, Json], reason: str) -> dict[str, Json]:
    return {"index": index, "message": {"role": "assistant"} | message, "finish_reason": reason}


def _inline(_world: World, task: Task, index: int) -> str:
    assert task.outputs is not None  # noqa: S101  (only drawn pictures are shown)
    return data_uri_of(task.outputs[index])


def _markdown_data(world: World, task: Task, index: int) -> dict[str, Json]:
    return {"content": f"![image]({_inline(world, task, index)})"}


def _markdown_url(world: World, task: Task, index: int) -> dict[str, Json]:
    return {"content": f"Here it is:\n\n![image]({url_of(world, task, index)})\n"}


def _images(world: World, task: Task, index: int) -> dict[str, Json]:
    return {"content": "Here it is.", "images": [_part(_inline(world, task, index))]}


def _parts(world: World, task: Task, index: int) -> dict[str, Json]:
    return {"content": [{"type": "text", "text": "Here it is."}, _part(_inline(world, task, index))]}


def _part(url: str) -> dict[str, Json]:
    return {"type": "image_url", "image_url": {"url": url}}


SHAPES: Mapping[str, Callable[[World, Task, int], dict[str, Json]]] = {
    "markdown-url": _markdown_url,
    "message-images": _images,
    "parts": _parts,
    "address": lambda world, task, index: {"content": url_of(world, task, index)},
    "words": lambda _world, _task, _index: {"content": WORDS},
}

API = Api(DIALECT, "chatcmpl-", _prompt_of, _read, _answer)
ROUTES = (Route("POST", re.compile(r"/v1/chat/completions"), create_hiapi_chat, "posts", limited=True, dialect=DIALECT),)
