"""Requests of an application as API Gateway hands them over, with a key that is in the table."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from darkroom.adapters.claims import DynamoApiKeys, api_key_id
from darkroom.adapters.dynamo import Table
from darkroom.ports import ApiKey

API_KEY = "drk_0123456789abcdefghijklmnopqrstuvwxyz01234567"
OWNER = "shop"
DOMAIN = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
SHORT_PROMPT = "a red kite over a harbour at dawn, film grain, long lens, soft light from the left, calm sea, no people"


def add_key(table: Table) -> None:
    """Let API_KEY open the door for OWNER."""
    digest = hashlib.sha256(API_KEY.encode()).hexdigest()
    scopes = frozenset({"tasks:read", "tasks:write"})
    keys = DynamoApiKeys(table=table, clock=time.time, cache_s=0)
    keys.add(ApiKey(id=api_key_id(digest), sha256=digest, owner=OWNER, scopes=scopes, created_at=time.time()))


def order(prompt: str = SHORT_PROMPT) -> dict[str, Any]:
    """A body that is accepted."""
    wanted = {"prompt": prompt, "aspect_ratio": "9:16", "resolution": "1K"}
    return {"model": "gpt-image-2/text-to-image", "input": wanted, "user": "u_123", "metadata": {"order": "8472"}}


def request(method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    """The event (payload 2.0); header names come with underscores."""
    given = {name.replace("_", "-"): value for name, value in headers.items()} | {"authorization": f"Bearer {API_KEY}"}
    typed = {} if body is None else {"content-type": "application/json"}
    event = envelope(method, path, "$default", given | typed)
    return event if body is None else event | {"body": json.dumps(body)}


def envelope(method: str, path: str, route: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What API Gateway puts around every request (payload 2.0)."""
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": DOMAIN, "x-forwarded-proto": "https", **headers},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": DOMAIN.partition(".")[0],
            "domainName": DOMAIN,
            "domainPrefix": DOMAIN.partition(".")[0],
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "time": "20/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_795_176_000_000,
        },
        "isBase64Encoded": False,
    }
