"""GET and HEAD /v1/images/{id}."""

from dataclasses import replace

import pytest

from darkroom.domain.ids import image_id
from darkroom.usecases.store_pictures import picture_key
from tests.functions.api.client import START, STRANGER, Api, MemoryServices
from tests.support.memory import Stored
from tests.support.tasks import a_task, an_image, succeeded


@pytest.fixture
def picture(services: MemoryServices) -> str:
    """The id of a picture that is in the bucket."""
    task = succeeded(a_task(at=START))
    services.tasks.add(task)
    stored = Stored(content=b"bytes", content_type="image/png", filename="a.png")
    services.bucket.objects[picture_key(task, 1, 0)] = stored
    return image_id(task.id, 1, 0)


def test_a_picture_is_a_redirect_that_needs_no_key_and_dies_soon(api: Api, picture: str) -> None:
    reply = api.get(f"/v1/images/{picture}")

    assert (reply.status, reply.text) == (302, "")
    assert reply.headers["Location"].startswith("https://bucket.test/images/dev/task_")
    assert reply.headers["Location"].endswith("expires=900")
    assert reply.headers["Cache-Control"] == "private, no-store"
    assert reply.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    "accept", ["application/json", "application/json, text/plain, */*", "image/*;q=0.5, application/json;q=0.9"]
)
def test_whoever_prefers_json_gets_the_facts(api: Api, picture: str, accept: str) -> None:
    reply = api.get(f"/v1/images/{picture}", accept=accept)

    assert (reply.status, reply.json["id"], reply.json["bytes"]) == (200, picture, 123_456)


@pytest.mark.parametrize(
    "accept", ["*/*", "", "image/avif,image/webp,*/*;q=0.8", "application/json;q=0", "application/json, image/*"]
)
def test_everybody_else_gets_the_picture(api: Api, picture: str, accept: str) -> None:
    assert api.get(f"/v1/images/{picture}", accept=accept).status == 302


def test_head_tells_size_type_and_digest(api: Api, picture: str) -> None:
    reply = api.call("HEAD", f"/v1/images/{picture}")

    assert (reply.status, reply.text) == (200, "")
    assert reply.headers["Content-Type"] == "image/png"
    assert (reply.headers["Content-Length"], reply.headers["X-Image-Bytes"]) == ("123456", "123456")
    assert reply.headers["Repr-Digest"] == "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"


def test_head_leaves_out_the_sides_that_the_file_does_not_tell(api: Api, services: MemoryServices, picture: str) -> None:
    (task,) = services.tasks.tasks.values()
    services.tasks.tasks[task.id] = replace(task, images=(an_image(width=None, height=None),))

    headers = api.call("HEAD", f"/v1/images/{picture}").headers

    assert not {"X-Image-Width", "X-Image-Height"} & headers.keys()
    assert headers["X-Image-Bytes"] == "123456"


def test_the_last_of_many_pictures_is_found_like_the_first(api: Api, services: MemoryServices) -> None:
    task = succeeded(a_task(2, at=START), images=300)
    services.tasks.add(task)
    services.bucket.objects[picture_key(task, 1, 299)] = Stored(content=b"bytes", content_type="image/png", filename="a.png")

    assert api.get(f"/v1/images/{image_id(task.id, 1, 299)}").status == 302


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_picture_that_was_deleted_is_gone(api: Api, services: MemoryServices, picture: str, method: str) -> None:
    services.bucket.objects.clear()

    reply = api.call(method, f"/v1/images/{picture}")

    assert reply.status == 410
    assert method == "HEAD" or reply.code == "image_gone"


def test_another_owners_picture_looks_like_an_unknown_one(api: Api, picture: str) -> None:
    unknown = [
        f"/v1/images/{one}" for one in ("x", f"{picture[:-4]}0101", f"{picture[:-4]}0200", "img_01KBCDEFGHJKMNPQRSTVWXYZ010100")
    ]

    replies = [api.get(path) for path in unknown] + [api.get(f"/v1/images/{picture}", key=STRANGER)]

    assert {reply.status for reply in replies} == {404}
    assert len({reply.text for reply in replies}) == 1
