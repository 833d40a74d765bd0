"""A small internet for attackers: names lead where a test says, one public address leads to this machine, all others nowhere."""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpcore
import pytest
import trustme

from darkroom.adapters.downloads import GuardedDownloads
from tests.support.origin import trusting

PUBLIC = "8.8.8.8"
"""An address that passes every check; here it leads to a server on this machine."""

INSIDE = (
    "127.0.0.1",
    "127.8.9.1",
    "10.0.0.8",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # the instance's own metadata
    "169.254.170.2",  # a container's credentials
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
)


@dataclass(slots=True)
class Internet:
    """`names` maps a host to its addresses, or to a function that tells them; `connected` lists what was dialled."""

    names: dict[str, list[str] | Callable[[], list[str]]] = field(default_factory=dict)
    routes: dict[str, int] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)

    def resolve(self, host: str, _port: int) -> list[str]:
        """As the most obliging resolver does: every notation of an address that there ever was is read."""
        known = self.names.get(host.rstrip("."))
        if known is not None:
            return known() if callable(known) else known
        try:
            return [socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))]
        except OSError:
            pass
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            raise OSError(f"{host} is not known") from None

    def downloads(self, ca: trustme.CA, **facts: Any) -> GuardedDownloads:
        """As deployed, but for the resolver and the authority that is trusted."""
        return GuardedDownloads(ssl_context=trusting(ca), **({"resolve": self.resolve} | facts))


def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    """Puts the small internet in the place of the real one, for every connection of httpcore's."""
    wire = Internet()
    really_connect = httpcore.SyncBackend.connect_tcp

    def connect(backend: Any, host: str, port: int, *rest: Any, **more: Any) -> httpcore.NetworkStream:
        wire.connected.append(host)
        if host not in wire.routes:
            raise httpcore.ConnectError(f"nobody answers at {host}")
        return really_connect(backend, "127.0.0.1", wire.routes[host], *rest, **more)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    return wire


def spellings(address: str) -> dict[str, str]:
    """Every way to write an IPv4 address into a URL's authority, by a name for the way."""
    parts = [int(part) for part in address.split(".")]
    number = int(ipaddress.IPv4Address(address))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    fullwidth = address.translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"})
    return {
        "dotted": address,
        "trailing dot": f"{address}.",
        "decimal": f"{number}",
        "decimal, trailing dot": f"{number}.",
        "hexadecimal": f"{number:#x}",
        "hexadecimal in capitals": f"0X{number:X}",
        "hexadecimal, padded": f"0x{number:016x}",
        "octal": f"0{number:o}",
        "octal, padded": f"0000{number:o}",
        "dotted hexadecimal": ".".join(f"{part:#x}" for part in parts),
        "dotted octal": ".".join(f"0{part:o}" for part in parts),
        "dotted octal, padded": ".".join(f"0000{part:o}" for part in parts),
        "mixed bases": f"{parts[0]:#x}.0{parts[1]:o}.{parts[2]}.{parts[3]:#x}",
        "three parts": f"{parts[0]}.{parts[1]}.{parts[2] << 8 | parts[3]}",
        "two parts": f"{parts[0]}.{number & 0xFFFFFF}",
        "two parts in hexadecimal": f"{parts[0]:#x}.{number & 0xFFFFFF:#x}",
        "fullwidth digits": fullwidth,
        "ideographic dots": address.replace(".", "\u3002"),
        "halfwidth dots": address.replace(".", "\uff61"),
        "dot leaders": address.replace(".", "\u2024"),
        "percent-encoded digits": "".join(f"%{ord(character):02x}" for character in address),
        "percent-encoded dots": address.replace(".", "%2e"),
        "behind an empty user": f"@{address}",
        "behind a user": f"cdn.example@{address}",
        "behind a backslash": f"cdn.example\\@{address}",
        "with a port": f"{address}:8443",
        "mapped": f"[::ffff:{address}]",
        "mapped in hexadecimal": f"[::ffff:{high}:{low}]",
        "mapped, written out": f"[0:0:0:0:0:ffff:{high}:{low}]",
        "compatible": f"[::{high}:{low}]",
        "translated": f"[::ffff:0:{high}:{low}]",
        "6to4": f"[2002:{high}:{low}::1]",
        "NAT64": f"[64:ff9b::{high}:{low}]",
        "NAT64 of this network": f"[64:ff9b:1::{high}:{low}]",
        "Teredo": f"[2001:0:4136:e378:8000:63bf:{0xFFFF ^ (number >> 16):x}:{0xFFFF ^ (number & 0xFFFF):x}]",
        "ISATAP": f"[fe80::5efe:{high}:{low}]",
        "with a zone": f"[fe80::{high}:{low}%25eth0]",
    }
