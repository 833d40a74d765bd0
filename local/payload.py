"""HTTP to API Gateway's payload format 2.0 and back, as an HTTP API does it.

Source: API Gateway developer guide, "Work with AWS Lambda proxy integrations for HTTP APIs".
"""

import base64
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.parts import ACCOUNT, Route

_TEXTS = ("text/", "application/json", "application/xml", "application/javascript")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; `target` is path and query as they stood in the request line."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One HTTP answer."""

    status: int
    headers: Sequence[tuple[str, str]] = field(default_factory=tuple)
    body: bytes = b""


class BadAnswer(ValueError):
    """What the function returned is no answer in this format; API Gateway would say 500."""


def match(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a request and its path parameters; the first that fits, $default fits all."""
    for route in routes:
        if route.path == "$default":
            return route, {}
        found = _fit(route.path, path) if route.method in (None, method) else None
        if found is not None:
            return route, found
    return None


def to_event(request: Request, route: Route, parameters: Mapping[str, str], *, domain: str) -> dict[str, Any]:
    """The event that the function gets; what the request does not have, the event does not have either."""
    path, _, query = request.target.partition("?")
    path = unquote(path, errors="replace") or "/"
    headers, cookies = _headers(request.headers)
    body, encoded = _body(request.body, headers.get("content-type", ""))
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": _context(request, route, path, headers.get("user-agent", ""), domain),
        "isBase64Encoded": encoded,
    }
    optional = {"cookies": cookies, "queryStringParameters": _query(query), "pathParameters": dict(parameters), "body": body}
    return event | {name: value for name, value in optional.items() if value}


def from_answer(answer: Any) -> Response:
    """The HTTP answer that a function's return value stands for; raises BadAnswer."""
    if not (isinstance(answer, dict) and "statusCode" in answer):
        # Without a status the whole value is the body.
        return Response(status=200, headers=[("content-type", "application/json")], body=json.dumps(answer).encode())
    try:
        status = int(answer["statusCode"])
        headers = [(str(name), str(value)) for name, value in (answer.get("headers") or {}).items()]
        headers += [("set-cookie", str(cookie)) for cookie in answer.get("cookies") or ()]
        text = answer.get("body") or ""
        body = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else str(text).encode()
    except (TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"the function's answer does not fit payload format 2.0: {error}") from error
    if not 100 <= status <= 599:
        raise BadAnswer(f"the function answered with status {status}")
    return Response(status=status, headers=headers, body=body)


def _context(request: Request, route: Route, path: str, user_agent: str, domain: str) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": user_agent,
        },
        "requestId": uuid.uuid4().hex[:15] + "=",
        "routeKey": route.key,
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }


def _fit(template: str, path: str) -> dict[str, str] | None:
    wanted, given = template.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    found: dict[str, str] = {}
    for want, have in zip(wanted, given, strict=True):
        if want.startswith("{") and have:
            found[want.strip("{}")] = unquote(have, errors="replace")
        elif want != have:
            return None
    return found


def _headers(pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Names in lower case, repeats joined by commas; cookies apart."""
    collected: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        collected[name.lower()].append(value.strip())
    cookies = [cookie for line in collected.pop("cookie", []) for cookie in _cookies(line)]
    return {name: ",".join(values) for name, values in collected.items()}, cookies


def _cookies(line: str) -> list[str]:
    try:
        return [f"{name}={morsel.value}" for name, morsel in SimpleCookie(line).items()]
    except CookieError:
        return [line]


def _query(query: str) -> dict[str, str]:
    collected: dict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        collected[name].append(value)
    return {name: ",".join(values) for name, values in collected.items()}


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    kind = content_type.partition(";")[0].strip().lower()
    if not kind or kind.startswith(_TEXTS) or kind.endswith(("+json", "+xml")):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True
