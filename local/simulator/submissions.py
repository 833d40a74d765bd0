"""Reads the body of `POST /v1/tasks` and refuses what HiAPI refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from local.simulator.messages import Json, Refused, Request
from local.simulator.models import Models, Offer

FIELDS = ("model", "route", "input", "callback", "storage")
STORAGES = ("temp", "persistent")
MAX_KEY_BYTES = 255


@dataclass(frozen=True)
class Submission:
    """A create request that HiAPI accepts."""

    offer: Offer
    route: str | None
    input: Mapping[str, Json]
    callback_url: str | None
    storage: str
    body: bytes
    count: int = 1

    @property
    def prompt(self) -> str:
        """The prompt, empty for the models that take none."""
        return str(self.input.get("prompt", ""))


def read_submission(body: bytes, value: Json, models: Models) -> Submission:
    """The accepted form of a request body; raises `Refused` (400) with the field that is wrong."""
    if not isinstance(value, dict):
        raise _invalid("body: must be a JSON object")
    for name in value:
        if name not in FIELDS:
            raise _invalid(f"{name}: unknown field; allowed: {', '.join(FIELDS)}")
    route = _text(value, "route", "")
    offer = models.offer(_text(value, "model"), route)
    inputs = value.get("input")
    if not isinstance(inputs, dict):
        raise _invalid("input: must be an object")
    offer.check(inputs)
    echo = None if route in ("", "default") else route
    return Submission(offer, echo, inputs, _callback_url(value), _storage(value), body)


def read_key(request: Request) -> str | None:
    """The Idempotency-Key, at most 255 bytes of UTF-8 without control characters."""
    raw = request.header("Idempotency-Key").encode("latin-1")
    if not raw:
        return None
    if len(raw) > MAX_KEY_BYTES:
        raise _invalid(f"Idempotency-Key: at most {MAX_KEY_BYTES} bytes")
    key = raw.decode("utf-8", "replace")
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        raise _invalid("Idempotency-Key: no control characters")
    return key


def require_json(request: Request) -> None:
    """Raise `Refused` (415) for any other content type."""
    if request.header("Content-Type").split(";")[0].strip().lower() != "application/json":
        raise Refused(415, None, "Content-Type must be application/json")


def _callback_url(value: dict[str, Json]) -> str | None:
    callback = value.get("callback")
    if callback is None:
        return None
    if not isinstance(callback, dict) or set(callback) - {"url", "when"}:
        raise _invalid("callback: must be an object with url and, optionally, when")
    if callback.get("when", "final") != "final":
        raise _invalid("callback.when: the only value is 'final'")
    url = callback.get("url")
    if not isinstance(url, str) or not _is_web_address(url):
        raise _invalid("callback.url: must be an http(s) URL")
    return url


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _storage(value: dict[str, Json]) -> str:
    storage = _text(value, "storage", "temp")
    if storage not in STORAGES:
        raise _invalid(f"storage: must be one of {', '.join(STORAGES)}")
    return storage


def _text(value: dict[str, Json], name: str, default: str | None = None) -> str:
    text = value.get(name, default)
    if text is None and default is not None:
        return default
    if not isinstance(text, str) or (default is None and not text):
        raise _invalid(f"{name}: must be a string")
    return text


def _invalid(message: str) -> Refused:
    return Refused(400, "INVALID_REQUEST", message)
