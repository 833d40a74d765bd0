"""Pictures inside their address are decoded as they are read, bounded, and refused where they are no base64."""

import base64
import ssl
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters.data_uris import open_data_uri
from darkroom.adapters.downloads import GuardedDownloads
from darkroom.errors import OutputRefused

PNG = "data:image/png;base64,"


def uri(content: bytes, head: str = PNG) -> str:
    return head + base64.b64encode(content).decode()


def read(url: str) -> bytes:
    download = open_data_uri(url)
    body = b"".join(download.chunks)
    assert download.size == len(body)
    return body


@given(st.binary(min_size=1, max_size=300), st.booleans())
def test_every_picture_comes_back_as_it_was_padded_or_not(content: bytes, padded: bool) -> None:
    address = uri(content)

    assert read(address if padded else address.rstrip("=")) == content


@pytest.mark.parametrize("size", [49_151, 49_152, 49_153, 49_154, 1_000_000])
def test_a_picture_of_many_chunks_comes_back_as_it_was(size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)

    assert read(uri(content[:size])) == content[:size]


@pytest.mark.parametrize("head", ["DATA:image/png;BASE64,", "data:;base64,", "data:image/png;charset=utf-8;base64,"])
def test_the_head_is_read_in_every_form(head: str) -> None:
    assert read(uri(b"picture", head)) == b"picture"


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png,plain",
        "data:image/svg+xml;utf8,<svg/>",
        "data:image/png;base64",
        "data:",
        PNG,
        PNG + "=",
        PNG + "A",
        PNG + "AAAAA",
        "data:" + "x" * 300 + ";base64,AAAA",
    ],
)
def test_what_is_no_whole_base64_is_refused_at_once(url: str) -> None:
    with pytest.raises(OutputRefused) as caught:
        open_data_uri(url)

    assert caught.value.code == "no_output"


@pytest.mark.parametrize(
    "broken", ["====", "AA=AAAAA", "AA==AAAA", "AAAA AAA", "AA\nAA", "AAA*", "日本日本", "AA-_", "A" * 70_000 + "=AAA"]
)
def test_base64_that_breaks_on_the_way_is_refused_there(broken: str) -> None:
    with pytest.raises(OutputRefused) as caught:
        read(PNG + broken)

    assert caught.value.code == "no_output"
    assert broken not in str(caught.value)


@given(st.text(max_size=80))
def test_whatever_stands_behind_the_head_is_decoded_or_refused(rest: str) -> None:
    with suppress(OutputRefused):
        assert read(PNG + rest)


def test_a_large_picture_is_never_held_a_second_time() -> None:
    address = PNG + "A" * 40_000_000
    tracemalloc.start()

    total = sum(map(len, open_data_uri(address).chunks))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 30_000_000
    assert peak < 1_000_000


def test_downloads_open_a_data_uri_without_a_network() -> None:
    def never(*_: object) -> list[str]:
        raise AssertionError("a name was resolved")

    downloads = GuardedDownloads(ssl_context=ssl.create_default_context(), resolve=never)

    with downloads.open(uri(b"picture"), timeout_s=0.001) as download:
        assert (download.size, b"".join(download.chunks)) == (7, b"picture")
    downloads.close()
