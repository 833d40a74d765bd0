"""A proxy before an AWS endpoint that notes which IAM action each request needs."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs", "secretsmanager": "secretsmanager"}
# S3 has no header that names the operation; asking for an object's facts needs the right to read it.
_OBJECTS = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject"}
_OWN_TO_A_HOP = ("connection", "keep-alive", "transfer-encoding")


@dataclass(slots=True)
class Recorded:
    """`endpoint` is where to send requests; `actions` what has been needed so far."""

    endpoint: str
    actions: set[str] = field(default_factory=set)


@contextmanager
def recording(endpoint: str) -> Iterator[Recorded]:
    """A proxy in front of `endpoint`, on a free port of loopback."""
    recorded = Recorded("")

    class Bound(_Proxy):
        upstream = urlsplit(endpoint).netloc
        actions = recorded.actions

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    recorded.endpoint = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield recorded
    finally:
        server.shutdown()
        server.server_close()


def action(method: str, target: str) -> str:
    """The IAM action of one request."""
    if not target:
        return _OBJECTS[method]
    service, _, operation = target.rpartition(".")
    return f"{_SERVICES[service]}:{operation}"


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: ClassVar[str]
    actions: ClassVar[set[str]]

    def _pass_on(self) -> None:
        self.actions.add(action(self.command, self.headers.get("X-Amz-Target", "")))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*_OWN_TO_A_HOP, "content-length"):
                self.send_header(name, value)
        # An answer to HEAD tells the length of what it does not hold.
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    # The server looks for methods of these names.
    do_GET = do_HEAD = do_POST = do_PUT = _pass_on  # noqa: N815  (see above)

    def log_message(self, format: str, *args: object) -> None:
        """The test reads `Recorded.actions` instead."""
