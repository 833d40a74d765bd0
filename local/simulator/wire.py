"""HTTP/1.1 over sockets: reads requests, writes answers, and breaks connections when an answer says so."""

import logging
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local.simulator.dialects import HIAPI
from local.simulator.gateway import answer_request
from local.simulator.messages import Answer, Refused, Request
from local.simulator.world import World

# HiAPI docs, api-reference/rate-limits.
MAX_BODY_BYTES = 10 * 1024 * 1024
MOST_DRAINED_BYTES = 10 * MAX_BODY_BYTES
PIECE_BYTES = 64 * 1024
PIECES_PER_SECOND = 10

logger = logging.getLogger(__name__)


class Handler(BaseHTTPRequestHandler):
    """One connection; many requests may come over it."""

    protocol_version = "HTTP/1.1"
    server_version = "hiapi-simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = PIECE_BYTES
    server: "Server"

    def _serve(self) -> None:
        world = self.server.world
        body = self._read_body()
        if body is None:
            self._send(HIAPI.refused_answer(Refused(413, None, f"body: at most {MAX_BODY_BYTES} bytes, with their number")))
            return
        address = urlsplit(self.path)
        request = Request(
            id=world.new_request_id(),
            method=self.command,
            path=address.path,
            query=dict(parse_qsl(address.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        self._send(answer_request(world, request))

    def _read_body(self) -> bytes | None:
        """The body, or None when it is too large or of unknown length; then the connection ends too."""
        length = self.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) <= MAX_BODY_BYTES and "Transfer-Encoding" not in self.headers:
            return self.rfile.read(int(length))
        self.close_connection = True
        left = min(int(length), MOST_DRAINED_BYTES) if length.isdigit() else 0
        # Read on: a client that is still sending when the connection ends would miss the answer.
        while left > 0 and (piece := self.rfile.read(min(left, PIECE_BYTES))):
            left -= len(piece)
        return None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  (the base class looks these names up)

    def _send(self, answer: Answer) -> None:
        if answer.drop:
            self._break()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self._send_body(answer)

    def _send_body(self, answer: Answer) -> None:
        body = memoryview(answer.body)[: answer.cut_after]
        step = PIECE_BYTES
        if answer.bytes_per_second is not None:
            step = max(1, answer.bytes_per_second // PIECES_PER_SECOND)
        for start in range(0, len(body), step):
            self._send_piece(bytes(body[start : start + step]), chunked=answer.chunked)
            if answer.bytes_per_second is not None:
                self.wfile.flush()
                self.server.world.pause(step / max(1, answer.bytes_per_second))
        if answer.chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        if answer.cut_after is not None:
            self.close_connection = True

    def _send_piece(self, piece: bytes, *, chunked: bool) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)

    def _break(self) -> None:
        # Without lingering the peer sees a reset, as when a proxy dies.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Send the access log where all other logs go."""
        logger.info(format, *args)

    def finish(self) -> None:
        """End the connection, which the peer may have ended first."""
        try:
            super().finish()
        except OSError:
            logger.debug("connection ended early")


class Server(ThreadingHTTPServer):
    """The listening socket; it knows its connections, so that it can end them at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], world: World) -> None:
        super().__init__(address, Handler)
        self.world = world
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection and serve it on its own thread."""
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End the connection and forget it."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  (its signature)
        """Clients that go away are what this server is for: one line, no traceback."""
        logger.info("connection from %s broke", client_address, exc_info=logger.isEnabledFor(logging.DEBUG))

    def hang_up(self) -> None:
        """End every connection that is still open."""
        with self._guard:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("connection was closed already")
