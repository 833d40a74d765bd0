"""Which addresses may be fetched from."""

import pytest

from darkroom.adapters.addresses import resolve
from darkroom.domain.addresses import is_disguised, is_public

PUBLIC = ["8.8.8.8", "151.101.1.69", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]

INSIDE = """
    127.0.0.1 127.8.9.1 10.0.0.8 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 169.254.170.2 100.64.0.1 192.0.0.9
    192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 224.0.1.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe::
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 ff0e::1
    2001::1 2001:db8::1 3fff::1 5f00::1 100::1 not-an-address
"""

DISGUISED = "2130706433 0x7f000001 0x7f.1 127.1 0177.0.0.1 017700000001 8.8.2056 0x 127.0.0.1."
PLAIN = "8.8.8.8 cdn.hiapi.ai 1.example 0x7f.example xn--bcher-kva.example 2606:4700::1111"


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["0.0.0.0", *INSIDE.split()])  # noqa: S104  (nothing is bound here)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "017700000001", "8.8.2056", "0x", "127.0.0.1."]
)
def test_an_address_in_an_old_notation_is_seen_through(host: str) -> None:
    assert is_disguised(host)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "cdn.hiapi.ai", "1.example", "0x7f.example", "xn--bcher-kva.example", "2606:4700::1111"]
)
def test_a_plain_host_is_not_disguised(host: str) -> None:
    assert not is_disguised(host)


def test_the_systems_resolver_names_every_address_once() -> None:
    assert resolve("127.0.0.1", 443) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
def test_a_name_that_cannot_be_one_has_no_address(host: str) -> None:
    with pytest.raises(OSError, match="host"):
        resolve(host, 443)
