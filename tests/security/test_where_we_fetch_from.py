"""Whatever an upstream names, and wherever that redirects to: nothing inside our network is ever dialled."""

from collections.abc import Iterator
from itertools import count

import httpcore
import pytest
import trustme

from darkroom.adapters.downloads import GuardedDownloads
from darkroom.errors import DownloadError, DownloadInterrupted, OutputRefused
from tests.security.internet import INSIDE, PUBLIC, Internet, internet, spellings
from tests.support.origin import HOST, Origin, authority, first_bytes, head, origin

PICTURE = b"\x89PNG and so on"
SPELLINGS = sorted(spellings("127.0.0.1"))


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return authority()


@pytest.fixture(scope="module")
def served(ca: trustme.CA) -> Iterator[Origin]:
    with origin(ca, HOST, "other.example") as running:
        yield running


@pytest.fixture
def cdn(served: Origin) -> Origin:
    """A public server that speaks TLS as cdn.example and other.example."""
    served.answers.clear()
    served.visits.clear()
    served.connections = 0
    served.serve("/0.png", PICTURE)
    return served


@pytest.fixture
def net(cdn: Origin, monkeypatch: pytest.MonkeyPatch) -> Internet:
    """Both names are public; nothing else is known."""
    net = internet(monkeypatch)
    net.names = {HOST: [PUBLIC], "other.example": [PUBLIC]}
    net.routes = {PUBLIC: cdn.port}
    return net


@pytest.fixture
def guarded(ca: trustme.CA, net: Internet) -> Iterator[GuardedDownloads]:
    downloads = net.downloads(ca)
    yield downloads
    downloads.close()


def fetch(downloads: GuardedDownloads, url: str, timeout_s: float = 20) -> bytes:
    with downloads.open(url, timeout_s=timeout_s) as download:
        return b"".join(download.chunks)


def refused(downloads: GuardedDownloads, url: str) -> bool:
    try:
        fetch(downloads, url)
    except OutputRefused as error:
        return error.code == "storage_failed"
    except DownloadError:
        return False
    return False


def test_the_public_server_can_be_fetched_from(guarded: GuardedDownloads, net: Internet) -> None:
    assert fetch(guarded, f"https://{HOST}/0.png") == PICTURE
    assert net.connected == [PUBLIC]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_an_address_inside_is_dialled(guarded: GuardedDownloads, net: Internet, spelling: str) -> None:
    urls = [f"https://{spellings(address)[spelling]}/latest/meta-data" for address in INSIDE]

    assert [url for url in urls if not refused(guarded, url)] == []
    assert net.connected == []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_redirect_leads_inside_however_its_target_is_spelled(
    guarded: GuardedDownloads, cdn: Origin, net: Internet, spelling: str
) -> None:
    for address in INSIDE:
        # In UTF-8, as browsers take it too.
        location = f"https://{spellings(address)[spelling]}/latest/meta-data".encode()
        cdn.answers["/go"] = lambda visit, to=location: visit.send(head("302 Found", "Content-Length: 0")[:-2] + to_header(to))

        with pytest.raises(OutputRefused if location.isascii() else DownloadError):
            fetch(guarded, f"https://{HOST}/go")

    assert len(cdn.visits) == len(INSIDE)
    assert set(net.connected) == {PUBLIC}


def to_header(location: bytes) -> bytes:
    return b"Location: " + location + b"\r\n\r\n"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1/0.png", "//127.0.0.1/", "file:///etc/passwd", "gopher://cdn.example/", "https://rebound.example/"],
)
def test_a_redirect_of_any_kind_is_checked_anew(
    guarded: GuardedDownloads, cdn: Origin, net: Internet, status: int, target: str
) -> None:
    net.names["rebound.example"] = ["10.0.0.8"]
    cdn.serve("/go", b"", f"Location: {target}", status=f"{status} Go")

    assert refused(guarded, f"https://{HOST}/go")
    assert net.connected == [PUBLIC]


def test_nothing_is_fetched_without_tls_but_from_an_allowed_origin(guarded: GuardedDownloads, cdn: Origin, net: Internet) -> None:
    cdn.redirect("/go", "http://other.example/0.png")
    with first_bytes() as (port, heard):
        net.names["other.example"] = ["8.8.4.4"]
        net.routes["8.8.4.4"] = port

        for url in ("http://other.example/0.png", f"https://{HOST}/go"):
            with pytest.raises(DownloadError):
                fetch(guarded, url)

    assert heard == [b"\x16"] * 2


@pytest.mark.parametrize("hop", [1, 2, 3])
def test_the_last_of_three_redirects_is_checked_like_the_first(
    guarded: GuardedDownloads, cdn: Origin, net: Internet, hop: int
) -> None:
    for step in range(1, hop):
        cdn.redirect(f"/{step}", f"/{step + 1}")
    cdn.redirect(f"/{hop}", "https://169.254.169.254/latest/meta-data")

    assert refused(guarded, f"https://{HOST}/1")
    assert len(cdn.visits) == hop
    assert set(net.connected) == {PUBLIC}


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_private_address_among_several_refuses_the_name(
    guarded: GuardedDownloads, net: Internet, inside: str, place: int
) -> None:
    answers = [PUBLIC, "151.101.1.69"]
    answers.insert(place, inside)
    net.names["mixed.example"] = answers

    assert refused(guarded, "https://mixed.example/0.png")
    assert net.connected == []


@pytest.mark.parametrize(
    "trick", ["0x7f.example", "127.0.0.1.example", "localhost", "LOCALHOST.", "a.localhost", "metadata.internal"]
)
def test_a_name_that_leads_inside_is_refused_whatever_it_looks_like(guarded: GuardedDownloads, net: Internet, trick: str) -> None:
    net.names[trick.lower().rstrip(".")] = ["127.0.0.1"]

    assert refused(guarded, f"https://{trick}/0.png")
    assert net.connected == []


# -- rebinding ------------------------------------------------------------------------------------------


def test_a_name_that_changes_its_answer_gains_nothing(guarded: GuardedDownloads, cdn: Origin, net: Internet) -> None:
    asked = count(1)
    net.names[HOST] = lambda: [PUBLIC] if next(asked) == 1 else ["127.0.0.1"]

    # Checked and dialled is one address; the name is not asked a second time in between.
    assert fetch(guarded, f"https://{HOST}/0.png") == PICTURE
    assert net.connected == [PUBLIC]
    assert cdn.visits[0].headers["host"] == HOST


def test_a_new_connection_to_the_same_name_is_checked_again(guarded: GuardedDownloads, cdn: Origin, net: Internet) -> None:
    asked = count(1)
    net.names[HOST] = lambda: [PUBLIC] if next(asked) == 1 else ["127.0.0.1"]
    cdn.serve("/go", b"", f"Location: https://{HOST}:8443/0.png", "Connection: close", status="302 Found")

    assert refused(guarded, f"https://{HOST}/go")
    assert refused(guarded, f"https://{HOST}/0.png")
    assert net.connected == [PUBLIC]


def test_an_address_is_dialled_and_never_a_name(guarded: GuardedDownloads, net: Internet) -> None:
    net.names[HOST] = ["203.0.114.1", "2606:4700::1111", PUBLIC]

    assert fetch(guarded, f"https://{HOST}/0.png") == PICTURE
    assert net.connected == ["203.0.114.1", "2606:4700::1111", PUBLIC]


# -- names that are none --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "xn--0.example",
        "xn--a.example",
        "xn--\u00fc.example",
        "xn--.example",
        "\u200d.example",
        "\u2488.example",
        "a\u0301\ud800.example",
    ],
)
@pytest.mark.parametrize("redirected", [False, True])
def test_a_name_that_cannot_be_decoded_is_refused(
    guarded: GuardedDownloads, cdn: Origin, net: Internet, host: str, redirected: bool
) -> None:
    url = f"https://{host}/0.png"
    if redirected:
        cdn.redirect("/go", url.encode(errors="replace").decode("latin-1"))

    assert refused(guarded, f"https://{HOST}/go" if redirected else url) or redirected
    assert set(net.connected) <= {PUBLIC}


@pytest.mark.parametrize("port", ["-1", "0", "65536", "99999", "4294967739", "443x"])
def test_a_port_that_is_none_is_refused(guarded: GuardedDownloads, net: Internet, port: str) -> None:
    assert refused(guarded, f"https://{HOST}:{port}/0.png")
    assert net.connected == []


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "a." * 130 + "example", ".cdn.example", "cdn..example", "-"])
def test_a_name_that_no_resolver_takes_is_a_fault_of_the_download(ca: trustme.CA, name: str) -> None:
    # The system's own resolver, which knows no such names and asks nobody about them.
    with pytest.raises(DownloadError):
        fetch(GuardedDownloads(ssl_context=httpcore.default_ssl_context()), f"https://{name}/0.png", timeout_s=5)


# -- allow-listed origins -------------------------------------------------------------------------------

LOOKALIKES = [
    "http://127.0.0.1:9001/",
    "http://127.0.0.1/",
    "http://127.0.0.1:90000/",
    "http://127.0.0.1:9000@evil.example/",
    "https://127.0.0.1:9000/",
    "http://evil@127.0.0.1:9000/",
    "http://:@127.0.0.1:9000/",
    "http://127.0.0.1:9000.evil.example/",
    "http://127.0.0.1.evil.example:9000/",
    "http://evil.example/127.0.0.1:9000/",
    "http://evil.example?127.0.0.1:9000",
    "http://evil.example#127.0.0.1:9000",
    "http://127.1:9000/",
    "http://0x7f.0.0.1:9000/",
    "http://2130706433:9000/",
    "http://0177.0.0.1:9000/",
    "http://127.0.0.1.:9000/",
    "http://[::1]:9000/",
    "http://[::ffff:127.0.0.1]:9000/",
    "http://[::ffff:7f00:1]:9000/",
    "http://127.0.0.2:9000/",
    "http://localhost:9000/",
    "ftp://127.0.0.1:9000/",
    "ws://127.0.0.1:9000/",
    "//127.0.0.1:9000/",
    "http:/127.0.0.1:9000/",
    "http:127.0.0.1:9000/",
    "http:\\\\127.0.0.1:9000/",
    "http://127.0.0.1:9000\\@evil.example/",
    "http://127.0.0.1%3A9000/",
    "http://127.0.0.1:9000%2f@evil.example/",
    "http://simulator.test.evil.example:9000/",
    "http://evil-simulator.test:9000/",
    "http://simulator.test:9001/",
    "https://simulator.test:9000/",
    "http://simulator.test.:9000/",
    "http://x.simulator.test:9000/",
    "http://simulator.test:9000@10.0.0.8/",
    "http://simulator\u3002test.evil:9000/",
]


NEIGHBOURS = ("127.0.0.1.evil.example", "simulator.test.evil.example", "evil-simulator.test", "x.simulator.test")
NEIGHBOURS += ("simulator.test.evil",)


@pytest.mark.parametrize("url", LOOKALIKES)
def test_only_the_very_origin_that_is_allowed_is_exempt(ca: trustme.CA, net: Internet, url: str) -> None:
    net.names |= {name: ["127.0.0.1"] for name in (*NEIGHBOURS, "simulator.test", "evil.example", "localhost")}
    guarded = net.downloads(ca, allowed_origins=["http://127.0.0.1:9000", "http://simulator.test:9000"])

    assert refused(guarded, url)
    assert net.connected == []


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:9001/", "http://10.0.0.8:9000/", "https://127.0.0.1:9000/", "//localhost:9000/"]
)
def test_an_allowed_origin_cannot_send_us_to_its_neighbours(ca: trustme.CA, net: Internet, target: str) -> None:
    net.names["localhost"] = ["127.0.0.1"]
    with origin() as simulator:
        net.routes["127.0.0.1"] = simulator.port
        simulator.redirect("/go", target)
        guarded = net.downloads(ca, allowed_origins=["http://127.0.0.1:9000"])

        assert refused(guarded, "http://127.0.0.1:9000/go")
        assert net.connected == ["127.0.0.1"]


def test_a_name_without_any_address_is_asked_again_later(guarded: GuardedDownloads, net: Internet) -> None:
    net.names["empty.example"] = []

    with pytest.raises(DownloadInterrupted):
        fetch(guarded, "https://empty.example/0.png")
