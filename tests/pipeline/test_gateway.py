"""The local gateway against what API Gateway's HTTP APIs do (payload format 2.0)."""

import base64
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from local.environments import InvocationFailed
from local.gateway import MAX_BODY, Gateway
from local.parts import Route
from local.payload import BadAnswer, Request, from_answer, match, to_event

CALLBACK = Route(method="POST", path="/v1/callbacks/{upstream}/{task_id}/{token}", function="Callback")
DEFAULT = Route(method=None, path="$default", function="Api")
ROUTES = (CALLBACK, DEFAULT)


def event_of(
    method: str = "GET", target: str = "/", *, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()
) -> dict[str, Any]:
    request = Request(method=method, target=target, headers=headers, body=body, source_ip="127.0.0.1")
    return to_event(request, DEFAULT, {}, domain="localhost")


def test_header_names_are_lower_case_and_repeats_are_joined_by_commas() -> None:
    event = event_of(headers=(("X-One", "a"), ("x-one", "b"), ("Accept", "*/*")))

    assert event["headers"] == {"x-one": "a,b", "accept": "*/*"}


def test_cookies_stand_apart_from_the_headers() -> None:
    event = event_of(headers=(("Cookie", "a=1; b=2"),))

    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]


def test_the_query_is_given_raw_and_parsed_and_repeats_are_joined() -> None:
    event = event_of(target="/v1/tasks?limit=1&user=%C3%BC&user=b")

    assert event["rawPath"] == "/v1/tasks"
    assert event["rawQueryString"] == "limit=1&user=%C3%BC&user=b"
    assert event["queryStringParameters"] == {"limit": "1", "user": "ü,b"}


def test_what_is_absent_from_a_request_is_absent_from_its_event() -> None:
    event = event_of()

    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & set(event)
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("application/json", '{"a": "ü"}'.encode(), False),
        ("application/json; charset=utf-8", b"{}", False),
        ("application/problem+json", b"{}", False),
        ("text/plain", b"hello", False),
        ("", b"hello", False),
        ("image/png", b"hello", True),
        ("application/octet-stream", b"hello", True),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("application/json", b"\xff\xfe", True),
    ],
)
def test_a_body_is_text_where_its_type_says_so_and_base64_otherwise(content_type: str, body: bytes, encoded: bool) -> None:
    event = event_of("POST", body=body, headers=(("Content-Type", content_type),) if content_type else ())

    assert event["isBase64Encoded"] is encoded
    assert (base64.b64decode(event["body"]) if encoded else event["body"].encode()) == body


@pytest.mark.parametrize(
    ("method", "path", "function", "parameters"),
    [
        ("POST", "/v1/callbacks/hiapi/task_1/k.1.m", "Callback", {"upstream": "hiapi", "task_id": "task_1", "token": "k.1.m"}),
        ("POST", "/v1/callbacks/hiapi/task%5F1/x", "Callback", {"upstream": "hiapi", "task_id": "task_1", "token": "x"}),
        ("GET", "/v1/callbacks/hiapi/task_1/x", "Api", {}),
        ("POST", "/v1/callbacks/hiapi/task_1", "Api", {}),
        ("POST", "/v1/callbacks/hiapi//x", "Api", {}),
        ("POST", "/v1/callbacks/hiapi/task_1/x/y", "Api", {}),
        ("QUERY", "/anything", "Api", {}),
    ],
)
def test_a_request_goes_where_the_first_route_that_fits_leads(
    method: str, path: str, function: str, parameters: dict[str, str]
) -> None:
    found = match(ROUTES, method, path)

    assert found is not None
    assert (found[0].function, found[1]) == (function, parameters)


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": 99},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["no", "mapping"]},
    ],
)
def test_an_answer_that_is_none_is_a_fault_of_the_function(answer: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        from_answer(answer)


def test_an_answer_without_a_status_is_the_body_itself() -> None:
    response = from_answer({"looked_at": 1})

    assert (response.status, json.loads(response.body)) == (200, {"looked_at": 1})


@pytest.fixture
def gateway() -> Iterator[str]:
    """A gateway in front of a function that says what it was given."""
    faults: list[str] = []

    def invoke(function: str, event: Mapping[str, Any]) -> Any:
        path = event["rawPath"]
        if path == "/fails":
            raise InvocationFailed("it raised")
        if path == "/hangs":
            raise InvocationFailed("it timed out after 1 s")
        if path == "/odd":
            return {"statusCode": 1000}
        if path == "/gone":
            return {"statusCode": 204}
        told = {"function": function, "method": event["requestContext"]["http"]["method"], "size": len(event.get("body", ""))}
        return {"statusCode": 200, "headers": {"Content-Type": "application/json", "X-Line": "a\r\nb"}, "body": json.dumps(told)}

    server = Gateway(("127.0.0.1", 0), routes=ROUTES, fault=lambda _, text: faults.append(text), pages={})
    server.start(invoke)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.stop()
    server.server_close()


@pytest.mark.parametrize(("path", "status"), [("/fails", 500), ("/hangs", 503), ("/odd", 500), ("/gone", 204), ("/fine", 200)])
def test_what_a_function_does_becomes_a_status(gateway: str, path: str, status: int) -> None:
    assert httpx.get(gateway + path).status_code == status


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND"])
def test_any_method_reaches_the_function(gateway: str, method: str) -> None:
    assert httpx.request(method, gateway + "/x").json()["method"] == method


def test_a_head_request_gets_the_headers_and_no_body(gateway: str) -> None:
    answer = httpx.head(gateway + "/x")

    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


def test_a_header_cannot_smuggle_in_another_one(gateway: str) -> None:
    assert httpx.get(gateway + "/x").headers["x-line"] == "a  b"


def test_a_connection_serves_many_requests(gateway: str) -> None:
    connection = http.client.HTTPConnection(gateway.removeprefix("http://"), timeout=10)

    for number in range(3):
        connection.request("POST", "/x", body=b"x" * number, headers={"Content-Type": "text/plain"})
        assert json.loads(connection.getresponse().read())["size"] == number
    connection.close()


def test_a_chunked_body_arrives_whole(gateway: str) -> None:
    answer = httpx.post(gateway + "/x", content=iter([b"one", b"two"]), headers={"Content-Type": "text/plain"})

    assert answer.json()["size"] == 6


def test_a_body_over_ten_megabytes_is_refused_before_any_function_is_called(gateway: str) -> None:
    answer = httpx.post(gateway + "/x", content=b"x" * (MAX_BODY + 1), headers={"Content-Type": "text/plain"})

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_nonsense_on_the_wire_gets_a_4xx_and_the_connection_ends(gateway: str, raw: bytes) -> None:
    host, _, port = gateway.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(raw)
        wire.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: wire.recv(4096), b""))

    assert b" 4" in answer[:16] or b"Error code: 400" in answer
