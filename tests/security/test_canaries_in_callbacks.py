"""Nothing that a callback, a gateway or a picture's server says brings a secret into a log, a metric or an error's text."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trustme

from darkroom.domain.callback_token import sign
from darkroom.errors import OutputGone
from tests.functions.api.client import SIGNING_KEY
from tests.security.canaries import BODY, CANARIES, ECHO, KEY, PROMPT, QUERY, URL, Watched
from tests.security.internet import PUBLIC, internet
from tests.security.stack import PNG, Door, failure, signed, success
from tests.support.memory import Page
from tests.support.origin import HOST, authority, origin

# -- callbacks ------------------------------------------------------------------------------------------

NOISE: dict[str, Callable[[Door], bytes]] = {
    "a failure that quotes": lambda door: failure(door, ECHO),
    "a failure in words": lambda door: json.dumps({"taskId": door.upstream_task_id, "status": "fail", "error": ECHO}).encode(),
    "no JSON": lambda _: ECHO.encode(),
    "an array": lambda _: json.dumps([ECHO]).encode(),
    "an unknown status": lambda door: json.dumps({"taskId": door.upstream_task_id, "status": ECHO}).encode(),
    "another task": lambda _: json.dumps({"taskId": "tk-x", "status": "success", "prompt": ECHO}).encode(),
    "no picture": lambda door: json.dumps({"taskId": door.upstream_task_id, "status": "success", "output": [ECHO]}).encode(),
    "a URL that is none": lambda door: success(door, f"https://[{QUERY}"),
    "a picture elsewhere": lambda door: success(door, f"https://gone.test/{QUERY[:0]}0.png?{QUERY}"),
    "too much": lambda _: ECHO.encode() * 10_000,
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
@pytest.mark.parametrize("seal", ["right", "stale", "forged", "none"])
def test_a_callback_that_quotes_everything(watched: Watched, noise: Callable[[Door], bytes], seal: str) -> None:
    door = watched.create()
    assert door is not None
    raw = noise(door)
    seals = {
        "right": None,
        "stale": signed(raw, watched.stack.clock() - 9999, CANARIES["the webhook secret"]),
        "forged": {"x-hiapi-timestamp": ECHO, "x-hiapi-signature": ECHO},
        "none": {},
    }

    assert watched.deliver(door, raw, seals[seal])["statusCode"] in (200, 401, 413)
    watched.live_on()

    assert watched.stack.task(door).is_terminal
    assert watched.listener.errors == []


def test_a_callback_at_a_door_that_is_none(watched: Watched) -> None:
    door = watched.create()
    assert door is not None
    good = sign(SIGNING_KEY, upstream="hiapi", task_id=door.task_id, attempt=1, now=watched.stack.clock())

    for token in (ECHO, good, door.token + "0"):
        watched.deliver(Door("hiapi", door.task_id, token, door.upstream_task_id), success(door, URL))
        watched.deliver(Door(KEY, door.task_id, token, door.upstream_task_id), success(door, URL))
        watched.deliver(Door("hiapi", KEY, token, door.upstream_task_id), success(door, URL))


# -- a gateway that quotes ------------------------------------------------------------------------------

STATUSES = (200, 302, 400, 401, 402, 403, 404, 409, 415, 422, 429, 500, 502, 503, 504)
WORKING = {"taskId": "tk-1", "status": "handling"}


def in_json(status: int) -> Callable[[str], httpx.Response]:
    return lambda echo: httpx.Response(status, json={"error": {"code": echo, "message": echo}})


def in_words(status: int) -> Callable[[str], httpx.Response]:
    return lambda echo: httpx.Response(status, text=echo)


ANSWERS: dict[str, Callable[[str], httpx.Response]] = {
    **{f"{status} in JSON": in_json(status) for status in STATUSES},
    **{f"{status} in words": in_words(status) for status in STATUSES},
    "working on it": lambda echo: httpx.Response(200, json={"data": {**WORKING, "input": BODY["input"], "echo": echo}}),
    "working on it, at length": lambda echo: httpx.Response(200, json={"data": {**WORKING, "echo": [echo] * 99}}),
    "an unknown word": lambda echo: httpx.Response(200, json={"data": {"taskId": "tk-1", "status": echo}}),
    "failed": lambda echo: httpx.Response(200, json={"data": {"taskId": "tk-1", "status": "fail", "error": {"message": echo}}}),
    "in headers": lambda _: httpx.Response(503, headers={"x-request-id": URL, "retry-after": QUERY, "location": URL}),
}


def all_it_was_sent(watched: Watched, request: httpx.Request) -> str:
    """Prompt and callback address, the key, and a URL of its own."""
    creates = [*watched.stack.http.creates, request] if request.method == "POST" else watched.stack.http.creates
    callback = json.loads(creates[-1].content)["callback"]["url"]
    return f"{request.headers['authorization']} {PROMPT} {callback} {URL}"


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("asked", ["POST", "GET"])
def test_a_gateway_that_quotes_what_it_was_sent(watched: Watched, asked: str, answer: Callable[[str], httpx.Response]) -> None:
    http = watched.stack.http
    http.answer = lambda one: answer(all_it_was_sent(watched, one)) if one.method == asked else http._usual(one)
    watched.create()

    watched.live_on()

    assert all(task.is_terminal for task in watched.stack.tasks.tasks.values())
    assert watched.listener.errors == []


FAULTS = [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.PoolTimeout, RuntimeError, ValueError]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("asked", ["POST", "GET"])
def test_a_connection_that_breaks_with_a_talkative_error(watched: Watched, asked: str, fault: type[Exception]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == asked:
            raise fault(f"{ECHO} {request.headers}")
        return watched.stack.http._usual(request)

    watched.stack.http.answer = answer

    watched.create()
    watched.live_on()


# -- pictures -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return authority()


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "403 Forbidden", "404 Not Found", "429 Slow", "500 No"])
def test_a_picture_that_cannot_be_fetched(watched: Watched, ca: trustme.CA, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    with origin(ca, HOST) as cdn:
        net = internet(monkeypatch)
        net.names, net.routes = {HOST: [PUBLIC]}, {PUBLIC: cdn.port}
        watched.stack.downloads = net.downloads(ca)  # type: ignore[assignment]
        cdn.serve(f"/0.png?X-Signature={QUERY}", b"<html>", f"Location: https://10.0.0.8/?{QUERY}", status=status)
        door = watched.create()
        assert door is not None

        watched.deliver(door, success(door, URL))
        watched.live_on()

        assert cdn.visits
        assert watched.stack.task(door).is_terminal


@pytest.mark.parametrize(
    "url",
    [
        URL.replace(HOST, "unknown.test"),
        f"https://{KEY}.test/?{QUERY}",
        f"https://u:{QUERY}@{HOST}/",
        URL.replace("https", "http"),
    ],
)
def test_a_picture_at_an_address_that_is_refused(
    watched: Watched, ca: trustme.CA, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    watched.stack.downloads = internet(monkeypatch).downloads(ca)  # type: ignore[assignment]
    del watched.secrets["the caller's key"]  # as a host's name it is not a secret any more
    door = watched.create()
    assert door is not None

    watched.deliver(door, success(door, url))
    watched.live_on()

    assert watched.stack.task(door).is_terminal


@pytest.mark.parametrize(
    "page", [OutputGone("scripted"), Page(content=b"<html>" + ECHO.encode()), Page(content=PNG, fault=OutputGone("x"))]
)
def test_bytes_that_are_no_picture(watched: Watched, page: Any) -> None:
    watched.stack.downloads.serve(URL, page)
    door = watched.create()
    assert door is not None

    watched.deliver(door, success(door, URL))
    watched.live_on()

    assert watched.stack.task(door).is_terminal
