"""Stand-ins on both sides of the HiAPI adapter: secrets that rotate, and a gateway that answers exactly the bytes it is told."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import httpx

from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.errors import StorageUnavailable
from tests.support.answering import Answering

API_KEY = "hi-sk-0123456789abcdef"
T0 = 1_777_282_100.0


class RotatingSecrets:
    """Fields of the deployment's secret; `next_fields` come into force at the next refresh."""

    def __init__(self, **fields: str) -> None:
        self.fields = {"hiapi_api_key": API_KEY} | fields
        self.next_fields: dict[str, str] = {}
        self.refreshed = 0
        self.down = False

    def get(self, name: str) -> str:
        if self.down:
            raise StorageUnavailable("the secret store did not answer")
        return self.fields.get(name, "")

    def refresh(self) -> None:
        self.refreshed += 1
        self.fields |= self.next_fields


def mocked(answer: Callable[[httpx.Request], httpx.Response], secrets: RotatingSecrets | None = None) -> HiApi:
    """The adapter before a gateway that is a function."""
    return HiApi(base_url="https://gateway.example", secrets=secrets or RotatingSecrets(), http=Answering(answer), now=lambda: T0)


def response(status: int, body: Any = b"", **headers: str) -> bytes:
    """An HTTP/1.1 answer with a Content-Length; objects become JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(raw)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


Script = Callable[[socket.socket], None]


class RawGateway:
    """Accepts on loopback, reads each request whole, and plays one script per connection (the last one for all others)."""

    def __init__(self, *scripts: Script | bytes, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = list(scripts)
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.requests: list[bytes] = []
        self._served: socket.socket | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._served is not None:
            # A script may still be listening on a connection that was kept.
            with contextlib.suppress(OSError):
                self._served.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def _serve(self) -> None:
        while not self._done.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._answer(self._tls.wrap_socket(connection, server_side=True) if self._tls else connection)

    def _answer(self, connection: socket.socket) -> None:
        self._served = connection
        with connection:
            self.requests.append(_read_request(connection))
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            connection.sendall(script) if isinstance(script, bytes) else script(connection)


def hang_up(connection: socket.socket) -> None:
    """End without a byte."""


def reset(connection: socket.socket) -> None:
    """End with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def drip(answer: bytes, *, every_s: float) -> Script:
    """One byte at a time, for as long as somebody listens: each comes well within any time-out between two bytes."""

    def play(connection: socket.socket) -> None:
        for position in range(len(answer)):
            connection.sendall(answer[position : position + 1])
            time.sleep(every_s)

    return play


def silence(connection: socket.socket) -> None:
    """Say nothing until the other side has had enough."""
    connection.settimeout(60)
    connection.recv(1)


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    for chunk in iter(lambda: connection.recv(65536), b""):
        received += chunk
        head, parted, body = received.partition(b"\r\n\r\n")
        if parted and len(body) >= _length(head):
            break
    return received


def _length(head: bytes) -> int:
    found: Iterator[int] = (
        int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    return next(found, 0)
