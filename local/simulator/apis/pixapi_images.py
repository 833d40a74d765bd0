"""Pixapi's synchronous `POST /v1/images/generations`, under the path /pixapi (Pixapi docs, API reference)."""

import re
from dataclasses import replace

from local.simulator.apis.pixapi import DIALECT as PIXAPI
from local.simulator.apis.pixapi import MODELS
from local.simulator.generating import Api, generate
from local.simulator.image_requests import prompt_of, reader
from local.simulator.messages import Answer, Request, json_answer
from local.simulator.presenting import answer_faults, placed_images
from local.simulator.routes import Route
from local.simulator.tasks import Task
from local.simulator.world import World

DIALECT = replace(PIXAPI, api="pixapi_images")


def create_pixapi_images(world: World, request: Request) -> Answer:
    """Images, once they are there."""
    return generate(world, request, API)


def _answer(world: World, task: Task) -> Answer:
    return json_answer({"created": task.created, **placed_images(world, task, answer_faults(world, task))})


API = Api(DIALECT, "img_", prompt_of, reader(MODELS), _answer)
ROUTES = (Route("POST", re.compile(r"/pixapi/v1/images/generations"), create_pixapi_images, "posts", dialect=DIALECT),)
