"""An address that opens or takes an upload is a secret while it lives: it reaches no log, whatever becomes of its task."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from darkroom.domain.uploads import upload_key
from darkroom.errors import StorageUnavailable
from darkroom.ports import SignedPut
from tests.security.canaries import ECHO, URL, Watched
from tests.security.stack import PNG, Door, success
from tests.support.memory import MemoryBucket, Stored

OPENS, TAKES = "canary-of-what-opens-it-3af91c", "canary-of-what-takes-it-77d0b2"
WANTED = {"content_type": "image/png", "size": len(PNG)}


class Signing(MemoryBucket):
    """A bucket whose addresses have a canary for a signature."""

    def presign(self, key: str, *, expires_s: int) -> str:
        return f"https://bucket.test/{key}?X-Amz-Security-Token={OPENS}&X-Amz-Signature={OPENS}"

    def presign_put(self, key: str, *, content_type: str, size: int, expires_s: int) -> SignedPut:
        signed = MemoryBucket.presign_put(self, key, content_type=content_type, size=size, expires_s=expires_s)
        return SignedPut(url=f"{signed.url}&X-Amz-Signature={TAKES}", headers=signed.headers)


@pytest.fixture
def uploading(watched: Watched) -> Watched:
    watched.stack.bucket = Signing()
    watched.secrets |= {"what opens an upload": OPENS, "what takes an upload": TAKES}
    return watched


def uploaded(watched: Watched, content: bytes = PNG) -> str:
    upload = json.loads(watched.ask("POST", "/v1/uploads", body=WANTED)["body"])
    assert TAKES in upload["url"]
    stored = Stored(content=content, content_type="image/png", filename="")
    watched.stack.bucket.objects[upload_key("shop", upload["id"])] = stored
    return str(upload["id"])


def edit(watched: Watched, *uploads: str, **more: Any) -> dict[str, Any]:
    given = {"prompt": ECHO, "images": [{"upload": upload} for upload in uploads]}
    found: dict[str, Any] = watched.ask("POST", "/v1/tasks", body={"model": "gpt-image-2/image-to-image", "input": given}, **more)
    return found


def echoing(status: int) -> Callable[[httpx.Request], httpx.Response]:
    """A gateway that quotes what it was sent, as an error or as nonsense."""

    def answer(request: httpx.Request) -> httpx.Response:
        said = request.content.decode() if request.method == "POST" else f"https://bucket.test/x?X-Amz-Signature={OPENS}"
        return httpx.Response(status, json={"code": status, "message": f"cannot fetch {said}", "data": {"input": said}})

    return answer


def test_a_task_with_an_upload_from_the_request_to_its_picture(uploading: Watched) -> None:
    task = json.loads(edit(uploading, uploaded(uploading))["body"])

    sent = uploading.stack.http.creates[-1].content.decode()
    assert OPENS in sent
    _, upstream, task_id, token = json.loads(sent)["callback"]["url"].rsplit("/", 3)
    uploading.secrets["its callback's token"] = token
    door = Door(upstream, task_id, token, "tk-1")
    uploading.deliver(door, success(door, URL))
    assert json.loads(uploading.ask("GET", f"/v1/tasks/{task['id']}")["body"])["status"] == "succeeded"


@pytest.mark.parametrize("status", [200, 400, 422, 429, 500, 503])
def test_a_gateway_that_quotes_the_address_is_not_quoted(uploading: Watched, status: int) -> None:
    upload = uploaded(uploading)
    uploading.stack.http.answer = echoing(status)

    task = json.loads(edit(uploading, upload)["body"])
    token = json.loads(uploading.stack.http.creates[-1].content)["callback"]["url"].rsplit("/", 1)[1]
    uploading.secrets["its callback's token"] = token
    uploading.live_on()
    read = uploading.ask("GET", f"/v1/tasks/{task['id']}")["body"]

    assert OPENS not in read
    assert json.loads(read)["status"] in ("failed", "expired")


@pytest.mark.parametrize("where", ["bucket.peek", "tasks.add", "tasks.keep_sent", "tasks.keep_sent:done"])
def test_our_own_trouble_on_the_way_says_nothing_of_it(uploading: Watched, where: str) -> None:
    upload = uploaded(uploading)

    def fail(name: str) -> None:
        if name == where:
            raise StorageUnavailable(f"{name} did not answer")

    uploading.stack.bucket.on_call = uploading.stack.tasks.on_call = fail

    edit(uploading, upload)
    uploading.live_on()


def test_uploads_that_are_refused(uploading: Watched) -> None:
    svg = uploaded(uploading, b'<svg xmlns="http://www.w3.org/2000/svg"/>')

    assert edit(uploading, svg)["statusCode"] == 422
    assert uploading.ask("POST", "/v1/uploads", body=WANTED | {"content_type": ECHO, ECHO: 1})["statusCode"] == 422
    assert uploading.stack.http.requests == []


def test_nobody_else_can_use_an_upload_by_knowing_its_id(uploading: Watched) -> None:
    upload = uploaded(uploading)

    answer = edit(uploading, upload, key="drk_the-key-of-somebody-else-0000000000000000")

    assert answer["statusCode"] == 422
    assert "you have no upload" in answer["body"]
    assert uploading.stack.http.requests == []
