"""A pool of connections whose every socket operation ends at a common deadline: time-outs start anew with each of them."""

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

# More than a sweep of the reconciler uses at once.
_MOST = 100
_IDLE_S = 5.0
# A synchronous upstream says nothing for minutes: without probes a network in between forgets such a connection.
_KEEPALIVE: list[tuple[int, int, int]] = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
if hasattr(socket, "TCP_KEEPIDLE"):
    _KEEPALIVE.append((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60))
_ends: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(ends: float) -> Iterator[None]:
    """Inside, requests of this thread through such a pool end at `ends` (monotonic seconds)."""
    before = _ends.set(ends)
    try:
        yield
    finally:
        _ends.reset(before)


def deadline_pool(*, verify: ssl.SSLContext, most: int = _MOST) -> httpcore.ConnectionPool:
    """Connections, `most` at once, that keep `deadline`; without one they behave as usual."""
    return httpcore.ConnectionPool(
        ssl_context=verify,
        max_connections=most,
        max_keepalive_connections=most,
        keepalive_expiry=_IDLE_S,
        network_backend=_Backend(),
        socket_options=_KEEPALIVE,
    )


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    ends = _ends.get()
    if ends is None:
        return timeout
    left = ends - time.monotonic()
    if left <= 0:
        raise late
    return left if timeout is None else min(timeout, left)
