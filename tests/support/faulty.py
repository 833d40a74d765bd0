"""A network that fails on command: a proxy in front of an AWS endpoint."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

DROP = "drop"
"""The service does its work, and its answer is lost."""

FAIL = "fail"
"""HTTP 500 without any work."""

THROTTLE = "throttle"
"""DynamoDB's word for too many requests, without any work."""

_ANSWERS = {
    FAIL: (500, b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"scripted"}'),
    THROTTLE: (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"scripted"}'),
}
# One hop's worth; everything else is passed on as it came.
_OWN_TO_A_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


@dataclass(slots=True)
class Faults:
    """What goes wrong next, by operation (`PutItem`); one request uses a fault up. `seen` lists the operations that came."""

    endpoint: str = ""
    seen: list[str] = field(default_factory=list)
    _planned: list[tuple[str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, fault: str, operation: str, *, times: int = 1) -> None:
        """The next `times` requests for `operation` suffer `fault`."""
        with self._lock:
            self._planned += [(operation, fault)] * times

    def take(self, operation: str) -> str | None:
        """The fault of this request, if any."""
        with self._lock:
            self.seen.append(operation)
            found = next((one for one in self._planned if one[0] == operation), None)
            if found is None:
                return None
            self._planned.remove(found)
            return found[1]


@contextmanager
def faulty(endpoint: str) -> Iterator[Faults]:
    """A proxy in front of `endpoint`, on a free port of loopback."""
    faults = Faults()

    class Bound(_Proxy):
        upstream = urlsplit(endpoint).netloc
        script = faults

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    faults.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: ClassVar[str]
    script: ClassVar[Faults]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.script.take(self.headers.get("X-Amz-Target", "").rpartition(".")[2])
        if fault in _ANSWERS:
            self._answer(*_ANSWERS[fault], {"Content-Type": "application/x-amz-json-1.0"})
            return
        answer = self._pass_on(body)
        if fault == DROP:
            self.close_connection = True
            return
        self._answer(*answer)

    def _pass_on(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            connection.request("POST", self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN_TO_A_HOP}
            return answer.status, answer.read(), kept
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests read `Faults.seen` instead."""
