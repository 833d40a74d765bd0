"""Kept connections to gateways: HTTP/1.1 by the standard library, and no wait beyond a deadline, whatever comes or does not."""

import email.errors
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from urllib3.util.wait import wait_for_read

from darkroom.adapters.addresses import resolved_within
from darkroom.adapters.web_address import WebAddress

CONNECT_S = 3.0
"""Connecting takes milliseconds or fails; a longer wait would eat the budget of the answer."""

# Many servers hang up after five seconds.
_IDLE_S = 4.0
# More than a sweep of the reconciler uses at once.
_MOST_IDLE = 100
_PIECE = 64 * 1024
_NEARLY_S = 0.05
# What a line was that left it, and all headers behind it, out.
_LEFT_OUT = (
    email.errors.FirstHeaderLineIsContinuationDefect,
    email.errors.MisplacedEnvelopeHeaderDefect,
    email.errors.MissingHeaderBodySeparatorDefect,
)


class NotSent(Exception):
    """Nothing left: no connection came about. `args[0]` is the kind of fault."""


class BrokenOff(Exception):
    """Something may have left, and no whole answer came. `args[0]` is the kind of fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. Of headers it has these, Host, and the length of `content`."""

    method: str
    address: WebAddress
    headers: Mapping[str, str]
    content: bytes | None = None

    @property
    def may_be_repeated(self) -> bool:
        """Whether somebody may send it again when its answer is lost."""
        return self.content is None or "Idempotency-Key" in self.headers


class Answered(Protocol):
    """What comes back: the head, and the body in `pieces`, which raises BrokenOff."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Iterable[tuple[str, str]]: ...

    def pieces(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class Http(Protocol):
    """What sends a request; raises NotSent and BrokenOff."""

    def send(self, asked: Asked, *, ends: float) -> Answered: ...


class Pool:
    """Connections that are kept for the next request, to any number of gateways; safe to use from threads.

    Nothing of the environment changes where a request goes: no proxy, no credentials; no cookie and no redirect either.
    """

    def __init__(self, *, verify: ssl.SSLContext) -> None:
        self._verify = verify
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, asked: Asked, *, ends: float) -> "_Exchange":
        """Ask, and wait for the answer's head until `ends` (monotonic seconds).

        The other side may have ended a kept connection without our having heard: what must not be repeated gets a new one.
        """
        place = asked.address.origin
        kept = self._kept(place) if asked.may_be_repeated else None
        return (kept or _connected(place, self._verify, ends)).ask(asked, ends, self)

    def keep(self, connection: "_Connection") -> None:
        """Nothing is under way on it any more. Those that have been idle for long go: they stand first."""
        with self._lock:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
            while self._idle and (self._idle[0].is_stale() or len(self._idle) > _MOST_IDLE):
                self._idle.pop(0).close()

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _kept(self, place: tuple[str, str, int]) -> "_Connection | None":
        while (connection := self._newest(place)) is not None:
            if connection.is_usable():
                return connection
            connection.close()
        return None

    def _newest(self, place: tuple[str, str, int]) -> "_Connection | None":
        with self._lock:
            for number in reversed(range(len(self._idle))):
                if self._idle[number].place == place:
                    return self._idle.pop(number)
        return None


class _Connection:
    """One socket, and when whoever uses it has no more time. `clean`: nothing has come that nobody asked for."""

    def __init__(self, place: tuple[str, str, int], sock: socket.socket) -> None:
        self.place = place
        self.idle_since = 0.0
        self.clean = True
        self._sock = sock
        self._has_sent = False
        self._ends = self._time_out = 0.0
        self._client = http.client.HTTPConnection(place[1], place[2])
        self._client.response_class = _Response
        # It never connects by itself: whoever lost a connection must know it.
        self._client.auto_open = 0
        wire: Any = _Wire(self)
        self._client.sock = wire

    def is_stale(self) -> bool:
        """Whether it has been idle for so long that the other side may be about to end it."""
        return time.monotonic() - self.idle_since >= _IDLE_S

    def is_usable(self) -> bool:
        """Whether it has not been idle for long, and nothing lies in it: its end, mostly."""
        if self.is_stale() or wait_for_read(self._sock, timeout=0):
            return False
        # What came in the same TLS record as something that was read is nowhere but in there.
        return not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def ask(self, asked: Asked, ends: float, pool: Pool) -> "_Exchange":
        """Send the request and wait for the answer's head."""
        self._ends = ends
        self._has_sent = False
        try:
            target = asked.address.target.decode("ascii")
            self._client.putrequest(asked.method, target, skip_host=True, skip_accept_encoding=True)
            self._client.putheader("Host", asked.address.authority)
            for name, value in asked.headers.items():
                self._client.putheader(name, value)
            if asked.content is not None:
                self._client.putheader("Content-Length", str(len(asked.content)))
            refused_to_read = self._sends(asked.content)
            return _Exchange(self, self._client.getresponse(), pool, spent=refused_to_read)
        except Exception as error:
            # Whatever headers make their parser trip over: once something has left, it is never "nothing happened".
            self.close()
            raise (BrokenOff if self._has_sent else NotSent)(type(error).__name__) from error

    def _sends(self, content: bytes | None) -> bool:
        """Whether the gateway hung up while we sent: it may have said why, such as that the body is too long."""
        try:
            self._client.endheaders(content)
        except TimeoutError:
            raise
        except OSError:
            return True
        return False

    def send(self, content: bytes) -> None:
        self._limit()
        self._has_sent = True
        self._sock.sendall(content)

    def receive_into(self, buffer: Any) -> int:
        self._limit()
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._sock.close()

    def _limit(self) -> None:
        """The next operation ends when the time does. To set a time-out is a system call: what is nearly right stays."""
        left = _until(self._ends)
        if not left <= self._time_out < left + _NEARLY_S:
            self._sock.settimeout(left)
            self._time_out = left


class _Exchange:
    """An answer on its connection, which is kept when all of it has been read and nothing came behind it."""

    def __init__(self, connection: _Connection, response: http.client.HTTPResponse, pool: Pool, *, spent: bool) -> None:
        self._connection, self._response, self._pool = connection, response, pool
        self._spent = spent
        self._whole = False
        self.status = response.status

    @property
    def headers(self) -> Iterable[tuple[str, str]]:
        """Names as they came, values without the white space around them."""
        return self._response.headers.items()

    def pieces(self) -> Iterator[bytes]:
        response = self._response
        try:
            _check_framing(response)
            while not response.isclosed() and response.length != 0:
                piece = response.read1(_PIECE)
                if not piece and response.length:
                    raise BrokenOff("IncompleteRead")
                if piece:
                    yield piece
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BrokenOff(type(error).__name__) from error
        self._whole = True

    def close(self) -> None:
        kept = self._whole and not self._spent and not self._response.will_close and self.status >= 200
        # A gateway that says more than it announced would answer the next request with the rest: closing tells.
        self._response.close()
        if kept and self._connection.clean:
            self._pool.keep(self._connection)
        else:
            self._connection.close()


class _Response(http.client.HTTPResponse):
    """Hints before the answer (RFC 9110, 15.2: 102, 103 and whatever follows) are no answer."""

    def _read_status(self) -> tuple[str, int, str]:
        # Not in typeshed's stub, but in every Python that we run on: tests send such hints.
        base: Any = super()
        found: tuple[str, int, str] = base._read_status()
        while 101 < found[1] < 200:
            http.client.parse_headers(self.fp)
            found = base._read_status()
        return found


class _Wire:
    """The part of a socket that http.client uses."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.sendall = connection.send

    def makefile(self, _mode: str) -> "_Buffered":
        return _Buffered(_Incoming(self._connection), _PIECE)

    def close(self) -> None:
        """Called before an answer is read that says "close": its connection is closed with it."""


class _Incoming(io.RawIOBase):
    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return 0 if self.is_over else self.connection.receive_into(buffer)


class _Buffered(io.BufferedReader):
    """An answer as it comes; closing it tells whether more has come than the answer."""

    def __init__(self, incoming: _Incoming, size: int) -> None:
        super().__init__(incoming, size)
        self._incoming = incoming

    def close(self) -> None:
        if not self.closed:
            self._incoming.is_over = True
            self._incoming.connection.clean = not self.peek(1)
        super().close()


def _check_framing(response: http.client.HTTPResponse) -> None:
    """Raises HTTPException where nobody can tell how long the body is: http.client would read until somebody hangs up.

    What it does not understand by itself is told to it: white space behind "chunked", a length that a proxy has repeated.
    """
    if any(isinstance(defect, _LEFT_OUT) for defect in response.headers.defects):
        raise http.client.HTTPException("headers")
    if response.chunked or response.status in (204, 304):
        return
    codings, lengths = _listed(response, "Transfer-Encoding"), set(_listed(response, "Content-Length"))
    if codings == ["chunked"]:
        response.chunked, response.chunk_left, response.length = True, None, None
        return
    if len(lengths) > 1 or not all(one.isascii() and one.isdigit() for one in lengths) or set(codings) - {"identity"}:
        raise http.client.HTTPException("length")
    if lengths and response.length is None:
        response.length = int(lengths.pop())


def _listed(response: http.client.HTTPResponse, name: str) -> list[str]:
    """What a header lists, in one line or in several."""
    return [one.strip().lower() for line in response.headers.get_all(name, []) for one in line.split(",")]


def _connected(place: tuple[str, str, int], verify: ssl.SSLContext, ends: float) -> _Connection:
    """A new connection; raises NotSent when its name is not resolved by `ends`, or when there is none in CONNECT_S seconds."""
    scheme, host, port = place
    try:
        found = resolved_within(_until(ends), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        latest = min(ends, time.monotonic() + CONNECT_S)
        plain = _dialled(found, latest)
    except (OSError, ValueError) as error:
        raise NotSent(type(error).__name__) from error
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A synchronous upstream says nothing for minutes: without probes a network in between forgets such a connection.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        if scheme == "http":
            return _Connection(place, plain)
        plain.settimeout(_until(latest))
        return _Connection(place, verify.wrap_socket(plain, server_hostname=host))
    except (OSError, ValueError) as error:
        plain.close()
        raise NotSent(type(error).__name__) from error


def _dialled(found: Sequence[tuple[Any, ...]], latest: float) -> socket.socket:
    """A connection to the first address that answers; raises OSError when none does by `latest`. What time is left is shared."""
    fault = OSError("no address")
    for number, (family, kind, protocol, _, address) in enumerate(found):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            fault = error
            continue
        try:
            sock.settimeout(_until(latest) / (len(found) - number))
            sock.connect(address)
        except OSError as error:
            sock.close()
            fault = error
        else:
            return sock
    raise fault


def _until(latest: float) -> float:
    left = latest - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
