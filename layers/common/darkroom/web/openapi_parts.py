"""The parameters and headers that several operations of the OpenAPI document share."""

from typing import Any

from darkroom.domain.task import Status
from darkroom.web.filters import MOST, USUAL

Json = dict[str, Any]

_ID = "[0-9A-HJKMNP-TV-Z]{26}"


def _path(name: str, pattern: str, example: str) -> Json:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _request_header(name: str, schema: Json, description: str, example: str) -> Json:
    return {"name": name, "in": "header", "schema": schema, "description": description, "example": example}


def _header(description: str, **schema: Any) -> Json:
    return {"description": description, "schema": schema or {"type": "string"}}


_TIME = {"type": "string", "format": "date-time"}

PARAMETERS: Json = {
    "TaskId": _path("task_id", f"^task_{_ID}$", "task_01KBCDEFGHJKMNPQRSTVWXYZ01"),
    "ImageId": _path("image_id", f"^img_{_ID}[0-9a-f]{{4}}$", "img_01KBCDEFGHJKMNPQRSTVWXYZ010100"),
    "AccountId": _path("account_id", "^[a-z0-9]{1,32}$", "hiapi"),
    "KeyId": _path("key_id", "^key_[0-9a-f]{24}$", "key_0123456789abcdef01234567"),
    "Upstream": _path("upstream", "^[a-z]{1,32}$", "hiapi"),
    "Token": _path("token", "^[0-9a-f]{8}[.][0-9]{1,4}[.][0-9a-f]{40}$", "0123abcd.1.0123456789012345678901234567890123456789"),
    "IdempotencyKey": _request_header(
        "Idempotency-Key",
        {"type": "string", "pattern": "^[!#-~][!-~]{0,254}$"},
        "Any 1 to 255 visible ASCII characters, bare or as a quoted string. Yours alone; remembered for at least 24 hours.",
        "order-8472-hero",
    ),
    "Prefer": _request_header(
        "Prefer",
        {"type": "string"},
        "`wait=N`: answer when the task has ended, or after N seconds (capped) at the latest. What is malformed is ignored.",
        "wait=5",
    ),
    "IfNoneMatch": _request_header("If-None-Match", {"type": "string"}, "The ETag you have.", 'W/"3"'),
    "status": _query("status", {"type": "string", "enum": [status.value for status in Status]}, "Only tasks of this status."),
    "user": _query("user", {"type": "string", "minLength": 1}, "Only tasks of this user of yours."),
    "preset": _query("preset", {"type": "string", "minLength": 1}, "`poster` for any version, `poster@1` for that one."),
    "created_after": _query("created_after", _TIME, "Made at this time or later."),
    "created_before": _query("created_before", _TIME, "Made before this time."),
    "limit": _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}, "At most so many."),
    "cursor": _query("cursor", {"type": "string", "minLength": 1}, "The `next_cursor` of the page before."),
}

HEADERS: Json = {
    "X-Request-Id": _header("Names this request in our logs.", type="string", pattern="^req_"),
    "Cache-Control": _header("What is about one owner is `private, no-store`."),
    "ETag": _header("Weak: the task's version.", type="string", pattern='^W/"[0-9]+"$'),
    "Location": _header("Where it is."),
    "Vary": _header("`Accept`"),
    "Retry-After": _header(
        "Seconds after which asking again makes sense; absent once there is nothing to wait for.", type="integer"
    ),
    "Preference-Applied": _header("`wait=N` with the seconds that were granted, if they were."),
    "Idempotent-Replayed": _header("`true` if an earlier request with this Idempotency-Key made the task."),
    "x-should-retry": _header("`false` where sending it again by itself is of no use, or of harm."),
    "WWW-Authenticate": _header("How to authenticate (RFC 6750)."),
    "Repr-Digest": _header("SHA-256 of the bytes (RFC 9530).", type="string", pattern="^sha-256=:[A-Za-z0-9+/]{43}=:$"),
    "X-Image-Bytes": _header("Size in bytes.", type="integer", minimum=1),
    "X-Image-Width": _header("Width in pixels; left out where the file does not tell it.", type="integer", minimum=1),
    "X-Image-Height": _header("Height in pixels; left out where the file does not tell it.", type="integer", minimum=1),
}

RATE_LIMITED: Json = {
    "description": "`rate_limited`: too many requests. The gateway in front of the API says so, in its own notation.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/GatewayMessage"}}},
}
