"""A web server on loopback, with TLS or without, that answers just as a test says, byte by byte."""

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import trustme

HOST = "cdn.example"
Answer = Callable[["Visit"], None]


@dataclass(slots=True)
class Visit:
    """One request: its head, and the connection to answer on. `end` says in TLS that nothing more will come."""

    path: str
    headers: dict[str, str]
    send: Callable[[bytes], None]
    end: Callable[[], object] = field(default=lambda: None)


@dataclass(slots=True)
class Origin:
    """The running server. `answers` maps a path to what happens there; `visits` and `connections` say what came."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    connections: int = 0

    def serve(self, path: str, body: bytes, *headers: str, status: str = "200 OK") -> None:
        self.answers[path] = lambda visit: visit.send(head(status, f"Content-Length: {len(body)}", *headers) + body)

    def redirect(self, path: str, target: str) -> None:
        self.serve(path, b"", f"Location: {target}", status="302 Found")


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def authority() -> trustme.CA:
    return trustme.CA()


def trusting(ca: trustme.CA) -> ssl.SSLContext:
    """A client's context that knows this authority and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.configure_trust(context)
    return context


@contextmanager
def origin(ca: trustme.CA | None = None, *names: str) -> Iterator[Origin]:
    """A server on a free port; with an authority it speaks TLS and has a certificate for `names`."""
    running = Origin()

    class Bound(_Handler):
        served = running
        context = _serving(ca, names or (HOST,)) if ca else None

    with _Server(("127.0.0.1", 0), Bound) as server:
        running.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def first_bytes() -> Iterator[tuple[int, list[bytes]]]:
    """A port, and the first byte of each connection to it, with which it ends: 0x16 where somebody wants to speak TLS."""
    heard: list[bytes] = []

    class Deaf(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            heard.append(self.request.recv(1))

    with _Server(("127.0.0.1", 0), Deaf) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1], heard
        finally:
            server.shutdown()
            thread.join()


def _serving(ca: trustme.CA, names: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(context)
    return context


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


class _Handler(socketserver.BaseRequestHandler):
    served: ClassVar[Origin]
    context: ClassVar[Any]

    def handle(self) -> None:
        self.served.connections += 1
        with contextlib.suppress(OSError):
            connection = self.context.wrap_socket(self.request, server_side=True) if self.context else self.request
            with connection, connection.makefile("rb") as incoming:
                while request := _read_request(incoming):
                    visit = Visit(request[0], request[1], connection.sendall, getattr(connection, "unwrap", lambda: None))
                    self.served.visits.append(visit)
                    self.served.answers.get(visit.path, _nothing)(visit)


def _read_request(incoming: Any) -> tuple[str, dict[str, str]] | None:
    lines = []
    while (line := incoming.readline().rstrip(b"\r\n")) != b"":
        lines.append(line.decode("latin-1"))
    if not lines:
        return None
    pairs = (line.partition(": ") for line in lines[1:])
    return lines[0].split(" ")[1], {name.lower(): value for name, _, value in pairs}


def _nothing(visit: Visit) -> None:
    visit.send(head("404 Not Found", "Content-Length: 0"))
