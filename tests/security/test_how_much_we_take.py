"""A hostile server gets no more of us than a picture's worth of bytes, and is asked by its own name."""

import contextlib
import gzip
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
import trustme

from darkroom.adapters.downloads import GuardedDownloads
from darkroom.domain.task import Task
from darkroom.errors import DownloadInterrupted
from darkroom.usecases.store_pictures import Stored, store_pictures
from tests.security.internet import PUBLIC, Internet, internet
from tests.support.gateway import PNG
from tests.support.memory import MemoryBucket, MemoryTasks
from tests.support.origin import HOST, Origin, Visit, authority, head, origin
from tests.support.tasks import BIRTH, a_task, storing, submitted

CAP = 1024 * 1024


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


# -- bytes: what a task makes of them -------------------------------------------------------------------


@pytest.fixture
def store(guarded: GuardedDownloads) -> Callable[[], tuple[Stored, MemoryBucket]]:
    """Store the picture behind https://cdn.example/0.png for a task that waits for it; at most 1 MiB."""

    def run() -> tuple[Stored, MemoryBucket]:
        tasks, bucket = MemoryTasks(clock=lambda: BIRTH), MemoryBucket()
        task: Task = storing(submitted(a_task()), f"https://{HOST}/0.png")
        tasks.add(task)
        stored = store_pictures(
            task,
            resume=False,
            until=BIRTH + 20,
            delays=(0.0,),
            max_bytes=CAP,
            clock=lambda: BIRTH,
            sleep=time.sleep,
            tasks=tasks,
            bucket=bucket,
            downloads=guarded,
        )
        return stored, bucket

    return run


def endless(visit: Visit, opening: bytes, piece: bytes, sent: list[int], *, most: int = 64 * CAP) -> None:
    visit.send(opening)
    for _ in range(0, most, len(piece)):
        visit.send(piece)
        sent.append(len(piece))


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_a_picture_of_the_largest_size_is_taken(cdn: Origin, store) -> None:
    cdn.serve("/0.png", PNG.ljust(CAP, b"x"))

    stored, bucket = store()

    assert stored.fault is None
    assert [len(one.content) for one in bucket.objects.values()] == [CAP]


def test_a_picture_that_announces_more_is_not_even_read(cdn: Origin, store) -> None:
    sent: list[int] = []
    cdn.answers["/0.png"] = lambda visit: endless(
        visit, head("200 OK", f"Content-Length: {CAP + 1}") + PNG, bytes(65_536), sent, most=0
    )

    stored, bucket = store()

    assert (getattr(stored.fault, "code", None), bucket.objects) == ("storage_failed", {})


def test_a_body_without_an_end_is_cut_off_at_the_cap(cdn: Origin, store) -> None:
    sent: list[int] = []
    opening = head("200 OK", "Transfer-Encoding: chunked") + chunked(PNG)
    cdn.answers["/0.png"] = lambda visit: endless(visit, opening, chunked(bytes(65_536)), sent)

    stored, bucket = store()

    assert (getattr(stored.fault, "code", None), bucket.objects) == ("storage_failed", {})
    # What lay in the buffers of two kernels comes on top.
    assert sum(sent) < 32 * CAP


def test_a_body_until_the_connection_ends_is_cut_off_at_the_cap(cdn: Origin, store) -> None:
    sent: list[int] = []
    cdn.answers["/0.png"] = lambda visit: endless(visit, head("200 OK") + PNG, bytes(65_536), sent)

    stored, bucket = store()

    assert (getattr(stored.fault, "code", None), bucket.objects) == ("storage_failed", {})
    assert sum(sent) < 32 * CAP


@pytest.mark.parametrize("told", [1, len(PNG), len(PNG) + 500, CAP + 1, 10**18])
def test_a_length_beside_a_transfer_coding_means_nothing(cdn: Origin, store, told: int) -> None:
    body = PNG + bytes(100)
    cdn.answers["/0.png"] = lambda visit: visit.send(
        head("200 OK", f"Content-Length: {told}", "Transfer-Encoding: chunked") + chunked(body) + b"0\r\n\r\n"
    )

    stored, bucket = store()

    assert stored.fault is None
    assert [one.content for one in bucket.objects.values()] == [body]


@pytest.mark.parametrize(
    "lengths", [("5", "6"), ("-1",), ("+5",), ("5, 6",), ("0x10",), ("1_0",), ("\u0665".encode().decode("latin-1"),), ("",)]
)
def test_a_length_that_is_none_ends_the_fetch_by_name(guarded: GuardedDownloads, cdn: Origin, lengths: tuple[str, ...]) -> None:
    cdn.answers["/0.png"] = lambda visit: visit.send(
        head("200 OK", *(f"Content-Length: {one}" for one in lengths)).decode().encode("latin-1") + PNG
    )

    with pytest.raises(DownloadInterrupted):
        fetch(guarded)


BOMB = gzip.compress(bytes(50 * CAP))
# Blocks without content, as many as there is time for: they take much and give nothing.
HOLLOW = b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"\0\0\0\xff\xff" * 200_000


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip", "identity, gzip", "x", ""])
@pytest.mark.parametrize("bomb", [gzip.compress(PNG + bytes(50 * CAP)), gzip.compress(PNG) + BOMB], ids=["one", "two members"])
def test_a_coded_body_is_cut_off_at_the_cap_of_what_it_holds(cdn: Origin, store, coding: str, bomb: bytes) -> None:
    cdn.serve("/0.png", bomb, f"Content-Encoding: {coding}")
    tracemalloc.start()

    stored, bucket = store()

    assert (getattr(stored.fault, "code", None), bucket.objects) == ("storage_failed", {})
    assert tracemalloc.get_traced_memory()[1] < 6 * CAP
    tracemalloc.stop()


@pytest.mark.parametrize("bomb", [HOLLOW, BOMB, gzip.compress(BOMB)], ids=["hollow", "no picture", "a bomb inside a bomb"])
def test_a_coded_body_that_holds_no_picture_is_not_stored(cdn: Origin, store, bomb: bytes) -> None:
    cdn.serve("/0.png", bomb, "Content-Encoding: gzip")

    stored, bucket = store()

    assert stored.fault is not None
    assert bucket.objects == {}


@pytest.mark.parametrize("headers", [("Transfer-Encoding: gzip, chunked",), ("Transfer-Encoding: gzip",)])
def test_no_other_way_of_coding_makes_more_of_a_body_than_was_sent(
    guarded: GuardedDownloads, cdn: Origin, headers: tuple[str, ...]
) -> None:
    cdn.answers["/0.png"] = lambda visit: visit.send(head("200 OK", *headers) + BOMB)

    with contextlib.suppress(DownloadInterrupted):
        assert len(fetch(guarded)) <= len(BOMB)


# -- to whom we speak -----------------------------------------------------------------------------------


@contextlib.contextmanager
def asking_for_names(ca: trustme.CA) -> Iterator[tuple[int, list[str | None]]]:
    """A TLS server that notes which name each client asks for."""
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("one.example", "two.example", PUBLIC).configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with contextlib.suppress(ssl.SSLError), context.wrap_socket(server.accept()[0], server_side=True) as client:
                        client.recv(65_536)
                        client.sendall(head("200 OK", "Content-Length: 2", "Connection: close") + b"ok")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], asked
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_the_server_at_the_checked_address_is_asked_for_by_the_urls_own_name(ca: trustme.CA, net: Internet) -> None:
    with asking_for_names(ca) as (port, asked):
        net.names |= {"one.example": [PUBLIC], "two.example": [PUBLIC], "evil.example": [PUBLIC]}
        net.routes[PUBLIC] = port
        guarded = net.downloads(ca)

        assert fetch(guarded, "https://one.example/") == b"ok"
        assert fetch(guarded, "https://two.example:8443/") == b"ok"
        with pytest.raises(DownloadInterrupted):
            fetch(guarded, "https://evil.example/")
        assert fetch(guarded, f"https://{PUBLIC}/") == b"ok"

    assert [name for name in asked if name is not None] == ["one.example", "two.example", "evil.example"]
    assert set(net.connected) == {PUBLIC}
