"""A connection is used again only when nothing is left in it: what answers one request must never answer the next."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from darkroom.adapters.upstreams.connections import Pool
from darkroom.adapters.upstreams.http import Answer, exchange, shared_pool
from darkroom.errors import OutcomeUnknown, UpstreamUnavailable
from tests.contract.hiapi.gateways import RawGateway, Script, hang_up, silence


@pytest.fixture
def pool() -> Iterator[Pool]:
    with shared_pool() as pool:
        yield pool


def kept(body: bytes = b"{}", *, status: str = "200 OK", more: str = "") -> bytes:
    """An answer after which the connection stays open."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def in_turn(*answers: bytes, behind: float = 0.0) -> Script:
    """One answer for each request on this connection, each in one segment; it then stays open until the other side ends it."""

    def play(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, answer in enumerate(answers):
            if number:
                connection.recv(65536)
            connection.sendall(answer)
            time.sleep(behind)
        connection.settimeout(30)
        connection.recv(65536)

    return play


def ask(pool: Pool, gateway: RawGateway, *, timeout_s: float = 20, method: str = "GET", content: bytes | None = None) -> Answer:
    return exchange(pool, method, f"{gateway.url}/v1/tasks", headers={}, timeout_s=timeout_s, content=content)


@pytest.mark.parametrize(
    "first",
    [
        kept(b'{"n":1}'),
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"n\r\n4\r\n":1}\r\n0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"n":1}\r\n0\r\nX-Trailer: x\r\n\r\n',
        kept(b"", status="204 No Content"),
        kept(b"gone", status="404 Not Found"),
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + kept(b'{"n":1}'),
        b"HTTP/1.1 100 Continue\r\n\r\n" + kept(b'{"n":1}'),
    ],
    ids=["length", "chunks", "trailers", "no content", "a refusal", "hints before", "continue"],
)
def test_a_whole_answer_leaves_the_connection_for_the_next_request(pool: Pool, first: bytes) -> None:
    with RawGateway(in_turn(first, kept(b'{"n":2}'))) as gateway:
        answers = [ask(pool, gateway), ask(pool, gateway)]

        assert [answer.complete for answer in answers] == [True, True]
        assert answers[1].body == b'{"n":2}'
        assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    "first",
    [
        kept(b'{"n":1}') + kept(b'{"whose":"nobody\'s"}'),
        kept(b'{"n":1}') + b"x",
        kept(b"", status="204 No Content") + b"{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + kept(b'{"whose":"nobody\'s"}'),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ],
    ids=["a second answer", "a byte", "behind no content", "behind chunks", "close", "HTTP/1.0", "another protocol"],
)
def test_a_connection_on_which_more_may_come_is_left(pool: Pool, first: bytes) -> None:
    with RawGateway(in_turn(first), in_turn(kept(b'{"n":2}'))) as gateway:
        ask(pool, gateway)

        assert ask(pool, gateway).body == b'{"n":2}'
        assert len(gateway.requests) == 2


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(pool: Pool) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(kept(b'{"n":1}'))
        served.wait(30)
        connection.sendall(kept(b'{"whose":"nobody\'s"}'))
        sent.set()
        connection.settimeout(30)
        connection.recv(65536)

    served, sent = threading.Event(), threading.Event()
    with RawGateway(serve, in_turn(kept(b'{"n":2}'))) as gateway:
        ask(pool, gateway)
        served.set()
        assert sent.wait(30)
        time.sleep(0.1)

        assert ask(pool, gateway).body == b'{"n":2}'


def test_a_connection_that_was_ended_meanwhile_is_not_used_again(pool: Pool) -> None:
    with RawGateway(kept(b'{"n":1}'), kept(b'{"n":2}')) as gateway:
        ask(pool, gateway)
        time.sleep(0.2)

        assert ask(pool, gateway, method="POST", content=b"{}").body == b'{"n":2}'


def test_a_connection_that_has_been_idle_for_long_is_not_used_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawGateway(in_turn(kept(b'{"n":1}')), in_turn(kept(b'{"n":2}'))) as gateway:
        ask(pool, gateway)
        monkeypatch.setattr("darkroom.adapters.upstreams.connections._IDLE_S", 0.0)

        assert ask(pool, gateway).body == b'{"n":2}'
        assert len(gateway.requests) == 2


def test_a_post_on_a_kept_connection_that_dies_is_not_sent_again(pool: Pool) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(kept(b'{"n":1}'))
        connection.recv(65536)

    with RawGateway(serve, kept(b'{"n":2}')) as gateway:
        ask(pool, gateway)
        with pytest.raises(OutcomeUnknown):
            ask(pool, gateway, method="POST", content=b"{}")

        assert len(gateway.requests) == 1


@pytest.mark.parametrize("length", ["abc", "-1", "+2", "2, 2", "²", "0x2"])
def test_a_length_that_nobody_can_read_ends_the_answer_at_once(pool: Pool, length: str) -> None:
    with RawGateway(in_turn(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + b"{}")) as gateway:
        began = time.monotonic()
        answer = ask(pool, gateway)

        assert not answer.complete
        assert time.monotonic() - began < 15


def test_two_lengths_that_differ_are_none(pool: Pool) -> None:
    with RawGateway(in_turn(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}")) as gateway:
        assert not ask(pool, gateway).complete


def test_what_breaks_off_is_kept_as_far_as_it_came(pool: Pool) -> None:
    broken = kept(json.dumps({"padding": "x" * 500}).encode())[:-100]

    with RawGateway(broken) as gateway:
        answer = ask(pool, gateway)

    assert (answer.status, answer.complete) == (200, False)
    assert answer.body.startswith(b'{"padding": "xxx')


def test_what_comes_too_late_is_kept_as_far_as_it_came(pool: Pool) -> None:
    with RawGateway(in_turn(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")) as gateway:
        answer = ask(pool, gateway, timeout_s=1)

    assert (answer.status, answer.body, answer.complete) == (200, b"{}", False)


def test_a_time_is_kept_also_where_the_one_before_was_longer(pool: Pool) -> None:
    with RawGateway(in_turn(kept(b'{"n":1}'), b"")) as gateway:
        ask(pool, gateway, timeout_s=30)
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            ask(pool, gateway, timeout_s=0.5)

        assert time.monotonic() - began < 10


def test_a_shorter_time_leaves_a_connection_that_takes_longer_afterwards(pool: Pool) -> None:
    with RawGateway(in_turn(kept(b'{"n":1}'), kept(b'{"n":2}'), behind=1.0)) as gateway:
        ask(pool, gateway, timeout_s=0.8)

        assert ask(pool, gateway, timeout_s=20).body == b'{"n":2}'


@pytest.mark.parametrize("script", [hang_up, silence])
def test_a_broken_connection_is_not_kept(pool: Pool, script: Script) -> None:
    with RawGateway(script, in_turn(kept(b'{"n":2}'))) as gateway:
        with pytest.raises(OutcomeUnknown):
            ask(pool, gateway, timeout_s=0.5)

        assert ask(pool, gateway).body == b'{"n":2}'


def test_many_threads_share_the_connections_and_each_gets_its_own_answer(pool: Pool) -> None:
    class Echo(BaseHTTPRequestHandler):
        """Answers with the request's own path."""

        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.append(self)

        def do_GET(self) -> None:
            time.sleep(0.001)
            self.wfile.write(kept(self.path.encode()))

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    def work(name: int) -> list[bytes]:
        paths = [f"/{name}/{number}" for number in range(40)]
        return [
            path.encode() for path in paths if exchange(pool, "GET", url + path, headers={}, timeout_s=30).body.decode() != path
        ]

    connections: list[Echo] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server, ThreadPoolExecutor(8) as threads:
        url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert list(threads.map(work, range(8))) == [[]] * 8
        pool.close()
        server.shutdown()

    assert len(connections) <= 8


def test_a_host_without_a_name_is_not_asked(pool: Pool) -> None:
    with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
        exchange(pool, "GET", "http://" + "a" * 70 + ".example", headers={}, timeout_s=5)
