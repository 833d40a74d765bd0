"""A connection is used again only when nothing is left in it: what answers one request must never answer the next."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

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


@contextmanager
def silent_address() -> Iterator[tuple[str, int]]:
    """Where nobody answers whoever connects: the queue of those who wait to be let in is full."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filling in (first, second):
            filling.setblocking(False)
            filling.connect_ex(full.getsockname())
        yield full.getsockname()


def ask(pool: Pool, gateway: RawGateway, *, timeout_s: float = 20, method: str = "GET", content: bytes | None = None) -> Answer:
    headers = {"Idempotency-Key": "k"} if content is not None else {}
    return exchange(pool, method, f"{gateway.url}/v1/tasks", headers=headers, timeout_s=timeout_s, content=content)


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
        kept(b'{"n":1}', more="Content-Length: 7 \r\n"),
        kept(b'{"n":1}', more="Transfer-Encoding: identity\r\n"),
        kept(b'{"n":1}', more="Content-Type: multipart/mixed\r\n"),
        kept(b'{"n":1}', more="X-Folded: a\r\n b\r\n: nameless\r\nX-Empty:\r\n"),
    ],
    ids=[
        *("length", "chunks", "trailers", "no content", "a refusal", "hints before", "continue"),
        *("the length twice", "identity", "multipart", "odd headers"),
    ],
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


def test_what_lies_decrypted_in_a_connection_answers_nobody() -> None:
    """The head in one TLS record, the body and more in the next: no byte of the rest is left in the kernel."""
    authority, trusting, tls = trustme.CA(), ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(trusting)

    def serve(connection: socket.socket) -> None:
        head, _, body = kept(b'{"n":1}').partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n")
        time.sleep(0.1)
        connection.sendall(body + kept(b'{"whose":"nobody\'s"}'))
        connection.settimeout(30)
        connection.recv(65536)

    with RawGateway(serve, in_turn(kept(b'{"n":2}'), kept(b'{"n":3}')), tls=tls) as gateway, Pool(verify=trusting) as pool:
        url = gateway.url.replace("http:", "https:")
        bodies = [exchange(pool, "GET", url, headers={}, timeout_s=20).body for _ in range(3)]

    assert bodies == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    # The third went over the second's connection: what TLS itself sends behind an answer does not end it.
    assert len(gateway.requests) == 2


def test_a_refusal_that_comes_before_all_was_sent_is_heard(pool: Pool) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.5)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                refuse(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        answer = exchange(pool, "POST", url, headers={}, timeout_s=20, content=bytes(32 * 1024 * 1024))
        thread.join(30)

    assert (answer.status, answer.body) == (413, b"{}")


def test_many_silent_addresses_share_one_time(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_address() as silent:
        found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", silent)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found] * 6)

        began = time.monotonic()
        with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
            exchange(pool, "POST", "http://gateway.example", headers={}, timeout_s=1, content=b"{}")

    assert time.monotonic() - began < 4


def test_a_silent_address_leaves_time_for_the_next_one(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawGateway(kept(b'{"n":1}')) as gateway, silent_address() as silent:
        live = ("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        unknown = (socket.AF_INET, socket.SOCK_STREAM, 255, "", live)
        found = [unknown, *((socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in (silent, live))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        assert exchange(pool, "GET", "http://gateway.example", headers={}, timeout_s=20).body == b'{"n":1}'


def test_headers_that_trip_their_parser_are_a_lost_answer(pool: Pool) -> None:
    tripping = kept(b"{}", more="Content-Type: multipart/x; boundary*=a; boundary*0=b\r\n")

    with RawGateway(tripping) as gateway, pytest.raises(OutcomeUnknown):
        ask(pool, gateway, method="POST", content=b"{}")


def test_an_address_that_is_out_of_order_is_passed_over(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawGateway(kept(b'{"n":1}')) as gateway, socket.create_server(("127.0.0.1", 0)) as gone:
        dead, port = gone.getsockname(), int(gateway.url.rpartition(":")[2])
        gone.close()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in (dead, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        assert exchange(pool, "GET", "http://gateway.example", headers={}, timeout_s=20).body == b'{"n":1}'


def test_a_header_that_cannot_be_sent_means_nothing_was_sent(pool: Pool) -> None:
    with RawGateway(kept()) as gateway:
        with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
            exchange(pool, "POST", gateway.url, headers={"X-Own": "a\r\nb"}, timeout_s=20, content=b"{}")
        assert ask(pool, gateway).status == 200

    assert sum(map(bool, gateway.requests)) == 1


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


def test_connections_to_where_nobody_asks_any_more_are_ended(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(connection: socket.socket) -> None:
        connection.sendall(kept(b'{"n":1}'))
        connection.settimeout(30)
        ended.extend([connection.recv(65536)])

    ended: list[bytes] = []
    with RawGateway(told) as former, RawGateway(in_turn(kept(b'{"n":2}'))) as present:
        ask(pool, former)
        monkeypatch.setattr("darkroom.adapters.upstreams.connections._IDLE_S", 0.01)
        time.sleep(0.05)
        ask(pool, present)

    assert ended == [b""]


def test_a_post_on_a_kept_connection_that_dies_is_not_sent_again(pool: Pool) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(kept(b'{"n":1}'))
        connection.recv(65536)

    with RawGateway(serve, kept(b'{"n":2}')) as gateway:
        ask(pool, gateway)
        with pytest.raises(OutcomeUnknown):
            ask(pool, gateway, method="POST", content=b"{}")

        assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    "headers",
    [
        *(f"Content-Length: {length}" for length in ("abc", "-1", "+2", "2, 3", "2,", "²", "0x2", "9" * 5000)),
        "Transfer-Encoding: gzip, chunked",
        "Content-Length : 2",
        "X Bad: y\r\nContent-Length: 2",
        "no header at all\r\nContent-Length: 2",
        "X: y\r\nFrom somebody\r\nContent-Length: 2",
    ],
    ids=lambda headers: headers[:40],
)
def test_a_body_whose_length_nobody_can_tell_ends_at_once(pool: Pool, headers: str) -> None:
    with RawGateway(in_turn(f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode() + b"{}")) as gateway:
        began = time.monotonic()
        answer = ask(pool, gateway)

        assert not answer.complete
        assert time.monotonic() - began < 15


def test_two_lengths_that_differ_are_none(pool: Pool) -> None:
    with RawGateway(in_turn(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}")) as gateway:
        assert not ask(pool, gateway).complete


@pytest.mark.parametrize(
    "answer",
    [b"Content-Length: 2, 2\r\n\r\n{}", b"Transfer-Encoding: chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ids=["2, 2", "blank"],
)
def test_a_length_that_is_told_oddly_is_understood(pool: Pool, answer: bytes) -> None:
    with RawGateway(in_turn(b"HTTP/1.1 200 OK\r\n" + answer)) as gateway:
        found = ask(pool, gateway)

        assert (found.body, found.complete) == (b"{}", True)


def test_a_post_that_must_not_be_repeated_has_a_new_connection(pool: Pool) -> None:
    """Whether the other side has just ended a kept one cannot be known, and is a lost order where nobody may send it again."""

    served: list[object] = []

    class Noting(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.append(self)
            self.wfile.write(kept())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Noting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        exchange(pool, "GET", url, headers={}, timeout_s=20)
        exchange(pool, "POST", url, headers={}, timeout_s=20, content=b"{}")
        exchange(pool, "GET", url, headers={}, timeout_s=20)
        exchange(pool, "POST", url, headers={"Idempotency-Key": "k"}, timeout_s=20, content=b"{}")
        pool.close()
        server.shutdown()

    first, second, *others = served
    assert first is not second
    assert others == [second, second]


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


def test_a_resolver_that_does_not_answer_ends_with_the_time(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: over.wait(30) and [])

    began = time.monotonic()
    with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
        exchange(pool, "GET", "http://gateway.example", headers={}, timeout_s=0.2)
    took = time.monotonic() - began
    over.set()

    assert took < 10


def test_a_host_without_a_name_is_not_asked(pool: Pool) -> None:
    with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
        exchange(pool, "GET", "http://" + "a" * 70 + ".example", headers={}, timeout_s=5)
