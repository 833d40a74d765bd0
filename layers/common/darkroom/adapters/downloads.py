"""Fetching an upstream's outputs: from public addresses only, within a time that is kept, as the bytes came."""

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpcore

from darkroom.adapters.addresses import resolve, resolved_within
from darkroom.adapters.data_uris import is_data_uri, open_data_uri
from darkroom.adapters.unpacking import unpacked
from darkroom.adapters.web_address import WebAddress
from darkroom.domain.addresses import is_plain, is_public
from darkroom.errors import DownloadInterrupted, OutputGone, OutputRefused
from darkroom.ports import Download

_CONNECT_S = 5.0
_READ_S = 10.0
_IDLE_S = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429})
_HEADERS = [(b"Accept", b"image/*"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"darkroom")]


class GuardedDownloads:
    """`Downloads` over https, to public addresses only; `allowed_origins` (such as http://127.0.0.1:9000) are exempt.

    A `data:` URI that an upstream names is opened too; one that a redirect leads to is not. An http address is asked over https.

    What is checked is what is connected to: names are resolved here, and a connection goes to an address that has passed.
    Nothing of ours is sent along: no cookie, no key, no proxy from the environment.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext,
        allowed_origins: Iterable[str] = (),
        max_redirects: int = 3,
        resolve: Callable[[str, int], list[str]] = resolve,
        is_allowed: Callable[[str], bool] = is_public,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed_origins = frozenset(WebAddress.of(one).origin for one in allowed_origins)
        self._max_redirects = max_redirects
        self._clock = clock
        self._deadline = _Deadline(clock)
        guarded = _Network(self._deadline, resolve, is_allowed)
        unguarded = _Network(self._deadline, resolve, lambda _: True)
        self._guarded = _pool(ssl_context, guarded)
        self._unguarded = _pool(ssl_context, unguarded)

    @contextmanager
    def open(self, url: str, *, timeout_s: float) -> Iterator[Download]:
        if is_data_uri(url):
            yield open_data_uri(url)
            return
        self._deadline.at = until = self._clock() + timeout_s
        answer, address = self._follow(_parsed(url))
        try:
            _check_status(answer, address)
            chunks, was_packed = unpacked(self._chunks(answer, address, until), _codings(answer))
            yield Download(size=None if was_packed else _length(answer), chunks=chunks)
        finally:
            answer.close()

    def close(self) -> None:
        """Close the connections that are kept for the next picture."""
        self._guarded.close()
        self._unguarded.close()

    def _follow(self, url: WebAddress) -> tuple[httpcore.Response, WebAddress]:
        for _ in range(self._max_redirects + 1):
            url = self._secured(url)
            answer = self._get(url)
            target = _header(answer, b"location")
            if answer.status not in _REDIRECTS or target is None:
                return answer, url
            answer.close()
            url = _parsed(target, base=url)
        raise OutputRefused(f"more than {self._max_redirects} redirects from {url.shown}")

    def _secured(self, url: WebAddress) -> WebAddress:
        """The address over https, at the same port unless that is http's own."""
        if url.scheme != "http" or url.origin in self._allowed_origins:
            return url
        return replace(url, scheme="https", port=443 if url.port == 80 else url.port)

    def _get(self, url: WebAddress) -> httpcore.Response:
        request = httpcore.Request(
            "GET",
            httpcore.URL(scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target),
            headers=[(b"Host", url.authority.encode()), *_HEADERS],
            extensions={"timeout": {"connect": _CONNECT_S, "read": _READ_S, "write": _READ_S, "pool": _CONNECT_S}},
        )
        pool = self._pool_for(url)
        with _interrupted(url):
            return pool.handle_request(request)

    def _pool_for(self, url: WebAddress) -> httpcore.ConnectionPool:
        if url.has_user:
            raise OutputRefused(f"a user name in the URL {url.shown}")
        if url.origin in self._allowed_origins:
            return self._unguarded
        if url.scheme != "https" or not is_plain(url.host) or not url.port:
            raise OutputRefused(f"not a public https address: {url.shown}")
        return self._guarded

    def _chunks(self, answer: httpcore.Response, url: WebAddress, until: float) -> Iterator[bytes]:
        chunks = answer.iter_stream()
        while True:
            # Whoever reads may do so in another thread, or between the chunks of another download.
            self._deadline.at = until
            with _interrupted(url):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


class _Deadline(threading.local):
    """When the fetch that this thread is busy with has to end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.at = float("inf")

    def bound(self, timeout: float | None) -> float:
        left = self.at - self._clock()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for this fetch is over")
        return left if timeout is None else min(timeout, left)


class _Network(httpcore.NetworkBackend):
    """Connects to addresses that pass `is_allowed`; refuses a name when any of its addresses does not."""

    def __init__(self, deadline: _Deadline, resolve: Callable[[str, int], list[str]], is_allowed: Callable[[str], bool]) -> None:
        self._deadline = deadline
        self._resolve = resolve
        self._is_allowed = is_allowed
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        try:
            addresses = resolved_within(self._deadline.bound(timeout), lambda: self._resolve(host, port))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        if not all(map(self._is_allowed, addresses)):
            raise OutputRefused(f"{host} is not a public address")
        return self._first(addresses, port, timeout, local_address, socket_options)

    def _first(self, addresses: list[str], port: int, timeout: float | None, *rest: Any) -> httpcore.NetworkStream:
        fault: Exception = httpcore.ConnectError("no address")
        for address in addresses:
            try:
                stream = self._backend.connect_tcp(address, port, self._deadline.bound(timeout), *rest)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
            else:
                return _Stream(stream, self._deadline)
        raise fault


class _Stream(httpcore.NetworkStream):
    """A connection that waits no longer than the fetch may last: a server that drips headers cannot hold us."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.bound(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.bound(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.bound(timeout))
        # A connection that breaks would otherwise look like the end of a picture whose length nobody told (RFC 9112, 9.8).
        stream.get_extra_info("socket").suppress_ragged_eofs = False
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _pool(ssl_context: ssl.SSLContext, network: httpcore.NetworkBackend) -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        ssl_context=ssl_context,
        max_connections=50,
        max_keepalive_connections=10,
        keepalive_expiry=_IDLE_S,
        network_backend=network,
    )


@contextmanager
def _interrupted(url: WebAddress) -> Iterator[None]:
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise DownloadInterrupted(f"{type(error).__name__} at {url.shown}") from error


def _parsed(url: str, base: WebAddress | None = None) -> WebAddress:
    try:
        return WebAddress.of(url, base)
    except ValueError as error:
        raise OutputRefused("not a URL") from error


def _check_status(answer: httpcore.Response, url: WebAddress) -> None:
    if answer.status == 200:
        return
    message = f"status {answer.status} from {url.shown}"
    if 400 <= answer.status < 500 and answer.status not in _PASSING:
        # 403 and 404 mostly; S3 says 400 when the credentials behind a presigned URL have expired.
        raise OutputGone(message)
    raise DownloadInterrupted(message)


def _length(answer: httpcore.Response) -> int | None:
    """What is announced; beside a transfer coding a length means nothing, and the body may have any other (RFC 9112, 6.3)."""
    if _header(answer, b"transfer-encoding") is not None:
        return None
    length = _header(answer, b"content-length")
    return int(length) if length and length.isascii() and length.isdigit() and len(length) < 20 else None


def _codings(answer: httpcore.Response) -> str:
    return ",".join(value.decode("latin-1") for key, value in answer.headers if key.lower() == b"content-encoding")


def _header(answer: httpcore.Response, name: bytes) -> str | None:
    found = next((value for key, value in answer.headers if key.lower() == name), None)
    if found is None:
        return None
    try:
        # As browsers read an address; everything else that we look for is ASCII.
        return found.decode()
    except UnicodeDecodeError:
        return found.decode("latin-1")
