"""Answers of many megabytes: read whole up to a bound, with few copies, and never beyond it."""

import json
import tracemalloc
from collections.abc import Iterator

import httpx
import pytest

from darkroom.adapters.upstreams.digest import LARGE_BODY
from darkroom.errors import OutcomeUnknown
from tests.contract.hiapi.gateways import RawGateway, response
from tests.contract.upstreams.gateways import CASES, IMMEDIATE, secrets
from tests.support.answering import Answering

PIECE = 64 * 1024
MEGABYTE = 1024 * 1024


class Streamed(httpx.SyncByteStream):
    """`head`, so many bytes of base64, `tail`: nothing of it is held."""

    def __init__(self, head: bytes, size: int, tail: bytes) -> None:
        self._head, self._size, self._tail = head, size, tail

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        for _ in range(self._size // PIECE):
            yield b"A" * PIECE
        yield self._tail


AROUND = {
    "pixapi_images": (b'{"data":[{"b64_json":"', b'"}]}'),
    "hiapi_images": (b'{"data":[{"url":"data:image/png;base64,', b'"}]}'),
    "hiapi_chat": (b'{"choices":[{"message":{"content":"![x](data:image/png;base64,', b')"}}]}'),
}


@pytest.mark.parametrize("name", IMMEDIATE)
def test_a_large_picture_takes_little_more_than_three_times_its_size(name: str) -> None:
    head, tail = AROUND[name]
    size = 32 * MEGABYTE
    http = Answering(lambda _: httpx.Response(200, stream=Streamed(head, size, tail)))
    adapter = CASES[name].adapter(base_url="https://gateway.example", secrets=secrets(), http=http)

    tracemalloc.start()
    accepted = adapter.submit(b"{}", key="k", timeout_s=60)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert accepted.news is not None
    assert len(accepted.news.outputs[0].url) > size
    assert peak < 3.3 * size
    assert kept < 1.1 * size


@pytest.mark.parametrize("name", IMMEDIATE)
def test_an_answer_beyond_the_bound_is_lost_and_not_held(name: str) -> None:
    head, tail = AROUND[name]
    http = Answering(lambda _: httpx.Response(200, stream=Streamed(head, 64 * MEGABYTE, tail)))
    adapter = CASES[name].adapter(base_url="https://gateway.example", secrets=secrets(), http=http, max_body=4 * MEGABYTE)

    tracemalloc.start()
    with pytest.raises(OutcomeUnknown):
        adapter.submit(b"{}", key="k", timeout_s=60)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 16 * MEGABYTE


def test_the_bound_leaves_room_for_two_of_the_largest_pictures() -> None:
    assert 2 * 32 * MEGABYTE * 4 / 3 < LARGE_BODY


def test_a_large_answer_comes_whole_over_a_real_socket() -> None:
    body = response(200, json.dumps({"data": [{"b64_json": "A" * 8 * MEGABYTE}] * 2}).encode())

    with RawGateway(body) as gateway:
        adapter = CASES["pixapi_images"].adapter(base_url=gateway.url, secrets=secrets())
        accepted = adapter.submit(b"{}", key="k", timeout_s=60)

    assert accepted.news is not None
    assert len(accepted.news.outputs) == 2


def test_a_large_answer_that_breaks_off_is_lost() -> None:
    body = response(200, json.dumps({"data": [{"b64_json": "A" * MEGABYTE}]}).encode())

    with RawGateway(body[:-100]) as gateway:
        adapter = CASES["pixapi_images"].adapter(base_url=gateway.url, secrets=secrets())
        with pytest.raises(OutcomeUnknown, match="broke off"):
            adapter.submit(b"{}", key="k", timeout_s=60)

    assert len(gateway.requests) == 1
