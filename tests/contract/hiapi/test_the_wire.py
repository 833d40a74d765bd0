"""What breaks below HTTP: told apart by whether anything was sent, and always within the time that was given."""

import gzip
import json
import socket
import ssl
import time
from typing import Any

import pytest
import trustme

from darkroom.adapters.upstreams.connections import Pool
from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.adapters.upstreams.http import USER_AGENT, exchange, shared_pool
from darkroom.errors import OutcomeUnknown, UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Accepted
from tests.contract.hiapi.gateways import RawGateway, RotatingSecrets, Script, drip, hang_up, reset, response, silence

OK = {"code": 200, "message": "success", "data": {"taskId": "tk-1", "status": "queued"}}
BUSY = {"code": 409, "message": "busy", "data": None, "error_code": "IDEMPOTENCY_KEY_PROCESSING"}


def submit(url: str, *, timeout_s: float = 30) -> Accepted:
    return HiApi(base_url=url, secrets=RotatingSecrets()).submit(b"{}", key="task_A:1", timeout_s=timeout_s)


def look(url: str, *, timeout_s: float = 30) -> Any:
    return HiApi(base_url=url, secrets=RotatingSecrets()).look("tk-1", attempt=1, timeout_s=timeout_s)


def test_a_whole_answer_is_accepted_over_a_real_socket() -> None:
    with RawGateway(response(200, OK)) as gateway:
        assert submit(gateway.url).upstream_task_id == "tk-1"

    assert gateway.requests[0].startswith(b"POST /v1/tasks HTTP/1.1\r\n")


# -- nothing was sent ----------------------------------------------------------------------------------


def test_a_refused_connection_means_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

    with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
        submit(url)
    with pytest.raises(UpstreamUnavailable):
        look(url)


def test_a_name_that_does_not_resolve_means_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
        submit("https://gateway.example")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_certificate_that_we_do_not_trust_means_nothing_was_sent(tls: ssl.SSLContext) -> None:
    with RawGateway(response(200, OK), tls=tls) as gateway:
        with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
            submit(gateway.url.replace("http:", "https:"))

    assert gateway.requests == []


def test_a_trusted_certificate_lets_the_request_through_in_the_time_given(authority: trustme.CA, tls: ssl.SSLContext) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    http = Pool(verify=trusting)

    with RawGateway(response(200, OK), drip(response(200, OK), every_s=0.2), tls=tls) as gateway:
        hiapi = HiApi(base_url=gateway.url.replace("http:", "https:"), secrets=RotatingSecrets(), http=http)
        assert hiapi.submit(b"{}", key="k", timeout_s=30).upstream_task_id == "tk-1"

        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            hiapi.submit(b"{}", key="k", timeout_s=2)
        assert time.monotonic() - began < 12


def test_a_handshake_that_never_comes_means_nothing_was_sent() -> None:
    with RawGateway(response(200, OK)) as gateway:
        with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
            submit(gateway.url.replace("http:", "https:"), timeout_s=1)


def test_no_time_left_means_nothing_was_sent() -> None:
    with RawGateway(response(200, OK)) as gateway:
        with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
            submit(gateway.url, timeout_s=0)

    assert gateway.requests == []


# -- sent and lost -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        hang_up,
        reset,
        b"HTTP/1.1 200 OK\r\nContent-",
        b"not http at all\r\n\r\n",
        response(200, OK)[:-10],
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":',
        response(200, OK, Content_Encoding="gzip"),
        response(409, BUSY)[:-60],
        response(422, BUSY)[:-60],
        response(500, OK)[:-10],
        response(302, b"", Location="http://[broken"),
        response(200, b'{"data":{"taskId":"tk-1"},"padding":"' + b"x" * 1024 * 1024 + b'"}'),
        silence,
    ],
    ids=lambda script: script[:40].decode() if isinstance(script, bytes) else script.__qualname__,
)
def test_a_lost_answer_to_a_create_is_unknown(script: Script | bytes) -> None:
    with RawGateway(script) as gateway:
        with pytest.raises(OutcomeUnknown):
            submit(gateway.url, timeout_s=3)

    assert len(gateway.requests) == 1


@pytest.mark.parametrize("script", [hang_up, reset, response(200, OK)[:-10], silence])
def test_a_lost_answer_to_a_look_means_look_again(script: Script | bytes) -> None:
    with RawGateway(script) as gateway:
        with pytest.raises(UpstreamUnavailable):
            look(gateway.url, timeout_s=3)


def test_a_refusal_whose_body_breaks_off_is_still_a_refusal() -> None:
    with RawGateway(response(402, BUSY)[:-60]) as gateway:
        with pytest.raises(UpstreamRefused) as caught:
            submit(gateway.url)

    assert caught.value.reason == "upstream_quota"


@pytest.mark.parametrize("answer", [response(200, OK), b"HTTP/1.1 200 OK\r\n" + b"X-Padding: xxxxxxxx\r\n" * 1000])
def test_a_gateway_that_drips_cannot_stretch_the_time(answer: bytes) -> None:
    with RawGateway(drip(answer, every_s=0.2)) as gateway:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            submit(gateway.url, timeout_s=2)

        assert time.monotonic() - began < 12


# -- manners -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    with RawGateway(response(200, OK)) as elsewhere:
        with RawGateway(response(status, b"", Location=elsewhere.url + "/v1/tasks")) as gateway:
            with pytest.raises(OutcomeUnknown):
                submit(gateway.url)
            with pytest.raises(OutcomeUnknown):
                look(gateway.url)

        assert elsewhere.requests == []


def test_a_cookie_is_not_carried_from_one_task_to_the_next() -> None:
    with RawGateway(response(200, OK, Set_Cookie="affinity=one; Path=/")) as gateway:
        submit(gateway.url)
        submit(gateway.url)

    assert b"cookie" not in gateway.requests[1].lower()


def test_nothing_of_the_environment_changes_where_a_request_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    with RawGateway(response(200, OK)) as gateway, Pool(verify=ssl.create_default_context()) as made_now:
        hiapi = HiApi(base_url=gateway.url, secrets=RotatingSecrets(), http=made_now)
        assert hiapi.submit(b"{}", key="task_A:1", timeout_s=30).upstream_task_id == "tk-1"


def test_a_packed_answer_is_unpacked_although_we_asked_for_a_plain_one() -> None:
    with RawGateway(response(200, gzip.compress(json.dumps(OK).encode()), Content_Encoding="gzip")) as gateway:
        assert submit(gateway.url).upstream_task_id == "tk-1"

    assert b"accept-encoding: identity" in gateway.requests[0].lower()


def test_a_packed_answer_may_come_in_members() -> None:
    whole = json.dumps(OK).encode()
    members = gzip.compress(whole[:20]) + gzip.compress(whole[20:])

    with RawGateway(response(200, members, Content_Encoding="gzip")) as gateway:
        assert submit(gateway.url).upstream_task_id == "tk-1"


def test_a_packed_answer_that_was_cut_before_it_came_is_no_whole_answer() -> None:
    cut = gzip.compress(json.dumps(OK).encode())[:-9]

    with RawGateway(response(409, cut, Content_Encoding="gzip")) as gateway, pytest.raises(OutcomeUnknown):
        submit(gateway.url)


def test_a_packed_answer_cannot_blow_up_beyond_the_bound() -> None:
    bomb = gzip.compress(b'{"padding":"' + b"x" * 64 * 1024 * 1024 + b'"}')

    with RawGateway(response(200, bomb, Content_Encoding="gzip")) as gateway:
        with pytest.raises(OutcomeUnknown) as caught:
            submit(gateway.url)

    assert len(caught.value.raw) <= 4096


def test_a_connection_is_used_again_for_the_next_request() -> None:
    kept = response(200, OK).replace(b"Connection: close\r\n", b"")

    def serve_two(connection: socket.socket) -> None:
        connection.sendall(kept)
        connection.recv(65536)
        connection.sendall(kept)

    with RawGateway(serve_two) as gateway:
        assert submit(gateway.url).upstream_task_id == submit(gateway.url).upstream_task_id

        assert len(gateway.requests) == 1


def test_the_pool_is_one_for_all() -> None:
    assert shared_pool() is shared_pool()


@pytest.mark.parametrize("said", ["Retry-After: 7\r\nRetry-After: 9", "RETRY-AFTER: 7,9", "retry-after:   7, 9  "])
def test_a_header_in_any_case_and_in_parts_is_one(said: str) -> None:
    answer = f"HTTP/1.1 200 X\r\nContent-Length: 0\r\nConnection: close\r\n{said}\r\n\r\n".encode()

    with RawGateway(answer) as gateway:
        got = exchange(shared_pool(), "GET", gateway.url, headers={}, timeout_s=30)

    assert got.headers["retry-after"].replace(" ", "") == "7,9"


def test_a_request_says_where_it_goes_who_asks_and_how_much_it_holds() -> None:
    with RawGateway(response(200, OK)) as gateway:
        exchange(shared_pool(), "POST", f"{gateway.url}/v1/tasks?a=b%2F", headers={"X-Own": "1"}, timeout_s=30, content=b"{}")

    line, *headers = gateway.requests[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert line == "POST /v1/tasks?a=b%2F HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: application/json",
        "Content-Length: 2",
        f"Host: {gateway.url.removeprefix('http://')}",
        f"User-Agent: {USER_AGENT}",
        "X-Own: 1",
    ]
