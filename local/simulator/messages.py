"""A request as the simulator reads it, an answer as it will be put on the wire, and the one exception between them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Json = Any
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Request:
    """One HTTP request, read completely."""

    id: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def header(self, name: str) -> str:
        """The header's value, whatever its case; empty when absent."""
        return self.headers.get(name.lower(), "")

    def json(self) -> Json:
        """The body as JSON, or None when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Answer:
    """What goes back, including how badly: the last five fields are for misbehaving.

    `drop` closes the connection without a word, `cut_after` breaks it after so many bytes of the body (the announced
    length stays whole), `bytes_per_second` is real time, `chunked` leaves the length out, `hide_request_id` leaves
    the x-request-id header out.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    cut_after: int | None = None
    bytes_per_second: int | None = None
    chunked: bool = False
    hide_request_id: bool = False

    def with_headers(self, **headers: str) -> "Answer":
        """The same answer with further headers; underscores stand for hyphens."""
        return replace(self, headers={**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})


class Refused(Exception):
    """HiAPI says no, in envelope E-a: `{code, message, data: null, error_code?}`."""

    def __init__(self, status: int, error_code: str | None, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def dump(value: Json) -> bytes:
    """Compact JSON in UTF-8, as every body here is written."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_answer(value: Json, *, status: int = 200) -> Answer:
    """An answer that holds this value as JSON."""
    return Answer(status, dump(value), JSON_TYPE)


def success(data: Json) -> Answer:
    """HiAPI's envelope of a success: `{code: 200, message, data}` (HiAPI docs, async-api/create)."""
    return json_answer({"code": 200, "message": "success", "data": data})
