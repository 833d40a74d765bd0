"""HiAPI's OpenAI-style `POST /v1/images/generations`, synchronous (HiAPI docs, image generation)."""

import re

from local.simulator.dialects import Dialect
from local.simulator.generating import Api, generate
from local.simulator.image_requests import prompt_of, reader
from local.simulator.messages import Answer, Request, json_answer
from local.simulator.presenting import answer_faults, placed_images
from local.simulator.routes import Route
from local.simulator.tasks import Task
from local.simulator.world import World

MODELS = ("gpt-image-1.5", "gpt-image-2-beta", "flux-1.1-pro", "qwen-image-2.0")

DIALECT = Dialect(
    "hiapi_images",
    "E-b",
    translations={"INVALID_REQUEST": "invalid_request", "IDEMPOTENCY_KEY_MISMATCH": "content_policy_violation"},
    words={401: "unauthorized", 402: "insufficient_balance", 500: "internal_error", 503: "model_unavailable"},
)


def create_hiapi_images(world: World, request: Request) -> Answer:
    """Images, once they are there."""
    return generate(world, request, API)


def _answer(world: World, task: Task) -> Answer:
    return json_answer({"created": task.created, **placed_images(world, task, answer_faults(world, task))})


# gpt-image-2-beta usually answers in base64.
API = Api(DIALECT, "img_", prompt_of, reader(MODELS, base64_only=("gpt-image-2-beta",)), _answer)
ROUTES = (Route("POST", re.compile(r"/v1/images/generations"), create_hiapi_images, "posts", limited=True, dialect=DIALECT),)
