"""GET and HEAD /v1/images/{id}: the way to a picture's bytes, or its facts."""

import base64

from darkroom.domain.ids import read_image_id
from darkroom.domain.task import Image, Task
from darkroom.usecases.store_pictures import picture_key
from darkroom.web.answers import PRIVATE, Answer, json_answer
from darkroom.web.call import Call
from darkroom.web.conditional import prefers_json
from darkroom.web.problems import Problem
from darkroom.web.task_json import image_json

URL_LIVES_S = 900


def redirect(call: Call, image_id: str) -> Answer:
    """302 to a URL that needs no key and dies soon; the facts as JSON where those are preferred."""
    task, image, key = _stored(call, image_id)
    if prefers_json(call.request.headers.get("accept", "")):
        return json_answer(200, image_json(task, image), {**PRIVATE, "Vary": "Accept"})
    url = call.services.bucket.presign(key, expires_s=URL_LIVES_S)
    return Answer(status=302, headers={**PRIVATE, "Vary": "Accept", "Location": url})


def head(call: Call, image_id: str) -> Answer:
    """Size, type and digest without the bytes."""
    _, image, _ = _stored(call, image_id)
    digest = base64.b64encode(bytes.fromhex(image.sha256)).decode()
    return Answer(
        status=200,
        content_type=image.content_type,
        headers={
            **PRIVATE,
            "Content-Length": str(image.size),
            # API Gateway writes its own Content-Length over ours.
            "X-Image-Bytes": str(image.size),
            "Repr-Digest": f"sha-256=:{digest}:",
            **_measures(image),
        },
    )


def _measures(image: Image) -> dict[str, str]:
    """The sides in pixels, where they are known."""
    sides = {"X-Image-Width": image.width, "X-Image-Height": image.height}
    return {name: str(side) for name, side in sides.items() if side is not None}


def _stored(call: Call, image_id: str) -> tuple[Task, Image, str]:
    """The caller's picture and its key in the bucket; raises Problem not_found or image_gone."""
    named = read_image_id(image_id)
    task = call.services.tasks.get(named[0]) if named else None
    if named is None or task is None or task.owner != call.caller.owner:
        raise _unknown()
    call.facts["task_id"] = task.id
    image = next((one for one in task.images if (one.attempt, one.index) == named[1:]), None)
    if image is None:
        raise _unknown()
    key = picture_key(task, image.attempt, image.index)
    if not call.services.bucket.exists(key):
        raise Problem("image_gone", "the picture was stored and is no longer kept; its task tells what it was")
    return task, image, key


def _unknown() -> Problem:
    return Problem("not_found", "you have no such image")
