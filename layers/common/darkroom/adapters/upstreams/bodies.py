"""What is sent: bytes that are the same for the same request, in the forms that gateways ask for."""

import json
from collections.abc import Mapping
from typing import Any

from darkroom.errors import ConfigurationError


def frozen(body: Mapping[str, Any]) -> bytes:
    """Compact JSON whose names are in order: equal requests are equal bytes."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def require_no_route(upstream: str, route: str | None) -> None:
    """Raises ConfigurationError: only HiAPI's task API knows routes, and leaving one out would be another request."""
    if route not in (None, "", "default"):
        raise ConfigurationError(f"the upstream {upstream} knows no routes: {route!r} cannot be asked for there")


def with_extra_body(body: Mapping[str, Any], *, merged: bool) -> dict[str, Any]:
    """`body`, whose `extra_body` stays a field of the JSON (HiAPI docs, image generation) or, `merged`, gives its own fields
    to the top level, as OpenAI's clients send it. What both hold, `body` itself says.
    """
    extra = body.get("extra_body")
    if not merged or not isinstance(extra, dict):
        return dict(body)
    return extra | {name: value for name, value in body.items() if name != "extra_body"}
