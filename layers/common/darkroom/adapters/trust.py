"""Whose certificates we believe: the public roots, for gateways and for pictures."""

import ssl
from functools import cache


@cache
def ssl_context() -> ssl.SSLContext:
    """This process's one context: loading the roots takes 12 ms."""
    return ssl.create_default_context()
