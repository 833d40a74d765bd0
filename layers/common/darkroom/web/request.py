"""One HTTP request, read from API Gateway's event (payload format 2.0)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from darkroom.domain.ids import ulid
from darkroom.web.problems import InputFault, Problem

_REQUEST_ID = re.compile(r"[A-Za-z0-9_=-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked. Header names are in lower case; the body is as the gateway gave it, and in no repr."""

    id: str
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    query_string: str = field(repr=False)
    body: str = field(repr=False)
    body_is_base64: bool
    domain: str
    began: float

    @property
    def query_names(self) -> frozenset[str]:
        """The names in the query, whatever else is wrong with it."""
        return frozenset(name.lower() for name, _ in parse_qsl(self.query_string, keep_blank_values=True, max_num_fields=None))

    def query(self, known: frozenset[str]) -> dict[str, str]:
        """The query's parameters; raises Problem invalid_query that names every one that is unknown, repeated or not UTF-8."""
        try:
            pairs = parse_qsl(self.query_string, keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            raise Problem("invalid_query", "the query is not UTF-8 or has too many parameters") from None
        names = [name for name, _ in pairs]
        takes = f"this takes {', '.join(sorted(known))}" if known else "this takes none"
        faults = [
            InputFault("parameter", name, f"unknown parameter; {takes}") for name in dict.fromkeys(names) if name not in known
        ]
        faults += [InputFault("parameter", name, "given more than once") for name in sorted(known) if names.count(name) > 1]
        if faults:
            raise Problem("invalid_query", "the query cannot be used", faults=faults)
        return dict(pairs)


def read_request(event: Mapping[str, Any], *, now: float, fresh: Callable[[int], bytes]) -> Request:
    """The request in `event`; what is missing there counts as empty."""
    context = event.get("requestContext") or {}
    return Request(
        id=_request_id(context.get("requestId"), now, fresh),
        method=str((context.get("http") or {}).get("method", "")).upper(),
        path=str(event.get("rawPath", "")),
        headers={name.lower(): str(value) for name, value in (event.get("headers") or {}).items()},
        query_string=str(event.get("rawQueryString") or ""),
        body=str(event.get("body") or ""),
        body_is_base64=bool(event.get("isBase64Encoded")),
        domain=str(context.get("domainName") or ""),
        began=now,
    )


def _request_id(given: object, now: float, fresh: Callable[[int], bytes]) -> str:
    """The gateway's own id, so that its access log and our answer name the same request."""
    known = isinstance(given, str) and _REQUEST_ID.fullmatch(given)
    return f"req_{given if known else ulid(now, fresh(10))}"
