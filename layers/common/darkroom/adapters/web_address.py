"""An address as somebody else wrote it, taken apart once: what is checked is what is connected to and asked for."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urljoin

from darkroom.domain.addresses import split_address

_PORTS = {"http": 80, "https": 443}
_KEPT = "%!$&'()*+,;=:@/?#[]"
"""What a path and a query may hold (RFC 3986), and some that others write there. Signatures cover addresses as they were written,
so an escape stays as it is, its letters' case included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAddress:
    """`host` is in ASCII, an IPv6 address without its brackets; `target` is what a request line holds."""

    scheme: str
    host: str
    port: int
    target: bytes
    path: str
    has_user: bool

    @classmethod
    def of(cls, text: str, base: Self | None = None) -> Self:
        """`text`, seen from `base` when it is a redirect's; raises ValueError when it is no address at all."""
        parts = split_address(text)
        if base and not (parts.scheme and parts.netloc):
            text = urljoin(str(base), text)
            parts = split_address(text)
        scheme = parts.scheme
        port = parts.port
        path = quote(parts.path, safe=_KEPT, errors="surrogatepass") or "/"
        query = "?" + quote(parts.query, safe=_KEPT, errors="surrogatepass") if "?" in text.partition("#")[0] else ""
        return cls(
            scheme=scheme,
            host=_in_ascii(parts.hostname or ""),
            # 0 is a port that nobody has: it is never asked. Only where nothing is said is the scheme's meant.
            port=_PORTS.get(scheme, 0) if port is None else port,
            target=(path + query).encode("ascii"),
            path=path,
            has_user="@" in parts.netloc,
        )

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (0, _PORTS.get(self.scheme)) else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """As far as it may be shown: without user, query and fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target.decode('ascii')}"


def _in_ascii(host: str) -> str:
    if host.isascii() and "xn--" not in host:
        return host
    import idna

    # A name in punycode is checked by it too. An IDNAError is a ValueError.
    return idna.encode(host).decode("ascii")
