"""Where an upstream can reach this deployment: the origin of callback URLs."""

import re

_HOST = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.I)
_PRIVATE_ENDS = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa")


def callback_origin(public_url: str | None, domain: str) -> str | None:
    """`public_url` if the deployment has one, else the API's own domain; None when no upstream could reach that one."""
    if public_url is not None:
        return public_url
    public = _HOST.fullmatch(domain) and not domain.lower().endswith(_PRIVATE_ENDS)
    return f"https://{domain.lower()}" if public else None
