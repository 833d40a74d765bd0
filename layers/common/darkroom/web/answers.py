"""An answer before it becomes API Gateway's: a status, headers and a body, in the API's notations."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PRIVATE: Mapping[str, str] = {"Cache-Control": "private, no-store"}
"""What is about one owner is kept by nobody in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer; an empty `body` has no content type."""

    status: int
    body: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content_type: str = "application/json"


def json_answer(status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """`content` as JSON in ASCII, so that no text of a caller's can break it."""
    return Answer(status=status, body=json.dumps(content, separators=(",", ":")), headers=headers or {})


def list_answer(data: list[dict[str, Any]], next_cursor: str | None = None, **beside: Any) -> Answer:
    """One page of a list, and what stands beside it."""
    page = {"data": data, "has_more": next_cursor is not None, "next_cursor": next_cursor, **beside}
    return json_answer(200, page, PRIVATE)


def rfc3339(at: float | None) -> str | None:
    """Unix seconds as UTC with milliseconds; None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
