"""Whose certificates we believe: the public roots for gateways and pictures, Amazon's own for AWS."""

import ssl
from importlib.util import find_spec
from pathlib import Path

from darkroom.adapters.once import once

_OTHER_AUTHORITIES = ("cn-", "us-gov-", "us-iso", "eu-isoe", "eusc-")


@once
def ssl_context() -> ssl.SSLContext:
    """This process's one context for every gateway and every picture.

    In the deployed layer the roots lie in a folder, from which TLS reads the one it needs; elsewhere the system's are loaded,
    all of them, which takes 12 ms.
    """
    folder = _certifi() / "roots"
    return ssl.create_default_context(capath=str(folder)) if folder.is_dir() else ssl.create_default_context()


def amazon_roots(region: str | None) -> str | None:
    """The file of the roots that AWS's endpoints in `region` end in; None where we know none, so that all public ones count.

    botocore reads its file anew for every connection: 0.6 ms for these few, 15 ms for all. China, the government's and the
    isolated regions have authorities of their own. The file is made with the layer; elsewhere there is none.
    """
    file = _certifi() / "amazon.pem"
    known = region is not None and not region.startswith(_OTHER_AUTHORITIES)
    return str(file) if known and file.exists() else None


def _certifi() -> Path:
    """Where the package lies; importing it would cost more than it does."""
    found = find_spec("certifi")
    if found is None or found.origin is None:
        raise RuntimeError("certifi is not installed")
    return Path(found.origin).parent
