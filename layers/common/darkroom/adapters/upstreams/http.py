"""One HTTP exchange with a gateway: bounded in time and size, and exact about whether anything was sent."""

import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from darkroom import __version__
from darkroom.adapters.once import once
from darkroom.adapters.trust import ssl_context
from darkroom.adapters.upstreams.connections import Answered, Asked, BrokenOff, Http, NotSent, Pool
from darkroom.adapters.web_address import WebAddress
from darkroom.errors import NotAsked, OutcomeUnknown, UpstreamUnavailable

USER_AGENT = f"darkroom/{__version__}"
MAX_BODY = 1024 * 1024

_ALWAYS = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; header names are lower-case. Not `complete`: the body broke off, timed out or was too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True


@once
def shared_pool() -> Pool:
    """The process's connections to gateways."""
    return Pool(verify=ssl_context())


def exchange(
    http: Http,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    content: bytes | None = None,
    max_body: int = MAX_BODY,
) -> Answer:
    """Ask once, in `timeout_s` seconds at most, for `max_body` bytes at most.

    Raises UpstreamUnavailable when the request provably did not leave, OutcomeUnknown when it may have and no status came back.
    """
    if timeout_s <= 0:
        raise NotAsked("nothing was sent: no time was left")
    ends = time.monotonic() + timeout_s
    try:
        answered = http.send(_asked(method, url, headers, content), ends=ends)
    except NotSent as error:
        raise UpstreamUnavailable(f"nothing was sent: {error}") from error
    except BrokenOff as error:
        raise OutcomeUnknown(f"no answer: {error}") from error
    try:
        found = _joined(answered.headers)
        body, complete = _read(answered, found.get("content-encoding", ""), ends, max_body)
    finally:
        answered.close()
    return Answer(status=answered.status, headers=found, body=body, complete=complete)


def _asked(method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Asked:
    # What is in `url` is ours: settings have checked the origin, and a task's id is quoted.
    return Asked(method=method, address=WebAddress.of(url), headers={**_ALWAYS, **headers}, content=content)


def _joined(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Names in lower case; what is said more than once is joined with commas (RFC 9110, 5.2)."""
    found: dict[str, str] = {}
    for given, value in headers:
        name = given.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _read(answered: Answered, encoding: str, ends: float, max_body: int) -> tuple[bytes, bool]:
    """At most `max_body` bytes, and whether that was all."""
    packed = encoding.strip().lower() in ("gzip", "x-gzip", "deflate")
    unpacking = _Packed() if packed else _Plain()
    body = bytearray()
    try:
        for piece in answered.pieces():
            body += unpacking.unpack(piece, max_body + 1 - len(body))
            if len(body) > max_body or time.monotonic() > ends:
                return bytes(body[:max_body]), False
    except (BrokenOff, zlib.error):
        return bytes(body), False
    return bytes(body), unpacking.is_whole


class _Plain:
    """What we ask for."""

    is_whole = True

    def unpack(self, piece: bytes, room: int) -> bytes:
        return piece[: max(0, room)]


class _Packed:
    """A proxy that packs bodies all the same is understood, but never beyond the bound; members may follow each other."""

    def __init__(self) -> None:
        self._member: Any = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing began that did not end: a packed body may have been cut before it was sent."""
        return self._member is None or self._member.eof

    def unpack(self, piece: bytes, room: int) -> bytes:
        found = b""
        while piece and len(found) < room:
            if self.is_whole:
                self._member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            found += self._member.decompress(piece, room - len(found))
            # Zeros fill up blocks.
            piece = self._member.unused_data.lstrip(b"\0")
        return found
