"""How a finished task's pictures look in an answer: as URLs, as base64, or in an address that holds them."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from local.simulator.faults import Fault
from local.simulator.messages import Json
from local.simulator.pictures import padded_bytes, picture_bytes
from local.simulator.tasks import Output, Task, output_path
from local.simulator.world import World

Place = Callable[[list[Json]], dict[str, Json]]

PLACES: Mapping[str, Place] = {
    "data": lambda entries: {"data": entries},
    "data-object": lambda entries: {"data": entries[0] if len(entries) == 1 else {"images": entries}},
    "result.data": lambda entries: {"result": {"data": entries}},
    "output": lambda entries: {"output": entries},
    "images": lambda entries: {"images": entries},
    "url": lambda entries: dict(entries[0]) if len(entries) == 1 else {"data": entries},
}


def answer_faults(world: World, task: Task) -> Mapping[str, Mapping[str, Any]]:
    """The parameters of the faults that this answer suffers, by name."""
    struck: dict[str, Fault] = world.faults.claim_all("answer", task.subject)
    with world.lock:
        task.faults.extend(struck)
    return {name: fault.params for name, fault in struck.items()}


def url_of(world: World, task: Task, index: int) -> str:
    """Where a picture lies."""
    assert task.outputs is not None  # noqa: S101  (only tasks with outputs are shown)
    return task.outputs[index].url or world.origin + output_path(task, index)


def base64_of(output: Output) -> str:
    """A picture's bytes as base64."""
    raw = padded_bytes(output.spec, output.bytes) if output.bytes else picture_bytes(output.spec)
    return base64.b64encode(raw).decode()


def data_uri_of(output: Output) -> str:
    """A picture inside its address, unless a fault gave it another one."""
    return output.url or f"data:{output.spec.content_type};base64,{base64_of(output)}"


def image_entries(world: World, task: Task, shape: str) -> list[Json]:
    """The entries of OpenAI's `data`; a shape that only a chat has is a URL here."""
    outputs = [(index, output) for index, output in enumerate(task.outputs or []) if output.type == "image"]
    return [_entry(world, task, index, output, shape) for index, output in outputs]


def _entry(world: World, task: Task, index: int, output: Output, shape: str) -> dict[str, Json]:
    if shape == "b64":
        return {"b64_json": base64_of(output)}
    if shape == "data-uri":
        return {"url": data_uri_of(output)}
    url = {"url": url_of(world, task, index)}
    return url | {"b64_json": base64_of(output)} if shape == "both" else url


def placed_images(world: World, task: Task, struck: Mapping[str, Mapping[str, Any]]) -> dict[str, Json]:
    """The part of an answer that holds the images, in the place and shape that its faults and its request ask for."""
    asked = "b64" if task.submission.input.get("response_format") == "b64_json" else "url"
    if task.outputs is None:
        return {}
    entries = image_entries(world, task, struck.get("answer-shape", {"shape": asked})["shape"])
    return PLACES[struck.get("answer-place", {"place": "data"})["place"] if entries else "data"](entries)
