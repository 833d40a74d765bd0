"""An address is taken apart as everybody does it, unless its host is longer than any."""

from urllib.parse import urlsplit

import pytest

from darkroom.domain.addresses import split_address

MARKS = "\u0300" * 151 + "\u0316" * 150


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example/1.png?2#3",
        "https://b\u00fccher.example/" + "\u00e9" * 5000,
        "https://a.example/?" + "\u00e9" * 5000,
        "https://a.example/#" + "\u00e9" * 5000,
        "https://" + "a" * 5000,
        "//" + "\u00e9" * 300 + "/1",
        "",
    ],
)
def test_an_address_is_taken_apart_as_usual(address: str) -> None:
    assert split_address(address) == urlsplit(address)


@pytest.mark.parametrize("before", ["https://", "//", " https://", "ht\ntps://", "https:/\t/"])
@pytest.mark.parametrize("behind", ["", "/1.png", "?1", "#1", "@a.example/"])
def test_a_host_that_would_take_long_to_normalise_is_none(before: str, behind: str) -> None:
    with pytest.raises(ValueError, match="too long"):
        split_address(before + MARKS + behind)
