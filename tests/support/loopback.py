"""A small, quick HTTP/1.1 server on loopback that counts what a client should do rarely: connect, and ask before it sends."""

import contextlib
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedIOBase
from types import TracebackType
from typing import ClassVar, Self

_CHUNK = 64 * 1024


@dataclass(slots=True)
class Asked:
    """One request; header names are in lower case. The body is read once, whole or in chunks."""

    method: str
    target: str
    headers: Mapping[str, str]
    _incoming: BufferedIOBase
    _left: int

    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.chunks())

    def chunks(self, *, bytes_per_s: float | None = None) -> Iterator[bytes]:
        """The body as it comes in, no faster than `bytes_per_s`."""
        pace = _Pace(bytes_per_s)
        while self._left:
            chunk = self._incoming.read(min(_CHUNK, self._left))
            if not chunk:
                raise ConnectionResetError("the sender has broken off")
            self._left -= len(chunk)
            pace.after(len(chunk))
            yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer; `size` is needed where the body comes in pieces. An answer to HEAD has a size and no pieces."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    size: int | None = None


class Loopback:
    """Answers on a free port of 127.0.0.1 until it is closed: `with Loopback(answer) as server: server.url`.

    `connections` and `expects` (requests that waited for `100 Continue`) only grow.
    """

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.connections = 0
        self.expects = 0
        self._server = _Server(("127.0.0.1", 0), type("Bound", (_Connection,), {"owner": self, "answer": staticmethod(answer)}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def paced(chunks: Iterable[bytes], *, bytes_per_s: float | None) -> Iterator[bytes]:
    """The same chunks, no faster than a link would carry them."""
    pace = _Pace(bytes_per_s)
    for chunk in chunks:
        yield chunk
        pace.after(len(chunk))


class _Pace:
    """Sleeps as long as a link of so many bytes a second would have needed."""

    def __init__(self, bytes_per_s: float | None) -> None:
        self._bytes_per_s = bytes_per_s
        self._began = time.monotonic()
        self._passed = 0

    def after(self, size: int) -> None:
        if self._bytes_per_s is None:
            return
        self._passed += size
        ahead = self._began + self._passed / self._bytes_per_s - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


class _Connection(socketserver.StreamRequestHandler):
    # Headers and body leave in two packets; waiting for the first one's receipt would cost 40 ms a call.
    disable_nagle_algorithm = True
    owner: ClassVar[Loopback]
    answer: ClassVar[Callable[[Asked], Reply]]

    def handle(self) -> None:
        self.owner.connections += 1
        with contextlib.suppress(OSError):
            while (asked := self._read()) is not None:
                self._write(type(self).answer(asked))
                if asked._left:
                    return

    def _read(self) -> Asked | None:
        first = self.rfile.readline()
        if not first:
            return None
        method, target, _ = first.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := self.rfile.readline().rstrip(b"\r\n")) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.owner.expects += 1
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Asked(method, target, headers, self.rfile, int(headers.get("content-length", 0)))

    def _write(self, reply: Reply) -> None:
        whole = reply.body if isinstance(reply.body, bytes) else None
        size = len(whole) if whole is not None else reply.size
        lines = [f"HTTP/1.1 {reply.status} -", *(f"{name}: {value}" for name, value in reply.headers.items())]
        lines.append(f"Content-Length: {size}")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (whole or b""))
        if not isinstance(reply.body, bytes):
            for chunk in reply.body:
                self.wfile.write(chunk)
