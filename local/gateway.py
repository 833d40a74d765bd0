"""The HTTP API on one machine: requests become events for the functions, by the template's routes."""

import json
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from local.environments import InvocationFailed
from local.parts import Route
from local.payload import BadAnswer, Request, Response, from_answer, match, to_event

MAX_BODY = 10 * 1024 * 1024
"""API Gateway takes no larger one (HTTP API quotas)."""

Invoke = Callable[[str, Mapping[str, Any]], Any]
Page = Callable[[], Response]


class Gateway(ThreadingHTTPServer):
    """Serves the API; `pages` are paths that only exist locally, such as the Swagger page.

    `domain` is what the functions are told of where they were called: on one machine, no address for callbacks.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        *,
        routes: Sequence[Route],
        fault: Callable[[str, str], None],
        pages: Mapping[str, Page],
        domain: str = "localhost",
    ) -> None:
        super().__init__(address, _Handler)
        self._routes = routes
        self._invoke: Invoke = _nobody
        self._fault = fault
        self._pages = pages
        self._domain = domain
        self._ending = False

    def start(self, invoke: Invoke) -> None:
        """Answer from now on by calling functions; what came in before has waited."""
        self._invoke = invoke
        threading.Thread(target=self.serve_forever, args=(0.05,), name="gateway", daemon=True).start()

    def stop(self) -> None:
        """Take no further request; those that have begun may end, or fail without a word."""
        self._ending = True
        self.shutdown()

    def server_bind(self) -> None:
        """Without the look for this address's name, which takes seconds where nobody knows it."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nobody's fault."""

    def answer(self, request: Request) -> Response:
        """What one request gets."""
        path = request.target.partition("?")[0]
        if request.method in ("GET", "HEAD") and path in self._pages:
            return self._pages[path]()
        found = match(self._routes, request.method, path)
        if found is None:
            return _message(404, "Not Found")
        route, parameters = found
        try:
            return from_answer(self._invoke(route.function, to_event(request, route, parameters, domain=self._domain)))
        except InvocationFailed as error:
            if self._ending:
                return _message(503, "Service Unavailable")
            self._fault("gateway", f"{request.method} {route.key}: {error}")
            # API Gateway's own words for a function that ran out of time, and for one that failed.
            timed_out = "timed out" in str(error)
            return _message(503, "Service Unavailable") if timed_out else _message(500, "Internal Server Error")
        except BadAnswer as error:
            self._fault("gateway", f"{request.method} {route.key}: {error}")
            return _message(500, "Internal Server Error")


def _nobody(function: str, _event: Mapping[str, Any]) -> Any:
    raise InvocationFailed(f"{function} was called before the stack was up")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Gateway
    protocol_version = "HTTP/1.1"
    server_version = "darkroom"
    sys_version = ""
    # A connection that says nothing for so long (seconds) is closed.
    timeout = 75
    # Head and body leave in one packet; waiting for a receipt in between costs 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        # Any method at all is the function's to judge, as behind a $default route.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            self.close_connection = True
            self._send(_message(413, "Request Entity Too Large"))
            self._drain()
            return
        request = Request(
            method=self.command,
            target=self.path,
            headers=[*self.headers.items(), *self._forwarded()],
            body=body,
            source_ip=str(self.client_address[0]),
            protocol=self.request_version,
        )
        self._send(self.server.answer(request))

    def _forwarded(self) -> list[tuple[str, str]]:
        port = str(self.server.server_address[1])
        trace = f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]}"
        return [
            ("x-forwarded-for", str(self.client_address[0])),
            ("x-forwarded-port", port),
            ("x-forwarded-proto", "http"),
            ("x-amzn-trace-id", trace),
        ]

    def _read_body(self) -> bytes | None:
        """The body; None when it is too large or has no clear end."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return None
        return self.rfile.read(int(length))

    def _read_chunks(self) -> bytes | None:
        body = bytearray()
        while True:
            try:
                size = int(self.rfile.readline(64).partition(b";")[0], 16)
            except ValueError:
                return None
            if size < 0 or len(body) + size > MAX_BODY:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(1024)
            if size == 0:
                return bytes(body)

    def _drain(self) -> None:
        """Take a little of what is still coming: a client that is cut off while it sends would not see the answer."""
        for _ in range(64):
            if not self.rfile.read1(1024 * 1024):
                return

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        names = {name.lower() for name, _ in response.headers}
        for name, value in response.headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value.replace("\r", " ").replace("\n", " "))
        if "content-type" not in names and response.body:
            self.send_header("content-type", "text/plain; charset=utf-8")
        bodyless = response.status in (204, 304) or response.status < 200
        if not bodyless:
            self.send_header("content-length", self._length(response))
        self.end_headers()
        if not bodyless and self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _length(self, response: Response) -> str:
        told = next((value for name, value in response.headers if name.lower() == "content-length"), None)
        return told if told is not None and self.command == "HEAD" else str(len(response.body))

    def log_message(self, format: str, *args: Any) -> None:
        """The functions' own lines tell what happened; paths of callbacks hold tokens and are never logged."""


def _message(status: int, text: str) -> Response:
    return Response(status=status, headers=[("content-type", "application/json")], body=json.dumps({"message": text}).encode())
