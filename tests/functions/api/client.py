"""The API function driven by events, over ports in memory; every answer is held against the OpenAPI document."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

import functions.api.app as app
from darkroom.domain.callback_token import SigningKey
from darkroom.ports import ApiKey, Evidence
from darkroom.settings import Settings
from darkroom.usecases.make_key import SCOPES, record_key
from darkroom.web.openapi import document
from darkroom.wiring import Services
from tests.support.memory import (
    MemoryApiKeys,
    MemoryBucket,
    MemoryClaims,
    MemoryQueue,
    MemorySecrets,
    MemoryTasks,
    MemoryUpstream,
)
from tests.support.memory_accounts import MemoryAccounts

START = 1_763_600_000.25
SECRET = "a-stack-secret-of-some-length"
SIGNING_KEY = SigningKey(SECRET)
KEY = "drk_the-key-of-dev-with-every-scope-000000000000"
STRANGER = "drk_the-key-of-somebody-else-0000000000000000"
DOMAIN = "abc123.execute-api.eu-central-1.amazonaws.com"


@dataclass(slots=True)
class Clock:
    """A time that only sleeping moves; `naps` are the sleeps."""

    now: float = START
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


class MemoryServices(Services):
    """Services whose ports are in memory."""

    def __init__(self, clock: Clock | None = None, **settings: Any) -> None:
        facts = {"table": "t", "bucket": "b", "queue_url": "q", "dead_letter_queue_url": "d", "secret_id": "s"}
        super().__init__(Settings(**(facts | settings)))
        self.clock = clock or Clock()
        self.sleep = self.clock.sleep
        self.tasks = MemoryTasks(clock=self.clock)
        self.claims = MemoryClaims()
        self.api_keys = MemoryApiKeys()
        self.accounts = MemoryAccounts()
        self.bucket = MemoryBucket()
        self.queue = MemoryQueue()
        self.secrets = MemorySecrets({"callback_secret": SECRET, "hiapi_api_key": "a-key", "pixapi_api_key": "a-key"})
        self.gateway = MemoryUpstream()
        self._upstreams = {"hiapi": self.gateway}
        allow(self, KEY, owner="dev")
        allow(self, STRANGER, owner="somebody-else")

    def upstream_says(self, task_id: str, body: str) -> None:
        """Evidence of what the upstream said last."""
        self.tasks.keep_evidence(task_id, Evidence(body=body, at=self.clock(), source="poll", request_id="req-ev"))


def allow(services: Services, key: str, *, owner: str, scopes: tuple[str, ...] = SCOPES) -> ApiKey:
    """The key works from now on."""
    found = record_key(key, owner=owner, scopes=scopes, now=services.clock(), key_id=services.key_id)
    services.api_keys.add(found)
    return found


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.json["code"])

    @property
    def faults(self) -> dict[str, str]:
        """What each fault is about, and what it says."""
        return {next(value for name, value in one.items() if name != "detail"): one["detail"] for one in self.json["errors"]}


class Context:
    """What Lambda tells a handler about an invocation."""

    function_name = "api"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:api"
    aws_request_id = "8ac11e76-5c0c-4dc6-8f72-2d0e7e6f9d11"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 29_000


@dataclass(slots=True)
class Api:
    """Calls the handler as API Gateway does."""

    services: Services
    key: str | None = KEY
    domain: str = DOMAIN

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: str | None = None,
        base64: bool = False,
        key: str | None = "",
        query: str = "",
        **headers: str,
    ) -> Reply:
        """One request. `body` goes as JSON, `raw` as it is; header names come with underscores; `key` None: none."""
        used = self.key if key == "" else key
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given |= {"authorization": f"Bearer {used}"} if used is not None and "authorization" not in given else {}
        if body is not None:
            raw = json.dumps(body)
        if raw is not None:
            given = {"content-type": "application/json"} | given
        answer = app.handler(event(method, path, query, given, raw, base64=base64, domain=self.domain), Context())
        reply = Reply(answer["statusCode"], answer["headers"], answer["body"])
        check(method, path, reply)
        return reply

    def get(self, path: str, **more: Any) -> Reply:
        return self.call("GET", path, **more)

    def post(self, path: str, body: object = None, **more: Any) -> Reply:
        return self.call("POST", path, body, **more)

    def create(self, prompt: str = "a lighthouse at dusk", **more: Any) -> Reply:
        return self.post("/v1/tasks", poster(prompt), **more)


def poster(prompt: str = "a lighthouse at dusk", **more: Any) -> dict[str, Any]:
    """A body that is accepted."""
    return {"preset": "poster", "input": {"prompt": prompt}, **more}


def event(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str | None, *, base64: bool, domain: str
) -> dict[str, Any]:
    """API Gateway's event, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": dict(headers),
        "requestContext": {
            "domainName": domain,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": "test"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
        },
        "isBase64Encoded": base64,
        **({} if body is None else {"body": body}),
    }


# -- the OpenAPI document, kept to the letter -----------------------------------------------------------


@cache
def strict_document() -> dict[str, Any]:
    """The document, with no field allowed that it does not name."""
    return _closed(document())


def check(method: str, path: str, reply: Reply) -> None:
    """Status, headers and body are what the document says."""
    assert reply.headers["X-Request-Id"].startswith("req_")
    operation = _operation(method, path)
    if operation is None or path.startswith("/v1/callbacks/"):
        assert reply.status in (404, 405)
        assert reply.headers["Content-Type"] == "application/problem+json" or method == "HEAD"
        return
    assert str(reply.status) in operation["responses"], f"{method} {path} answers {reply.status}, which is not documented"
    documented = operation["responses"][str(reply.status)]
    known = {*documented.get("headers", ()), "Content-Type", "Content-Length", "Allow"}
    assert set(reply.headers) <= known, f"not documented: {set(reply.headers) - known}"
    if method != "HEAD" and reply.text and path != "/openapi.json":
        schema = documented["content"][reply.headers["Content-Type"]]["schema"]
        Draft202012Validator(schema | {"components": strict_document()["components"]}).validate(reply.json)


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in strict_document()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return operations.get(method.lower())
    return None


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed
