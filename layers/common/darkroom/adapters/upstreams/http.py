"""One HTTP exchange with a gateway: bounded in time and size, and exact about whether anything was sent."""

import functools
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import httpcore

from darkroom.adapters.trust import ssl_context
from darkroom.adapters.upstreams.deadline import deadline, deadline_pool
from darkroom.errors import NotAsked, OutcomeUnknown, UpstreamUnavailable

USER_AGENT = "darkroom/0.1.0"
MAX_BODY = 1024 * 1024
CONNECT_S = 3.0
"""Connecting takes milliseconds or fails; a longer wait would eat the budget of the answer."""

_NOT_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)
_BROKEN_OFF = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_ALWAYS = [(b"User-Agent", USER_AGENT.encode()), (b"Accept", b"application/json"), (b"Accept-Encoding", b"identity")]


class Http(Protocol):
    """What sends a request: a pool of httpcore's, whose answers are streams."""

    def handle_request(self, request: httpcore.Request) -> httpcore.Response: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; header names are lower-case. Not `complete`: the body broke off, timed out or was too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True


@functools.cache
def shared_pool() -> httpcore.ConnectionPool:
    """The process's connections to gateways: no proxies or credentials from the environment, no cookies, no redirects."""
    return deadline_pool(verify=ssl_context())


def exchange(
    http: Http,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    content: bytes | None = None,
    max_body: int = MAX_BODY,
) -> Answer:
    """Ask once, in `timeout_s` seconds at most (name resolution excepted: it has no time-out), for `max_body` bytes at most.

    Raises UpstreamUnavailable when the request provably did not leave, OutcomeUnknown when it may have and no status came back.
    """
    if timeout_s <= 0:
        raise NotAsked("nothing was sent: no time was left")
    ends = time.monotonic() + timeout_s
    request = _request(method, url, headers, content, timeout_s)
    with deadline(ends):
        with _named_errors():
            response = http.handle_request(request)
        try:
            found = _joined(response.headers)
            body, complete = _read(response, found.get("content-encoding", ""), ends, max_body)
        finally:
            response.close()
    return Answer(status=response.status, headers=found, body=body, complete=complete)


def _request(method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout_s: float) -> httpcore.Request:
    parts = urlsplit(url)
    # What is in `url` is ours: settings have checked the origin, and a task's id is quoted.
    address = httpcore.URL(
        scheme=parts.scheme.encode(),
        host=(parts.hostname or "").encode(),
        port=parts.port,
        target=(parts.path or "/").encode() + (b"?" + parts.query.encode() if parts.query else b""),
    )
    sent = [(b"Host", parts.netloc.rpartition("@")[2].encode()), *_ALWAYS]
    sent += [(name.encode(), value.encode()) for name, value in headers.items()]
    if content is not None:
        sent.append((b"Content-Length", str(len(content)).encode()))
    quick = min(timeout_s, CONNECT_S)
    timeout = {"connect": quick, "pool": quick, "read": timeout_s, "write": timeout_s}
    return httpcore.Request(method, address, headers=sent, content=content, extensions={"timeout": timeout})


def _joined(headers: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Names in lower case; what is said more than once is joined with commas (RFC 9110, 5.2)."""
    found: dict[str, str] = {}
    for raw_name, raw in headers:
        name, value = raw_name.decode("latin-1").lower(), raw.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except _NOT_SENT as error:
        raise UpstreamUnavailable(f"nothing was sent: {_what(error)}") from error
    except _BROKEN_OFF as error:
        raise OutcomeUnknown(f"no answer: {_what(error)}") from error


def _what(error: Exception) -> str:
    """The kind of fault; the text may hold addresses that nobody else should read."""
    return type(error).__name__


def _read(response: httpcore.Response, encoding: str, ends: float, max_body: int) -> tuple[bytes, bool]:
    """At most `max_body` bytes, and whether that was all."""
    unpack = _unpacker(encoding)
    body = bytearray()
    try:
        for chunk in response.iter_stream():
            body += unpack(chunk, max_body + 1 - len(body))
            if len(body) > max_body or time.monotonic() > ends:
                return bytes(body[:max_body]), False
    except (*_BROKEN_OFF, zlib.error):
        return bytes(body), False
    return bytes(body), True


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """We ask for plain bodies; a proxy that packs them all the same is unpacked, but never beyond the bound."""
    if encoding.strip().lower() in ("gzip", "x-gzip", "deflate"):
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        return lambda chunk, room: unpacking.decompress(chunk, max(1, room))
    return lambda chunk, room: chunk[: max(0, room)]
