"""What reads a caller's request, and the worst that each part of it is known to be given."""

import base64
import json
from functools import partial
from typing import Any

from darkroom.domain.callback_token import SigningKey
from darkroom.web.auth import authenticate
from darkroom.web.bodies import expect_no_body, read_object
from darkroom.web.conditional import is_known, prefers_json, wait_seconds
from darkroom.web.filters import PARAMETERS, read_filters
from darkroom.web.idempotency import fingerprint, idempotency_key
from darkroom.web.origin import callback_origin
from darkroom.web.problems import InputFault, Problem, render
from darkroom.web.request import Request, read_request
from tests.security.linear.builders import entries, members, repeated
from tests.support.instructions import Work

_KEYS = (SigningKey("a-stack-secret-of-some-length"),)


def _request(**event: Any) -> Request:
    return read_request(event, now=0.0, fresh=bytes)


def body(text: str) -> None:
    """Read a body, as a create does, and render what is wrong with it."""
    try:
        read_object(_request(headers={"content-type": "application/json"}, body=text))
    except Problem as problem:
        render(problem, "req_1")
        raise


def packed_body(text: str) -> None:
    """The same, as API Gateway hands over what it takes for bytes."""
    packed = base64.b64encode(text.encode()).decode()
    read_object(_request(headers={"content-type": "application/json"}, body=packed, isBase64Encoded=True))


def no_body(text: str) -> None:
    """Read a body where none is taken."""
    try:
        expect_no_body(_request(headers={"content-type": "application/json"}, body=text))
    except Problem as problem:
        render(problem, "req_1")
        raise


def media_type(text: str) -> None:
    """Read the content type."""
    read_object(_request(headers={"content-type": text}, body="{}"))


def fields(text: str) -> None:
    """The fields of a create."""
    _fields("TaskRequest", text)


def key_fields(text: str) -> None:
    """The fields of a key."""
    _fields("KeyRequest", text)


def upload_fields(text: str) -> None:
    """The fields of an upload."""
    _fields("UploadRequest", text)


def _fields(kind: str, text: str) -> None:
    # pydantic is half of what the sample would import.
    from darkroom.web import requests

    _, faults = requests.read_body(getattr(requests, kind), json.loads(text))
    assert faults
    render(Problem("invalid_request", "the request cannot be used", faults=faults), "req_1")


def query(text: str) -> None:
    """The query of a list."""
    try:
        _request(rawQueryString=text).query(PARAMETERS)
    except Problem as problem:
        render(problem, "req_1")
        raise


def filters(text: str) -> None:
    """Each filter of a list."""
    for name in sorted(PARAMETERS):
        try:
            read_filters({name: text}, owner="shop", keys=lambda: _KEYS, now=0.0)
        except Problem as problem:
            render(problem, "req_1")


def key_in_query(text: str) -> None:
    """Who asks, where the query may hold a key."""
    authenticate(_request(rawQueryString=text, headers={"authorization": "Bearer a"}), _NoKeys(), scope=None)  # type: ignore[arg-type]


def key_in_header(text: str) -> None:
    """Who asks."""
    authenticate(_request(headers={"authorization": text}), _NoKeys(), scope=None)  # type: ignore[arg-type]


class _NoKeys:
    def find(self, _: str) -> None:
        return None


def request_id(text: str) -> None:
    """The gateway's id."""
    _request(requestContext={"requestId": text, "domainName": text, "http": {"method": text}}, rawPath=text)


def own_key(text: str) -> None:
    """The Idempotency-Key."""
    idempotency_key({"idempotency-key": text})


def mark(text: str) -> None:
    """The fingerprint of a body."""
    fingerprint("create", json.loads(text))


def many_faults(text: str) -> None:
    """A document of many faults with long names."""
    render(Problem("invalid_request", text, faults=[InputFault("pointer", text, text)] * 1000), "req_1")


def origin(text: str) -> None:
    """The API's own domain."""
    callback_origin(None, text)


WORKS = [
    Work(name="body: a name given twice", does=body, given=members(first='"a":0'), ends="Problem"),
    Work(name="body: every name given twice", does=body, given=lambda size: _twice(members()(size // 2)), ends="Problem"),
    Work(name="body: one name over and over", does=body, given=entries('"a":0', "{", "}"), ends="Problem"),
    Work(name="body: many objects that name twice", does=body, given=entries('{"a":0,"b":0}', '{"a":[', "]}")),
    Work(name="body: many names", does=body, given=members()),
    Work(name="body: many names, packed", does=packed_body, given=members()),
    Work(name="body: opening brackets", does=body, given=repeated("["), ends="Problem"),
    Work(name="body: opening objects", does=body, given=repeated('{"a":'), ends="Problem"),
    Work(name="body: nested as deep as is taken", does=body, given=entries("[" * 30 + "]" * 30, '{"a":[', "]}")),
    Work(name="body: a number of many digits", does=body, given=repeated("9", '{"a":', "}"), ends="Problem"),
    Work(name="body: a fraction of many digits", does=body, given=repeated("9", '{"a":0.', "}")),
    Work(name="body: an exponent of many digits", does=body, given=repeated("9", '{"a":1e', "}"), ends="Problem"),
    Work(name="body: numbers as long as they may be", does=body, given=entries("9" * 4300, '{"a":[', "]}")),
    Work(name="body: halves of characters", does=body, given=entries(r'"\ud800"', '{"a":[', "]}"), ends="Problem"),
    Work(name="body: names with halves", does=body, given=members('{"\\ud800":0}'), ends="Problem"),
    Work(
        name="body: halves below a long name", does=body, given=lambda size: _below_a_long_name(size, r'"\ud800"'), ends="Problem"
    ),
    Work(name="body: one text of halves", does=body, given=repeated(r"\ud83d\ude00", '{"a":"', '"}')),
    Work(name="body: one long text", does=body, given=lambda size: repeated("é", '{"a":"', '"}')(size // 2)),
    Work(name="body: escapes", does=body, given=repeated(r"\"", '{"a":"', '"}')),
    Work(name="body: a text without an end", does=body, given=repeated("\\", '{"a":"'), ends="Problem"),
    Work(name="body: lines", does=body, given=repeated("\n", "", "x"), ends="Problem"),
    Work(name="body: no UTF-8", does=body, given=lambda size: "\ud800" * (size // 3), ends="Problem"),
    Work(name="no body: many names", does=no_body, given=members(), ends="Problem"),
    Work(name="no body: blanks", does=no_body, given=repeated(" ")),
    Work(name="content type: parameters", does=media_type, given=repeated(";charset=utf-8", "application/json")),
    Work(name="content type: blanks", does=media_type, given=repeated(" ", "application/json", "x"), ends="Problem"),
    Work(name="fields: unknown", does=fields, given=members()),
    Work(name="fields: metadata of numbers", does=fields, given=members(before='{"input":{},"metadata":{', behind="}}")),
    Work(name="fields: metadata of long names", does=fields, given=repeated("a", '{"input":{},"metadata":{"', '":0}}')),
    Work(name="fields: a long user", does=fields, given=repeated("a", '{"input":{},"user":"', '"}')),
    Work(name="fields of a key: scopes", does=key_fields, given=entries('"x"', '{"owner":"a","scopes":[', "]}")),
    Work(
        name="fields of a key: presets",
        does=key_fields,
        given=entries('"!"', '{"owner":"a","scopes":["admin"],"presets":[', "]}"),
    ),
    Work(name="fields of a key: a long owner", does=key_fields, given=repeated("a.", '{"scopes":["admin"],"owner":"', '"}')),
    Work(name="fields of an upload: a long type", does=upload_fields, given=repeated("a", '{"content_type":"', '"}')),
    Work(name="query: names", does=query, given=repeated("a=&"), ends="Problem"),
    Work(
        name="query: a hundred long names",
        does=query,
        given=lambda size: "&".join([f"{n:02}" + "x" * (size // 100) for n in range(99)]),
        ends="Problem",
    ),
    Work(name="query: escapes", does=query, given=repeated("%E9", "user="), ends="Problem"),
    Work(name="query: half escapes", does=query, given=repeated("%", "user=")),
    Work(name="query: ampersands", does=query, given=repeated("&"), ends="Problem"),
    Work(name="a key in the query: names", does=key_in_query, given=repeated("a=&"), ends="Problem"),
    Work(name="a key in the query: escapes", does=key_in_query, given=repeated("%64rk%"), ends="Problem"),
    Work(name="authorization: blanks", does=key_in_header, given=repeated(" ", "Bearer", "x"), ends="Problem"),
    Work(name="authorization: words", does=key_in_header, given=repeated("Bearer "), ends="Problem"),
    Work(name="filters: digits", does=filters, given=repeated("9")),
    Work(name="filters: a time", does=filters, given=repeated("0", "2026-01-01T00:00:00.")),
    Work(name="filters: base64", does=filters, given=repeated("dGFza18w")),
    Work(name="request: ids and names", does=request_id, given=repeated("a-")),
    Work(name="domain: dots", does=origin, given=repeated(".")),
    Work(name="domain: labels", does=origin, given=repeated("a-.")),
    Work(name="Idempotency-Key: bare", does=own_key, given=repeated("a"), ends="Problem"),
    Work(name="Idempotency-Key: quoted", does=own_key, given=repeated("\\\\", '"', '"'), ends="Problem"),
    Work(name="Idempotency-Key: quotes", does=own_key, given=repeated('"'), ends="Problem"),
    Work(name="Idempotency-Key: blanks", does=own_key, given=repeated(" \t", "", "\x7f"), ends="Problem"),
    Work(name="fingerprint: many names", does=mark, given=members()),
    Work(name="Prefer: quotes", does=partial(wait_seconds, cap=10.0), given=repeated('"')),
    Work(name="Prefer: a text without an end", does=partial(wait_seconds, cap=10.0), given=repeated("\\", '"')),
    Work(name="Prefer: escapes", does=partial(wait_seconds, cap=10.0), given=repeated('\\"', '"')),
    Work(name="Prefer: escaped lines", does=partial(wait_seconds, cap=10.0), given=repeated('"\\\n')),
    Work(name="Prefer: commas", does=partial(wait_seconds, cap=10.0), given=repeated(",a")),
    Work(name="Prefer: seconds", does=partial(wait_seconds, cap=10.0), given=repeated("9", "wait=")),
    Work(name="If-None-Match: quotes", does=partial(is_known, tag='W/"1"'), given=repeated('"')),
    Work(name="If-None-Match: one quote", does=partial(is_known, tag='W/"1"'), given=repeated("W/", '"')),
    Work(name="If-None-Match: tags", does=partial(is_known, tag='W/"1"'), given=repeated('W/"2",')),
    Work(name="Accept: ranges", does=prefers_json, given=repeated("image/png;q=0.1,")),
    Work(name="Accept: parameters", does=prefers_json, given=repeated(";q=1", "a/b")),
    Work(name="Accept: blanks", does=prefers_json, given=repeated(" ", "a/b;q=1", "x")),
    Work(name="Accept: blanks before", does=prefers_json, given=repeated(" ", "a/b;", "q=1x")),
    Work(name="a problem: many long faults", does=many_faults, given=repeated("a")),
]


def _twice(text: str) -> str:
    return text[:-1] + "," + text[1:]


def _below_a_long_name(size: int, value: str) -> str:
    return '{"' + "n" * (size // 2 - 50) + '":[' + ",".join([value] * (size // 2 // (len(value) + 1))) + "]}"
