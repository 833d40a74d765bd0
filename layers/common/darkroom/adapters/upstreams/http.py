"""One HTTP exchange with a gateway: bounded in time and size, and exact about whether anything was sent."""

import functools
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from darkroom.adapters.trust import ssl_context
from darkroom.adapters.upstreams.deadline import DeadlineTransport, deadline
from darkroom.errors import OutcomeUnknown, UpstreamUnavailable

USER_AGENT = "darkroom/0.1.0"
MAX_BODY = 1024 * 1024
CONNECT_S = 3.0
"""Connecting takes milliseconds or fails; a longer wait would eat the budget of the answer."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; header names are lower-case. Not `complete`: the body broke off, timed out or was too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True


@functools.cache
def shared_client() -> httpx.Client:
    """The process's client for gateways: no proxies or credentials from the environment, no cookies, no redirects."""
    return httpx.Client(
        transport=DeadlineTransport(verify=ssl_context()),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
    )


def exchange(
    client: httpx.Client,
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
        raise UpstreamUnavailable("nothing was sent: no time was left")
    ends = time.monotonic() + timeout_s
    timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S), pool=min(timeout_s, CONNECT_S))
    with _named_errors(), deadline(ends):
        # The client's own `build_request` merges and parses for every call what never changes: a fifth of what a call costs.
        own = [(name.encode(), value.encode()) for name, value in headers.items()]
        extensions = {"timeout": timeout.as_dict()}
        request = httpx.Request(method, url, headers=[*client.headers.raw, *own], content=content, extensions=extensions)
        response = client.send(request, stream=True, follow_redirects=False)
        try:
            body, complete = _read(response, ends, max_body)
        finally:
            response.close()
    lowered = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status=response.status_code, headers=lowered, body=body, complete=complete)


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except _NOT_SENT as error:
        raise UpstreamUnavailable(f"nothing was sent: {_what(error)}") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise OutcomeUnknown(f"no answer: {_what(error)}") from error


def _what(error: Exception) -> str:
    """The kind of fault; the text may hold addresses that nobody else should read."""
    return type(error).__name__


def _read(response: httpx.Response, ends: float, max_body: int) -> tuple[bytes, bool]:
    """At most `max_body` bytes, and whether that was all."""
    unpack = _unpacker(response.headers.get("content-encoding", ""))
    body = bytearray()
    try:
        for chunk in response.iter_raw():
            body += unpack(chunk, max_body + 1 - len(body))
            if len(body) > max_body or time.monotonic() > ends:
                return bytes(body[:max_body]), False
    except (httpx.HTTPError, zlib.error):
        return bytes(body), False
    return bytes(body), True


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """We ask for plain bodies; a proxy that packs them all the same is unpacked, but never beyond the bound."""
    if encoding.strip().lower() in ("gzip", "x-gzip", "deflate"):
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        return lambda chunk, room: unpacking.decompress(chunk, max(1, room))
    return lambda chunk, room: chunk[: max(0, room)]
