"""Which hosts a caller may hand on: public addresses, and names that could have one."""

import pytest

from darkroom.domain.addresses import is_public_host


@pytest.mark.parametrize("host", ["a.example", "A.Example.", "cdn.a-b.example", "203.1.113.9", "2606:4700::1111"])
def test_a_public_host_may_be_handed_on(host: str) -> None:
    assert is_public_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "sub.localhost",
        "printer.local",
        "db.internal",
        "router.lan",
        "nas.home.arpa",
        "intranet",
        "127.0.0.1",
        "10.0.0.7",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "fe80::1%eth0",
        "2130706433",
        "0x7f.1",
        "bücher.example",
    ],
)
def test_a_host_of_a_local_network_is_not(host: str) -> None:
    assert not is_public_host(host)
