"""Answers over a real socket that are no plain JSON, or hold their picture in an odd place: nothing that was paid for is lost."""

import base64
import json
import tracemalloc

import pytest

from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.adapters.upstreams.tolerant import read_tolerantly
from darkroom.domain.news import Says
from darkroom.errors import OutcomeUnknown
from tests.contract.hiapi.gateways import RawGateway, response
from tests.contract.upstreams.gateways import CASES, IMMEDIATE, secrets

AT = "https://cdn.example/a.png?sig=1"
IMAGES = json.dumps({"created": 1, "data": [{"url": AT}]}).encode()
CHAT = json.dumps({"id": "c", "choices": [{"message": {"role": "assistant", "content": f"[Here]({AT})"}}]}).encode()
DELTA = json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"content": f"![a]({AT})"}}]}).encode()
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01" + bytes(2_000_000)).decode()


def whole(name: str) -> bytes:
    return CHAT if name == "hiapi_chat" else IMAGES


@pytest.mark.parametrize("name", IMMEDIATE)
@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (b"\xef\xbb\xbf", b""),
        (b": GATEWAY PROCESSING\n\n", b"\n\ndata: [DONE]\n\n"),
        (b"data: ", b"\n\ndata: [DONE]\n\n"),
        (b'{"note":"a kite \\ud83d caf\xe9","cost":NaN,"note":1,', b""),
    ],
)
def test_a_picture_in_an_odd_answer_comes_home(name: str, before: bytes, behind: bytes) -> None:
    body = before + (whole(name)[1:] if before.startswith(b"{") else whole(name)) + behind

    with RawGateway(response(200, body)) as gateway:
        adapter = CASES[name].adapter(base_url=gateway.url, secrets=secrets())
        accepted = adapter.submit(b"{}", key="k", timeout_s=30)

    assert accepted.news is not None
    assert [output.url for output in accepted.news.outputs] == [AT]
    assert accepted.news.unread == b""


def test_a_stream_where_none_was_asked_is_read() -> None:
    with RawGateway(response(200, b"data: " + DELTA + b"\n\ndata: [DONE]\n\n", Content_Type="text/event-stream")) as gateway:
        adapter = CASES["hiapi_chat"].adapter(base_url=gateway.url, secrets=secrets())
        accepted = adapter.submit(b"{}", key="k", timeout_s=30)

    assert accepted.news is not None
    assert [output.url for output in accepted.news.outputs] == [AT]


@pytest.mark.parametrize("name", IMMEDIATE)
def test_what_came_whole_of_an_answer_that_broke_off_is_kept(name: str) -> None:
    body = response(200, json.dumps({"data": [{"url": AT}, {"b64_json": "A" * 4000}]}).encode())

    with RawGateway(body[:-100]) as gateway:
        adapter = CASES[name].adapter(base_url=gateway.url, secrets=secrets())
        accepted = adapter.submit(b"{}", key="k", timeout_s=30)

    assert accepted.news is not None
    assert [output.url for output in accepted.news.outputs] == [AT]
    assert accepted.news.missing == ("the answer broke off",)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("status", "kept"), [(200, b"odd " * 100), (502, b"")])
def test_what_nobody_can_read_of_a_success_goes_along_for_a_person(name: str, status: int, kept: bytes) -> None:
    with RawGateway(response(status, b"odd " * 100)) as gateway:
        adapter = CASES[name].adapter(base_url=gateway.url, secrets=secrets())
        with pytest.raises(OutcomeUnknown) as caught:
            adapter.submit(b"{}", key="k", timeout_s=30)

    assert caught.value.unread == kept


def test_one_character_beyond_ascii_makes_a_large_answer_no_larger() -> None:
    size = 32 * 1024 * 1024
    body = json.dumps({"note": "\N{KITE}", "data": [{"b64_json": "A" * size}]}, ensure_ascii=False).encode()

    tracemalloc.start()
    doc = read_tolerantly(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert doc is not None
    assert len(doc["data"][0]["b64_json"]) == size
    assert peak < 3.3 * size


def test_a_task_of_hiapis_may_hold_its_pictures_and_half_an_emoji() -> None:
    said = {"taskId": "tk-1", "status": "success", "output": [{"type": "image/png", "url": "data:image/png;base64," + PICTURE}]}
    body = json.dumps({"code": 200, "data": said}).replace("{", '{"note":"a kite \\ud83d",', 1).encode()

    with RawGateway(response(200, body)) as gateway:
        news = HiApi(base_url=gateway.url, secrets=secrets()).look("tk-1", attempt=1, timeout_s=30)

    assert news.says is Says.SUCCEEDED
    assert [output.url for output in news.outputs] == ["data:image/png;base64," + PICTURE]
    assert len(news.raw) <= 4096


def test_a_task_of_pixapis_that_quotes_half_an_emoji_is_read() -> None:
    said = {"id": "task_1", "status": "completed", "data": [{"b64_json": PICTURE}]}
    body = json.dumps(said).replace("{", '{"revised_prompt":"a kite \\ud83d",', 1).encode()

    with RawGateway(response(200, body)) as gateway:
        news = CASES["pixapi"].adapter(base_url=gateway.url, secrets=secrets()).look("task_1", attempt=1, timeout_s=30)

    assert (news.says, len(news.outputs)) == (Says.SUCCEEDED, 1)
