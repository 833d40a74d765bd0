"""Easel's `POST /easel/v1/paint`, as the simulator speaks it."""

import re
from typing import Any

from local.simulator.dialects import Dialect
from local.simulator.generating import Api, Wanted, generate
from local.simulator.messages import Answer, Refused, Request, json_answer
from local.simulator.presenting import answer_faults, placed_images
from local.simulator.routes import Route
from local.simulator.tasks import Task
from local.simulator.world import World

DIALECT = Dialect("easel", "E-d", words={402: "insufficient_quota"})


def paint(world: World, request: Request) -> Answer:
    """A painting, once it is dry."""
    return generate(world, request, API)


def _prompt_of(value: Any) -> str:
    return str(value.get("words", "")) if isinstance(value, dict) else ""


def _read(value: Any) -> Wanted:
    if not _prompt_of(value):
        raise Refused(400, "INVALID_REQUEST", "words: must say what to paint")
    return Wanted(str(value.get("brush")), _prompt_of(value), {"size": "64x64"})


def _answer(world: World, task: Task) -> Answer:
    return json_answer(placed_images(world, task, answer_faults(world, task)))


API = Api(DIALECT, "easel_", _prompt_of, _read, _answer)
ROUTES = (Route("POST", re.compile(r"/easel/v1/paint"), paint, "posts", dialect=DIALECT),)
