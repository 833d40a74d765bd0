"""The network between the pipeline and everything it talks to: every exchange is noted, and a script may bend it."""

import base64
import http.client
import itertools
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

DROP = "drop"
"""The work is done, and its answer is lost."""

CUT = "cut"
"""The connection ends before anything is done."""

FAIL = "fail"
"""The service's word for an error of its own, without any work."""

THROTTLE = "throttle"
"""The service's word for too many requests, without any work."""

STALL = "stall"
"""Nothing is done and nothing is said until the other side gives up."""

UPSTREAM = "upstream"
_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs", "secretsmanager": "secretsmanager"}
_OWN_TO_A_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")
# What changes something that outlives the process which asked for it; a download is paid traffic and counted.
EFFECTS = frozenset({"dynamodb PutItem", "s3 PutObject", "sqs SendMessage", "upstream create", "upstream download"})


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request; `door` is whose it was, `at` when it came; `status` None: it was not passed on, or had no answer."""

    number: int
    door: str
    service: str
    operation: str
    path: str
    at: float
    headers: Mapping[str, str]
    body: bytes
    status: int | None = None

    @property
    def name(self) -> str:
        return f"{self.service} {self.operation}"

    @property
    def has_effect(self) -> bool:
        return self.name in EFFECTS

    @property
    def said(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def written(self) -> dict[str, Any] | None:
        """The row that it meant to write."""
        return {name: _typed(value) for name, value in self.said["Item"].items()} if self.name == "dynamodb PutItem" else None


def _typed(value: dict[str, Any]) -> dict[str, Any]:
    """A value as botocore gives it: bytes are base64 on the wire."""
    ((kind, content),) = value.items()
    if kind == "B":
        return {kind: base64.b64decode(content)}
    if kind == "L":
        return {kind: [_typed(one) for one in content]}
    if kind == "M":
        return {kind: {name: _typed(one) for name, one in content.items()}}
    return value


class Script:
    """What happens to requests; this one lets everything pass. Called from many threads."""

    def arrived(self, exchange: Exchange) -> str | None:
        """A fault for a request that has come; may take its time."""
        return None

    def answered(self, exchange: Exchange) -> str | None:
        """DROP, for an answer that is there."""
        return None

    def call_over(self) -> None:
        """The invocation that made the requests has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where one actor finds AWS and the upstream: so it is known who asks."""

    name: str
    aws: str
    upstream: str


@dataclass(slots=True)
class Wire:
    """All doors and what went through them, at the times of `clock`; `script` may be replaced between runs."""

    aws: str
    upstream: str
    clock: Callable[[], float] = time.time
    script: Script = field(default_factory=Script)
    journal: list[Exchange] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    _end: ExitStack = field(default_factory=ExitStack)
    _doors: dict[str, Door] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def door(self, name: str) -> Door:
        """The door of this name, opened when it is first asked for."""
        if name not in self._doors:
            aws, upstream = (self._end.enter_context(_listening(self, name, one)) for one in (self.aws, self.upstream))
            self._doors[name] = Door(name=name, aws=aws, upstream=upstream)
        return self._doors[name]

    def note(self, **facts: Any) -> Exchange:
        """Add a request to the journal."""
        with self._lock:
            exchange = Exchange(number=next(self._numbers), at=self.clock(), **facts)
            self.journal.append(exchange)
        return exchange

    def since(self, mark: int) -> list[Exchange]:
        """What came after so many exchanges."""
        return self.journal[mark:]

    def close(self) -> None:
        """Close all doors."""
        self.stopped.set()
        self._end.close()


def names(door: str, method: str, path: str, target: str) -> tuple[str, str]:
    """The service and the operation of a request."""
    if target:
        prefix, _, operation = target.rpartition(".")
        return _SERVICES[prefix], operation
    if door == UPSTREAM:
        downloads = path.startswith("/outputs/")
        return UPSTREAM, "download" if downloads else {"POST": "create", "GET": "look"}[method]
    return "s3", {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject"}[method]


@contextmanager
def _listening(wire: Wire, name: str, target: str) -> Iterator[str]:
    server = _Server(wire, name, target)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name=f"door {name}", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Server threads may be stalled on purpose.
    block_on_close = False
    request_queue_size = 256

    def __init__(self, wire: Wire, name: str, target: str) -> None:
        self.wire, self.name, self.target = wire, name, target
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients are killed here on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        wire, body = self.server.wire, self._body()
        if body is None:
            self.close_connection = True
            return
        kind = UPSTREAM if self.server.target == wire.upstream else ""
        service, operation = names(kind, self.command, self.path, self.headers.get("X-Amz-Target", ""))
        headers = {name.lower(): value for name, value in self.headers.items()}
        # A picture is not worth remembering.
        told = b"" if service == "s3" else body
        asked = {"service": service, "operation": operation, "path": self.path}
        exchange = wire.note(door=self.server.name, **asked, headers=headers, body=told)
        self._answer(exchange, body, wire.script.arrived(exchange))

    # The server looks for methods of these names.
    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815  (see above)

    def _body(self) -> bytes | None:
        """All of it; None when whoever sent it has died on the way: S3 keeps nothing of an upload that breaks off."""
        told = self.headers.get("Content-Length")
        if told is None:
            # The headers may have broken off as well; whoever has a body announces it.
            return None if self.command in ("POST", "PUT") else b""
        body = self.rfile.read(int(told))
        return body if len(body) == int(told) else None

    def _answer(self, exchange: Exchange, body: bytes, fault: str | None) -> None:
        if fault in (FAIL, THROTTLE):
            self._send(*_words(exchange.service, fault))
            return
        if fault in (CUT, STALL):
            self._wait_for_goodbye(fault)
            return
        try:
            exchange.status, headers, content = self._pass_on(body)
        except (http.client.HTTPException, OSError):
            # The simulator drops answers too.
            fault = DROP
        if DROP in (fault, self.server.wire.script.answered(exchange)):
            self.close_connection = True
            return
        self._send(exchange.status, content, headers)

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        # One connection each: a kept one that its server closes meanwhile would look like a fault of ours.
        connection = http.client.HTTPConnection(urlsplit(self.server.target).netloc, timeout=60)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body, kept)
            answer = connection.getresponse()
            content = answer.read()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN_TO_A_HOP}
            if self.command == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length") or "0"
            return answer.status, headers, content
        finally:
            connection.close()

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(content))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def _wait_for_goodbye(self, fault: str) -> None:
        self.close_connection = True
        while fault == STALL and not self.server.wire.stopped.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def log_message(self, format: str, *args: object) -> None:
        """The journal tells it."""


_JSON_WORDS = {
    ("dynamodb", FAIL): (500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    ("dynamodb", THROTTLE): (400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
    ("sqs", FAIL): (500, "com.amazonaws.sqs#InternalFailure"),
    ("sqs", THROTTLE): (400, "com.amazonaws.sqs#RequestThrottled"),
    ("secretsmanager", FAIL): (500, "InternalServiceError"),
    ("secretsmanager", THROTTLE): (400, "ThrottlingException"),
}
_XML_WORDS = {FAIL: (500, "InternalError"), THROTTLE: (503, "SlowDown")}
_UPSTREAM_WORDS = {FAIL: 502, THROTTLE: 429}


def _words(service: str, fault: str) -> tuple[int, bytes, dict[str, str]]:
    """Each service's way to say it."""
    if service == UPSTREAM:
        return _UPSTREAM_WORDS[fault], b"<html>scripted</html>", {"Content-Type": "text/html"}
    if service == "s3":
        status, code = _XML_WORDS[fault]
        xml = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>scripted</Message></Error>'
        return status, xml.encode(), {"Content-Type": "application/xml"}
    status, code = _JSON_WORDS[service, fault]
    return status, json.dumps({"__type": code, "message": "scripted"}).encode(), {"Content-Type": "application/x-amz-json-1.0"}
