"""Fetching an upstream's outputs over real connections: what is fetched, what is refused, what counts as broken."""

import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from darkroom.adapters.downloads import GuardedDownloads
from darkroom.errors import DownloadInterrupted, OutputGone, OutputRefused
from tests.support.gateway import PNG
from tests.support.origin import HOST, Origin, Visit, authority, first_bytes, head, origin, trusting

PICTURE = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return authority()


@pytest.fixture
def cdn(ca: trustme.CA) -> Iterator[Origin]:
    with origin(ca, HOST, "other.example") as running:
        yield running


@pytest.fixture
def plain() -> Iterator[Origin]:
    with origin() as running:
        yield running


@pytest.fixture
def make(ca: trustme.CA) -> Iterator[Callable[..., GuardedDownloads]]:
    """Downloads for which every name leads to this machine, which here counts as public."""
    made: list[GuardedDownloads] = []

    def downloads(**facts: Any) -> GuardedDownloads:
        here = {"resolve": lambda *_: ["127.0.0.1"], "is_allowed": lambda address: address == "127.0.0.1"}
        made.append(GuardedDownloads(ssl_context=trusting(ca), **(here | facts)))
        return made[-1]

    yield downloads
    for one in made:
        one.close()


def fetch(downloads: GuardedDownloads, url: str, timeout_s: float = 20) -> bytes:
    with downloads.open(url, timeout_s=timeout_s) as download:
        return b"".join(download.chunks)


def test_a_picture_is_fetched_over_tls_under_its_hosts_name(make, cdn: Origin) -> None:
    cdn.serve("/0.png?sig=a%20b", PICTURE)

    with make().open(f"https://{HOST}:{cdn.port}/0.png?sig=a%20b", timeout_s=20) as download:
        assert download.size == len(PICTURE)
        assert b"".join(download.chunks) == PICTURE

    assert cdn.visits[0].headers["host"] == f"{HOST}:{cdn.port}"


def test_nothing_of_ours_is_sent_along(make, cdn: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    cdn.serve("/0.png", PICTURE, "Set-Cookie: a=b; Path=/")
    downloads = make()

    for _ in range(2):
        fetch(downloads, f"https://{HOST}:{cdn.port}/0.png")

    sent = [set(visit.headers) for visit in cdn.visits]
    assert sent == [{"host", "accept", "accept-encoding", "user-agent"}] * 2
    assert cdn.visits[0].headers["accept-encoding"] == "identity"


def test_a_second_picture_comes_over_the_same_connection(make, cdn: Origin) -> None:
    cdn.serve("/0.png", PICTURE)
    downloads = make()

    for _ in range(3):
        assert fetch(downloads, f"https://{HOST}:{cdn.port}/0.png") == PICTURE

    assert cdn.connections == 1


def test_two_names_at_one_address_do_not_share_a_connection(make, cdn: Origin) -> None:
    cdn.serve("/0.png", PICTURE)
    downloads = make()

    for host in (HOST, "other.example"):
        fetch(downloads, f"https://{host}:{cdn.port}/0.png")

    assert cdn.connections == 2


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1"])
def test_a_certificate_for_another_name_ends_the_fetch(make, cdn: Origin, host: str) -> None:
    cdn.serve("/0.png", PICTURE)

    with pytest.raises(DownloadInterrupted):
        fetch(make(), f"https://{host}:{cdn.port}/0.png")

    assert not cdn.visits


def test_an_unknown_authority_ends_the_fetch(make) -> None:
    with origin(authority()) as stranger, pytest.raises(DownloadInterrupted):
        fetch(make(), f"https://{HOST}:{stranger.port}/0.png")

    assert not stranger.visits


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["169.254.169.254"], ["::ffff:127.0.0.1"]]
)
def test_a_name_with_an_address_inside_is_refused_before_connecting(ca: trustme.CA, cdn: Origin, addresses: list[str]) -> None:
    guarded = GuardedDownloads(ssl_context=trusting(ca), resolve=lambda *_: addresses)

    with pytest.raises(OutputRefused, match="not a public address") as caught:
        fetch(guarded, f"https://{HOST}:{cdn.port}/0.png")

    assert caught.value.code == "storage_failed"
    assert not cdn.connections


def test_the_name_is_resolved_once_so_that_a_second_answer_cannot_lead_inside(make, cdn: Origin) -> None:
    cdn.serve("/0.png", PICTURE)
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    assert fetch(make(resolve=rebinding), f"https://{HOST}:{cdn.port}/0.png") == PICTURE

    assert asked == [HOST]


def test_the_next_address_is_tried_when_one_is_dead(make, cdn: Origin) -> None:
    cdn.serve("/0.png", PICTURE)
    # Nobody listens at the first one.
    both = make(resolve=lambda *_: ["127.0.0.2", "127.0.0.1"], is_allowed=lambda _: True)

    assert fetch(both, f"https://{HOST}:{cdn.port}/0.png") == PICTURE


@pytest.mark.parametrize(
    "url",
    [
        "ftp://cdn.example/0.png",
        "file:///etc/passwd",
        "https://user:word@cdn.example/0.png",
        "https://2130706433/0.png",
        "https://0x7f.1/0.png",
        "https:///0.png",
        "//cdn.example/0.png",
        "https://cdn.example:99999/0.png",
        "https://[::1/0.png",
        "https://cdn\x00.example/",
        "",
    ],
)
def test_what_is_not_a_public_https_url_is_refused(make, url: str) -> None:
    with pytest.raises(OutputRefused) as caught:
        fetch(make(), url)

    assert caught.value.code == "storage_failed"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:7f00:1]", "10.1.2.3", "localhost"])
def test_an_address_inside_is_refused(ca: trustme.CA, host: str) -> None:
    guarded = GuardedDownloads(ssl_context=trusting(ca))

    with pytest.raises(OutputRefused):
        fetch(guarded, f"https://{host}/latest/meta-data")


def test_an_allowed_origin_is_exempt(ca: trustme.CA, plain: Origin) -> None:
    plain.serve("/0.png", PICTURE)
    guarded = GuardedDownloads(ssl_context=trusting(ca), allowed_origins=[f"http://127.0.0.1:{plain.port}"])

    assert fetch(guarded, f"http://127.0.0.1:{plain.port}/0.png") == PICTURE


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{other}/0.png", "https://127.0.0.1:{port}/0.png", "http://localhost:{port}/0.png"]
)
def test_an_allowed_origin_exempts_no_other(ca: trustme.CA, plain: Origin, url: str) -> None:
    guarded = GuardedDownloads(ssl_context=trusting(ca), allowed_origins=[f"http://127.0.0.1:{plain.port}"])

    with pytest.raises(OutputRefused):
        fetch(guarded, url.format(port=plain.port, other=plain.port + 1))

    assert not plain.connections


def test_an_http_url_is_fetched_over_https(make, cdn: Origin) -> None:
    cdn.serve("/0.png", PICTURE)
    cdn.redirect("/there", f"http://other.example:{cdn.port}/0.png")

    for path in ("0.png", "there"):
        assert fetch(make(), f"http://{HOST}:{cdn.port}/{path}") == PICTURE


def test_an_http_url_without_a_port_means_the_usual_one_of_https(make, cdn: Origin) -> None:
    asked: list[tuple[str, int]] = []

    def unknown(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return []

    for url in (f"http://{HOST}/0.png", f"http://{HOST}:80/0.png", f"http://{HOST}:8080/0.png"):
        with pytest.raises(DownloadInterrupted):
            fetch(make(resolve=unknown), url)

    assert asked == [(HOST, 443), (HOST, 443), (HOST, 8080)]


def test_an_http_url_where_nobody_speaks_https_is_not_fetched_without(make) -> None:
    with first_bytes() as (port, heard), pytest.raises(DownloadInterrupted):
        fetch(make(), f"http://{HOST}:{port}/0.png")

    assert heard == [b"\x16"]


def test_redirects_are_followed_up_to_three(make, cdn: Origin) -> None:
    cdn.redirect("/3", "/2")
    cdn.redirect("/2", f"https://other.example:{cdn.port}/1")
    cdn.redirect("/1", "0.png")
    cdn.serve("/0.png", PICTURE)

    assert fetch(make(), f"https://{HOST}:{cdn.port}/3") == PICTURE


def test_a_fourth_redirect_is_refused(make, cdn: Origin) -> None:
    cdn.redirect("/loop", "/loop")

    with pytest.raises(OutputRefused, match="more than 3 redirects"):
        fetch(make(), f"https://{HOST}:{cdn.port}/loop")

    assert len(cdn.visits) == 4


@pytest.mark.parametrize(
    "target", ["http://10.0.0.1/0.png", "https://10.0.0.1/0.png", "https://u@cdn.example/", "file:///x", "https://["]
)
def test_a_redirect_is_checked_like_the_first_url(make, cdn: Origin, target: str) -> None:
    cdn.redirect("/0.png", target)
    guarded = make(resolve=lambda host, _: ["127.0.0.1" if host == HOST else host])

    with pytest.raises(OutputRefused):
        fetch(guarded, f"https://{HOST}:{cdn.port}/0.png")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_url_that_has_died_asks_for_a_fresh_one(make, cdn: Origin, status: int) -> None:
    cdn.serve("/0.png", b"gone", status=f"{status} No")

    with pytest.raises(OutputGone, match=str(status)):
        fetch(make(), f"https://{HOST}:{cdn.port}/0.png")


@pytest.mark.parametrize("status", [204, 206, 304, 408, 425, 429, 500, 502, 503, 504])
def test_a_passing_fault_asks_for_a_repeat(make, cdn: Origin, status: int) -> None:
    cdn.serve("/0.png", b"", status=f"{status} No")

    with pytest.raises(DownloadInterrupted, match=str(status)):
        fetch(make(), f"https://{HOST}:{cdn.port}/0.png")


def test_a_body_that_ends_early_is_broken(make, cdn: Origin) -> None:
    def break_off(visit: Visit) -> None:
        visit.send(head("200 OK", "Content-Length: 1000") + b"x" * 400)
        raise ConnectionResetError

    cdn.answers["/0.png"] = break_off

    with pytest.raises(DownloadInterrupted):
        fetch(make(), f"https://{HOST}:{cdn.port}/0.png")


def test_a_connection_that_ends_without_an_answer_is_broken(make, cdn: Origin) -> None:
    def hang_up(visit: Visit) -> None:
        raise ConnectionResetError

    cdn.answers["/0.png"] = hang_up

    with pytest.raises(DownloadInterrupted):
        fetch(make(), f"https://{HOST}:{cdn.port}/0.png")


def test_a_server_that_is_not_there_is_broken(make) -> None:
    with pytest.raises(DownloadInterrupted, match="ConnectError"):
        fetch(make(), f"https://{HOST}:9/0.png")


def test_a_name_without_an_address_is_broken(make) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(DownloadInterrupted):
        fetch(make(resolve=unknown), "https://nowhere.example/0.png")
    with pytest.raises(DownloadInterrupted):
        fetch(make(resolve=lambda *_: []), "https://nowhere.example/0.png")


def test_a_body_without_a_length_comes_without_a_size(make, cdn: Origin) -> None:
    cdn.answers["/0.png"] = lambda visit: visit.send(
        head("200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )

    with make().open(f"https://{HOST}:{cdn.port}/0.png", timeout_s=20) as download:
        assert download.size is None
        assert b"".join(download.chunks) == b"abcde"


def test_a_body_that_ends_with_the_connection_ends_as_tls_says(make, cdn: Origin) -> None:
    def end(visit: Visit) -> None:
        visit.send(head("200 OK", "Connection: close") + b"x" * 400)
        visit.end()

    cdn.answers["/0.png"] = end

    assert fetch(make(), f"https://{HOST}:{cdn.port}/0.png") == b"x" * 400


def test_a_body_whose_connection_only_breaks_is_broken(make, cdn: Origin) -> None:
    """Nobody said how long it is, nor that it is over: half a picture would be stored for good (RFC 9112, 9.8)."""

    def break_off(visit: Visit) -> None:
        visit.send(head("200 OK", "Connection: close") + b"x" * 400)
        raise ConnectionResetError

    cdn.answers["/0.png"] = break_off

    with pytest.raises(DownloadInterrupted):
        fetch(make(), f"https://{HOST}:{cdn.port}/0.png")


@pytest.mark.parametrize(
    "coding", ["", "identity", "none", "utf-8", "binary", "gzip", "deflate", "br", "identity, UTF-8", "gzip, deflate", "\u00e9"]
)
def test_a_picture_is_taken_as_it_comes_whatever_coding_its_header_names(make, cdn: Origin, coding: str) -> None:
    cdn.serve("/0.png", PNG, f"Content-Encoding: {coding}")

    with make().open(f"https://{HOST}:{cdn.port}/0.png", timeout_s=20) as download:
        assert download.size == len(PNG)
        assert b"".join(download.chunks) == PNG


def deflated(content: bytes, *, wbits: int) -> bytes:
    packing = zlib.compressobj(wbits=wbits)
    return packing.compress(content) + packing.flush()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(PICTURE), "gzip"),
        (gzip.compress(PICTURE), "X-GZip"),
        (gzip.compress(PICTURE), "utf-8"),
        (gzip.compress(PICTURE[:999]) + gzip.compress(PICTURE[999:]) + bytes(40), "gzip"),
        (gzip.compress(PICTURE) + b"and more that means nothing", "gzip"),
        (deflated(PICTURE, wbits=15), "deflate"),
        (deflated(PICTURE, wbits=-15), "deflate"),
        (deflated(PICTURE, wbits=15), "identity, Deflate"),
    ],
)
def test_a_body_that_is_packed_is_unpacked_and_has_no_size_beforehand(make, cdn: Origin, body: bytes, coding: str) -> None:
    cdn.serve("/0.png", body, f"Content-Encoding: {coding}")

    with make().open(f"https://{HOST}:{cdn.port}/0.png", timeout_s=20) as download:
        assert download.size is None
        assert b"".join(download.chunks) == PICTURE


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(PICTURE)[:-1], "gzip"),
        (gzip.compress(PICTURE)[:200], "gzip"),
        (gzip.compress(PICTURE)[:200] + b"x" * 300, "gzip"),
        (gzip.compress(PICTURE)[:2], "deflate"),
        (b"<html>", "deflate"),
        (b"\x8b\x03\x80packed", "br"),
        (b"(\xb5/\xfdpacked", "zstd"),
    ],
)
def test_a_packed_body_that_ends_early_is_broken_or_in_nobodys_power_is_fetched_again(
    make, cdn: Origin, body: bytes, coding: str
) -> None:
    cdn.serve("/0.png", body, f"Content-Encoding: {coding}")

    with pytest.raises(DownloadInterrupted, match="encoded"):
        fetch(make(), f"https://{HOST}:{cdn.port}/0.png")


def test_no_chunk_of_a_bomb_is_large(make, cdn: Origin) -> None:
    cdn.serve("/0.png", gzip.compress(bytes(5_000_000)), "Content-Encoding: gzip")

    with make().open(f"https://{HOST}:{cdn.port}/0.png", timeout_s=20) as download:
        assert max(map(len, download.chunks)) <= 65_536


def test_no_chunk_is_large(make, cdn: Origin) -> None:
    cdn.serve("/0.png", bytes(3_000_000))

    with make().open(f"https://{HOST}:{cdn.port}/0.png", timeout_s=20) as download:
        assert max(map(len, download.chunks)) <= 65_536


def _drip_body(visit: Visit) -> None:
    visit.send(head("200 OK", "Content-Length: 100000"))
    _drip(visit)


def _drip(visit: Visit) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        visit.send(b"x")
        time.sleep(0.05)


def _say_nothing(visit: Visit) -> None:
    time.sleep(30)


@pytest.mark.parametrize("answer", [_drip_body, _drip, _say_nothing], ids=["body", "headers", "silence"])
def test_a_server_that_drips_cannot_hold_us(make, cdn: Origin, answer: Callable[[Visit], None]) -> None:
    cdn.answers["/0.png"] = answer
    began = time.monotonic()

    with pytest.raises(DownloadInterrupted, match="ReadTimeout"):
        fetch(make(), f"https://{HOST}:{cdn.port}/0.png", timeout_s=0.5)

    # Half a second; the rest is room for a slow machine, and well below the server's patience.
    assert time.monotonic() - began < 15


def test_no_message_shows_the_query_of_a_url(make, cdn: Origin) -> None:
    cdn.serve("/0.png?sig=hunter2", b"", status="500 No")
    faults = []

    for url in (
        f"https://{HOST}:{cdn.port}/0.png?sig=hunter2",
        "http://cdn.example/0.png?sig=hunter2",
        f"https://{HOST}:9/?sig=hunter2",
    ):
        with pytest.raises((DownloadInterrupted, OutputRefused)) as caught:
            fetch(make(), url)
        faults.append(str(caught.value))

    assert not any("hunter2" in fault for fault in faults)


def test_leaving_early_closes_the_connection_and_harms_nobody(make, cdn: Origin) -> None:
    cdn.serve("/0.png", bytes(5_000_000))
    downloads = make()

    with downloads.open(f"https://{HOST}:{cdn.port}/0.png", timeout_s=20) as download:
        next(download.chunks)

    assert len(fetch(downloads, f"https://{HOST}:{cdn.port}/0.png")) == 5_000_000
