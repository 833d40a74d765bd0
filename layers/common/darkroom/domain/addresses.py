"""Which hosts lie in the public internet, whatever form an address comes in; no name is resolved here."""

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

_EMBEDDING = {
    IPv6Network("::ffff:0:0/96"): 0,  # IPv4-mapped
    IPv6Network("::/96"): 0,  # IPv4-compatible
    IPv6Network("64:ff9b::/96"): 0,  # NAT64
    IPv6Network("2002::/16"): 80,  # 6to4
}
"""IPv6 networks whose addresses hold an IPv4 address, so many bits from the right."""

_UNICAST = IPv6Network("2000::/3")
# Python 3.11 calls some of these global.
_SPECIAL = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_LONGEST_HOST = 300
"""Characters of a host in other letters than ASCII's: to normalise them takes the square of their number."""


def split_address(address: str) -> SplitResult:
    """Take `address` apart, whoever wrote it; raises ValueError."""
    if not address.isascii():
        # The host is one of the first three, whatever else is wrong with the address.
        beginning = address.partition("?")[0].partition("#")[0].split("/", 3)[:3]
        if max(map(len, beginning)) > _LONGEST_HOST:
            raise ValueError("the host is too long")
    return urlsplit(address)


def is_public(address: str) -> bool:
    """Whether a resolved address lies outside every private, local, reserved and multicast network."""
    try:
        parsed = _unwrapped(ipaddress.ip_address(address))
    except ValueError:
        return False
    if parsed.version == 6 and parsed not in _UNICAST:
        return False
    special = any(parsed in network for network in _SPECIAL if network.version == parsed.version)
    return parsed.is_global and not (special or parsed.is_multicast or parsed.is_reserved)


def is_disguised(host: str) -> bool:
    """Whether a URL's host is an IPv4 address in a notation that only old resolvers read: 2130706433, 0x7f.1, 0177.0.0.1."""
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is None:
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


def is_plain(host: str) -> bool:
    """Whether a URL's host is an address in its usual notation or a name in ASCII, percent signs and zones excluded."""
    if ":" in host:
        return "%" not in host and not is_disguised(host)
    return _NAME.fullmatch(host) is not None and not is_disguised(host)


def is_public_host(host: str) -> bool:
    """Whether a URL's host is a public address, or a name that could have one: local networks' own names have none."""
    bare = host.lower().removesuffix(".")
    if not is_plain(bare):
        return False
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return "." in bare and not bare.endswith(_LOCAL_NAMES)
    return is_public(bare)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    for network, shift in _EMBEDDING.items():
        if address in network:
            return IPv4Address(int(address) >> shift & 0xFFFF_FFFF)
    return address
