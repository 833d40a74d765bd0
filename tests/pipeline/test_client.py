"""The API client: whom it shows the key, what it makes of damaged bytes, and how patient it is."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.client import Api, ApiRefused, ApiUnreachable
from tests.pipeline.running import KEY

BYTES = b"the bytes of a picture"
IMAGE = {"id": "img_1", "url": "/v1/images/img_1", "content_type": "image/webp", "sha256": hashlib.sha256(BYTES).hexdigest()}

Script = dict[str, tuple[int, dict[str, str], bytes]]


@contextmanager
def serving(script: Script) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server that answers by path, and who knocked: each path with the Authorization that came along."""
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            status, headers, body = script[self.path]
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    server.server_close()


def leading_to(bucket: str) -> Script:
    return {IMAGE["url"]: (302, {"Location": f"{bucket}/picture"}, b"")}


def test_the_bucket_is_asked_without_the_key(tmp_path: Path) -> None:
    with serving({"/picture": (200, {}, BYTES)}) as (bucket, asked), serving(leading_to(bucket)) as (url, _):
        saved = Api(url, KEY).save(IMAGE, tmp_path / "new")

    assert asked == [("/picture", None)]
    assert saved == tmp_path / "new" / "img_1.webp"
    assert saved.read_bytes() == BYTES


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, BYTES[:-1] + b"?"),
        (403, {}, b"expired"),
        (200, {"Content-Length": "1000"}, BYTES),
        (302, {"Location": "http://127.0.0.1:9/"}, b""),
    ],
)
def test_bytes_that_are_not_the_picture_leave_no_file(answer: tuple[int, dict[str, str], bytes], tmp_path: Path) -> None:
    with serving({"/picture": answer}) as (bucket, _), serving(leading_to(bucket)) as (url, _), pytest.raises(ApiUnreachable):
        Api(url, KEY).save(IMAGE, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_there_already_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "mine.webp").write_bytes(b"an older one")

    with serving({"/picture": (200, {}, BYTES)}) as (bucket, _), serving(leading_to(bucket)) as (url, _):
        Api(url, KEY).save(IMAGE, tmp_path, stem="mine")

    assert (tmp_path / "mine.webp").read_bytes() == BYTES


def test_a_problem_document_is_kept_whole() -> None:
    problem = {"status": 404, "code": "not_found", "detail": "you have no such task"}
    with serving({"/v1/tasks/x": (404, {}, json.dumps(problem).encode())}) as (url, _), pytest.raises(ApiRefused) as refused:
        Api(url, KEY).task("x")

    assert refused.value.problem == problem


@pytest.mark.parametrize("body", [b'{"message": "Forbidden"}', b"<html>Forbidden</html>", b"[1]"])
def test_a_refusal_that_is_no_problem_document_is_still_one(body: bytes) -> None:
    with serving({"/v1/tasks/x": (403, {}, body)}) as (url, _), pytest.raises(ApiRefused) as refused:
        Api(url, KEY).task("x")

    assert refused.value.problem["status"] == 403
    assert str(refused.value)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]"])
def test_an_answer_of_somebody_else_is_not_taken_for_darkrooms(body: bytes) -> None:
    with serving({"/v1/tasks/x": (200, {}, body)}) as (url, _), pytest.raises(ApiUnreachable):
        Api(url, KEY).task("x")


class Flaky(Api):
    """An API whose answers are given beforehand."""

    def __init__(self, *answers: Any) -> None:
        super().__init__("http://127.0.0.1:9", KEY)
        self._answers = list(answers)

    def task(self, task_id: str) -> dict[str, Any]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"id": task_id, **answer}


def test_following_a_task_survives_a_short_outage() -> None:
    busy = ApiRefused({"status": 503})
    api = Flaky(ApiUnreachable("gone"), busy, {"version": 2, "status": "running"}, {"version": 3, "status": "succeeded"})

    seen = list(api.follow({"id": "t", "version": 1, "status": "queued"}, sleep=lambda _: None))

    assert [task["version"] for task in seen] == [1, 2, 3]


def test_following_a_task_that_is_gone_ends_at_once() -> None:
    with pytest.raises(ApiRefused):
        list(Flaky(ApiRefused({"status": 404})).follow({"id": "t", "version": 1, "status": "queued"}, sleep=lambda _: None))


def test_following_a_task_does_not_wait_for_ever_for_an_api_that_is_gone() -> None:
    with pytest.raises(ApiUnreachable):
        list(Api("http://127.0.0.1:9", KEY).follow({"id": "t", "version": 1, "status": "queued"}, sleep=lambda _: None))
