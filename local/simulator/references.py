"""What a gateway does with reference images: it fetches them while it generates, and cannot generate without them."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes, urlsplit

import httpx

from local.addresses import is_loopback
from local.simulator.messages import Json

# What is said there is no image, whatever it looks like.
_WORDS = ("callback", "prompt", "negative_prompt", "text", "model")
_FETCH_S = 10.0


class Unreachable(Exception):
    """A reference that could not be had; says what came instead."""


def references_in(body: bytes) -> list[str]:
    """Every address and `data:` URI of an image in a request, wherever its API puts them."""
    return list(_images(json.loads(body)))


def fetched(address: str, http: httpx.Client) -> dict[str, Json]:
    """What is there: type, size and digest; raises Unreachable. This gateway has no way out of its own machine: the rest of the
    world's addresses are only noted.
    """
    if address.startswith("data:"):
        return _decoded(address)
    if not is_loopback(address):
        return {"kind": "url", "host": urlsplit(address).hostname, "fetched": False}
    try:
        answer = http.get(address, timeout=_FETCH_S)
    except httpx.HTTPError as error:
        raise Unreachable(str(error) or type(error).__name__) from error
    if answer.status_code != 200:
        raise Unreachable(f"HTTP {answer.status_code}")
    return {"kind": "url", "fetched": True} | _facts(answer.content, answer.headers.get("Content-Type", ""))


def _images(value: Json) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(("data:image/", "http://", "https://")):
        yield value
    inner: list[Json] = value if isinstance(value, list) else []
    if isinstance(value, dict):
        inner = [one for name, one in value.items() if name not in _WORDS]
    for one in inner:
        yield from _images(one)


def _decoded(uri: str) -> dict[str, Json]:
    kind, _, data = uri.removeprefix("data:").partition(",")
    try:
        content = base64.b64decode(data, validate=True) if kind.endswith(";base64") else unquote_to_bytes(data)
    except binascii.Error as error:
        raise Unreachable("its base64 is broken") from error
    return {"kind": "data", "fetched": True} | _facts(content, kind.partition(";")[0])


def _facts(content: bytes, content_type: str) -> dict[str, Json]:
    return {"content_type": content_type, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
