"""What every way to fetch an output promises; its rules against being fooled are tested in unit/adapters."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from darkroom.adapters.downloads import GuardedDownloads
from darkroom.errors import DarkroomError, DownloadInterrupted, OutputGone
from darkroom.ports import Downloads
from tests.support.memory import MemoryDownloads, Page
from tests.support.origin import Origin, Visit, authority, head, origin, trusting

PICTURE = bytes(range(256)) * 1000


@dataclass(slots=True)
class Offer:
    """Downloads under test, a URL, and the way to say what it gives (`fault`: the middle of the body breaks)."""

    downloads: Downloads
    url: str
    serve: Callable[[bytes], None]
    refuse: Callable[[int], None]
    break_off: Callable[[bytes], None]


@pytest.fixture(params=["memory", "https"])
def offer(request: pytest.FixtureRequest) -> Iterator[Offer]:
    if request.param == "memory":
        yield _in_memory()
        return
    ca = authority()
    with origin(ca) as cdn:
        guarded = GuardedDownloads(ssl_context=trusting(ca), resolve=lambda *_: ["127.0.0.1"], is_allowed=lambda _: True)
        yield _over_https(guarded, cdn)
        guarded.close()


def _in_memory() -> Offer:
    memory, url = MemoryDownloads(), "https://cdn.example/0.png"

    def refuse(status: int) -> None:
        fault: DarkroomError = OutputGone("gone") if status < 429 else DownloadInterrupted("busy")
        memory.serve(url, fault)

    return Offer(
        memory,
        url,
        serve=lambda body: memory.serve(url, body),
        refuse=refuse,
        break_off=lambda body: memory.serve(url, Page(content=body, fault=DownloadInterrupted("broken off"))),
    )


def _over_https(guarded: GuardedDownloads, cdn: Origin) -> Offer:
    def break_off(body: bytes) -> None:
        def answer(visit: Visit) -> None:
            visit.send(head("200 OK", f"Content-Length: {len(body) + 1}") + body)
            raise ConnectionResetError

        cdn.answers["/0.png"] = answer

    return Offer(
        guarded,
        f"https://cdn.example:{cdn.port}/0.png",
        serve=lambda body: cdn.serve("/0.png", body),
        refuse=lambda status: cdn.serve("/0.png", b"", status=f"{status} No"),
        break_off=break_off,
    )


def test_an_output_comes_in_chunks_with_its_size(offer: Offer) -> None:
    offer.serve(PICTURE)

    with offer.downloads.open(offer.url, timeout_s=20) as download:
        assert download.size == len(PICTURE)
        assert b"".join(download.chunks) == PICTURE


def test_an_output_can_be_fetched_again(offer: Offer) -> None:
    offer.serve(PICTURE)

    for _ in range(2):
        with offer.downloads.open(offer.url, timeout_s=20) as download:
            assert b"".join(download.chunks) == PICTURE


def test_an_output_that_was_never_there_is_gone(offer: Offer) -> None:
    with pytest.raises(OutputGone), offer.downloads.open(offer.url, timeout_s=20):
        pass


@pytest.mark.parametrize(("status", "fault"), [(403, OutputGone), (429, DownloadInterrupted), (503, DownloadInterrupted)])
def test_a_refusal_says_what_to_do_next(offer: Offer, status: int, fault: type[DarkroomError]) -> None:
    offer.refuse(status)

    with pytest.raises(fault), offer.downloads.open(offer.url, timeout_s=20):
        pass


def test_a_body_that_breaks_off_says_so_after_what_came(offer: Offer) -> None:
    offer.break_off(PICTURE)
    came = bytearray()

    with offer.downloads.open(offer.url, timeout_s=20) as download:
        with pytest.raises(DownloadInterrupted):
            came.extend(byte for chunk in download.chunks for byte in chunk)

    assert PICTURE.startswith(came)
