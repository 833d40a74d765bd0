"""A hostile server gets no more of our time than the fetch was given, and any bytes of its are a body or a named fault."""

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.adapters.downloads import GuardedDownloads
from darkroom.domain.addresses import is_public
from darkroom.errors import DownloadError, DownloadInterrupted, OutputRefused
from tests.security.internet import PUBLIC, Internet, internet
from tests.support.origin import HOST, Origin, Visit, authority, head, origin

CAP = 1024 * 1024
PNG = b"\x89PNG and so on"
PATIENCE_S = 15
"""Room for a slow machine, and far below the patience of the servers here."""

Server = Callable[[Visit], None]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return authority()


@pytest.fixture
def cdn(ca: trustme.CA) -> Iterator[Origin]:
    with origin(ca, HOST) as running:
        yield running


@pytest.fixture
def net(cdn: Origin, monkeypatch: pytest.MonkeyPatch) -> Internet:
    net = internet(monkeypatch)
    net.names, net.routes = {HOST: [PUBLIC]}, {PUBLIC: cdn.port}
    return net


@pytest.fixture
def guarded(ca: trustme.CA, net: Internet) -> Iterator[GuardedDownloads]:
    downloads = net.downloads(ca)
    yield downloads
    downloads.close()


def fetch(downloads: GuardedDownloads, url: str = f"https://{HOST}/0.png", timeout_s: float = 20) -> bytes:
    with downloads.open(url, timeout_s=timeout_s) as download:
        return b"".join(download.chunks)


# -- time and headers -----------------------------------------------------------------------------------


def _flood(opening: bytes, piece: bytes) -> Server:
    def serve(visit: Visit) -> None:
        visit.send(opening)
        for _ in range(64 * CAP // len(piece)):
            visit.send(piece)

    return serve


def _drip(opening: bytes, piece: bytes) -> Server:
    def serve(visit: Visit) -> None:
        visit.send(opening)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            visit.send(piece)
            time.sleep(0.05)

    return serve


FLOODS = {
    "one header without an end": _flood(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
    "headers without an end": _flood(b"HTTP/1.1 200 OK\r\n", b"X-Padding: xxxxxxxx\r\n" * 200),
    "a status line without an end": _flood(b"HTTP/1.1 200 ", b"O" * 4096),
    "blank bytes before anything": _flood(b"", b"\r\n" * 2048),
    "folded headers": _flood(b"HTTP/1.1 200 OK\r\nX: a\r\n", b" folded\r\n" * 500),
    "a chunk's extension without an end": _flood(head("200 OK", "Transfer-Encoding: chunked") + b"5;x=", b"x" * 4096),
    "a chunk's size without an end": _flood(head("200 OK", "Transfer-Encoding: chunked"), b"0" * 4096),
    "trailers without an end": _flood(head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n", b"X: xxxxxxxx\r\n" * 300),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_before_the_body_ends_the_fetch(guarded: GuardedDownloads, cdn: Origin, flood: Server) -> None:
    cdn.answers["/0.png"] = flood
    began = time.monotonic()

    with pytest.raises(DownloadInterrupted):
        fetch(guarded, timeout_s=5)

    assert time.monotonic() - began < PATIENCE_S + 5


DRIPS = {
    "interim answers": _drip(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
    "headers of a redirect": _drip(b"HTTP/1.1 302 Found\r\n", b"X: y\r\n"),
    "the sizes of chunks": _drip(head("200 OK", "Transfer-Encoding: chunked"), b"0"),
    "chunks of one byte": _drip(head("200 OK", "Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
    "a body until the end": _drip(head("200 OK"), b"x"),
    "trailers": _drip(head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n", b"X: y\r\n"),
}


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_a_drip_of_any_kind_ends_with_the_time_given(guarded: GuardedDownloads, cdn: Origin, drip: Server) -> None:
    cdn.answers["/0.png"] = drip
    began = time.monotonic()

    with pytest.raises(DownloadInterrupted):
        fetch(guarded, timeout_s=0.5)

    assert time.monotonic() - began < PATIENCE_S


def test_redirects_share_one_time(guarded: GuardedDownloads, cdn: Origin) -> None:
    def slowly(visit: Visit) -> None:
        time.sleep(0.4)
        visit.send(head("302 Found", "Content-Length: 0", "Location: /next"))

    cdn.answers |= {"/0.png": slowly, "/next": slowly}

    with pytest.raises(DownloadInterrupted):
        fetch(guarded, timeout_s=0.6)

    assert len(cdn.visits) <= 2


def test_a_redirect_with_a_body_without_an_end_is_left_at_once(guarded: GuardedDownloads, cdn: Origin) -> None:
    cdn.answers["/0.png"] = _flood(head("302 Found", "Location: /1.png", f"Content-Length: {10**12}"), bytes(65_536))
    cdn.serve("/1.png", PNG)

    assert fetch(guarded) == PNG


def test_a_handshake_that_never_comes_ends_with_the_time_given(guarded: GuardedDownloads, net: Internet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        net.routes[PUBLIC] = mute.getsockname()[1]
        began = time.monotonic()

        with pytest.raises(DownloadInterrupted):
            fetch(guarded, timeout_s=0.5)

    assert time.monotonic() - began < PATIENCE_S


def test_a_resolver_that_never_answers_ends_with_the_time_given(guarded: GuardedDownloads, net: Internet) -> None:
    released = threading.Event()
    net.names["slow.example"] = lambda: [PUBLIC] if released.wait(60) else []
    began = time.monotonic()

    with pytest.raises(DownloadInterrupted):
        fetch(guarded, "https://slow.example/0.png", timeout_s=0.5)

    assert time.monotonic() - began < PATIENCE_S
    released.set()


def test_many_addresses_that_do_not_answer_share_one_time(ca: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count()
    waited: list[float] = []

    def connect(_backend: Any, host: str, port: int, timeout: float | None = None, *_rest: Any) -> Any:
        waited.append(timeout or 0.0)
        raise httpcore.ConnectTimeout(host)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    # Every look at this clock costs a second.
    addresses = [f"8.8.{number}.8" for number in range(200)]
    guarded = Internet(names={"many.example": addresses}).downloads(ca, clock=lambda: float(next(now)))

    with pytest.raises(DownloadInterrupted):
        fetch(guarded, "https://many.example/0.png", timeout_s=12)

    assert 1 <= len(waited) <= 12
    assert max(waited) <= 5


# -- any bytes at all -----------------------------------------------------------------------------------

LINES = rb"""HTTP/1.1 200 OK|HTTP/1.1 302 Found|HTTP/1.0 200|HTTP/2 200|HTTP/1.1 101 X|Content-Length: 5|: x| folded||5|0|ok
Transfer-Encoding: chunked|Content-Encoding: gzip|Location: //[|Location: https://a:b@c|Location: http://open.test/x
Connection: upgrade"""
PIECES = [*LINES.replace(b"\n", b"|").split(b"|"), b"Location: \xff\xfe", b"Content-Length: " + b"9" * 30]
ANSWERS = st.binary(max_size=200) | st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=9).map(b"\r\n".join)


class Said(httpcore.NetworkStream):
    """A connection on which somebody has said something and hung up."""

    def __init__(self, said: bytes) -> None:
        self._left = said

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        piece, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return piece

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """Closed it is already."""

    def get_extra_info(self, info: str) -> Any:
        return None


@settings(max_examples=250, deadline=None)
@given(ANSWERS)
def test_any_bytes_are_a_body_or_a_named_fault(answer: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    guarded = GuardedDownloads(ssl_context=context, resolve=lambda *_: [PUBLIC], allowed_origins=["http://open.test"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore.SyncBackend, "connect_tcp", lambda *_, **__: Said(answer))
        with contextlib.suppress(DownloadInterrupted, OutputRefused, DownloadError):
            assert len(fetch(guarded, "http://open.test/0.png")) <= len(answer)


AUTHORITIES = st.text(st.characters(), max_size=40) | st.lists(
    st.sampled_from(
        ["xn--", "a", ".", "\u3002", "%", "25", "@", ":", "443", "[", "]", "::1", "127", "0x", "\\", "\u00df", "\ud800", "-", "_"]
    ),
    max_size=9,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(AUTHORITIES, st.sampled_from(["https://", "http://", "//", "https:", "HTTPS://", ""]), st.text(max_size=10))
def test_any_text_that_calls_itself_a_url_is_refused_or_not_reached(authority_part: str, scheme: str, rest: str) -> None:
    net = Internet(names={"cdn.example": [PUBLIC]})
    guarded = GuardedDownloads(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), resolve=net.resolve)
    with pytest.MonkeyPatch.context() as patch:
        wire = internet(patch)
        with pytest.raises(DownloadError):
            fetch(guarded, f"{scheme}{authority_part}/{rest}")

    assert all(map(is_public, wire.connected))
