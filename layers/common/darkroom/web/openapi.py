"""The OpenAPI 3.1 document, built from the table of endpoints, the pydantic models and the catalogue.

`python -m darkroom.web.openapi` writes openapi.json beside this module.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from darkroom import __version__
from darkroom.catalogue.load import load_catalogue
from darkroom.web import documents
from darkroom.web.about import OPENAPI
from darkroom.web.call import Endpoint
from darkroom.web.endpoints import ENDPOINTS
from darkroom.web.openapi_parts import HEADERS, PARAMETERS, RATE_LIMITED
from darkroom.web.openapi_request import task_request
from darkroom.web.operations import OPERATIONS, CallbackEnds, Good, Operation
from darkroom.web.problems import CONTENT_TYPE, KINDS
from darkroom.web.requests import KeyRequest, TaskRequest, UploadRequest

Json = dict[str, Any]

_REF = "#/components/schemas/{model}"


def document() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darkroom",
            "version": __version__,
            "summary": "Ask once for a generated image; its bytes end up once in your own bucket.",
            "description": "Every answer carries `X-Request-Id`, but those to callbacks and to requests that API Gateway "
            "itself turns away. Errors are RFC 9457 problem documents whose `code` is stable.",
        },
        "servers": [{"url": "/", "description": "Wherever this document was fetched from."}],
        "security": [{"apiKey": []}],
        "tags": [{"name": name} for name in ("tasks", "images", "catalogue", "admin", "about", "upstreams")],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A Darkroom key. Never in the URL, never in a browser.",
                }
            },
        },
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _paths() -> Json:
    paths: Json = {}
    for endpoint in ENDPOINTS:
        described = _operation(endpoint, OPERATIONS[endpoint.name]) if endpoint.answer else _callback(endpoint)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = described
    return paths


def _operation(endpoint: Endpoint, operation: Operation) -> Json:
    described: Json = {
        "operationId": endpoint.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description + (f"\n\nScope: `{endpoint.scope}`." if endpoint.scope else ""),
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in operation.parameters],
        "responses": {str(status): _good(good) for status, good in operation.good.items()} | _bad(endpoint, operation),
    }
    if operation.body is not None:
        content = {"schema": _ref(operation.body), "example": operation.example}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described | ({} if endpoint.scope is not None else {"security": []})


def _good(good: Good) -> Json:
    content = {"content": {"application/json": {"schema": _ref(good.body)}}} if good.body else {}
    return {"description": good.what, "headers": _headers(*good.headers), **content}


def _bad(endpoint: Endpoint, operation: Operation) -> Json:
    codes = [*operation.problems, *_common(endpoint)]
    statuses = sorted({KINDS[code].status for code in codes})
    answers = {str(status): _problem(endpoint, [code for code in codes if KINDS[code].status == status]) for status in statuses}
    return answers | {"429": RATE_LIMITED}


def _common(endpoint: Endpoint) -> list[str]:
    """What every operation can end with."""
    with_key = ["unauthorized", "unavailable"] if endpoint.scope is not None else []
    scoped = ["scope_missing"] if endpoint.scope else []
    queried = ["invalid_query"] if endpoint.query is not None else []
    return [*with_key, *scoped, *queried, "internal_error"]


def _problem(endpoint: Endpoint, codes: list[str]) -> Json:
    body = {} if endpoint.method == "HEAD" else {"content": {CONTENT_TYPE: {"schema": _ref(documents.Problem)}}}
    challenge = ("WWW-Authenticate",) if {"unauthorized", "scope_missing"} & set(codes) else ()
    retry = ("Retry-After",) if "unavailable" in codes else ()
    what = "; ".join(f"`{code}`: {KINDS[code].title}" for code in dict.fromkeys(codes))
    return {"description": what, "headers": _headers("Cache-Control", "x-should-retry", *challenge, *retry), **body}


def _callback(endpoint: Endpoint) -> Json:
    answers = {
        str(status): {
            "description": what,
            "content": {("application/problem+json" if 400 <= status < 500 else "application/json"): {"schema": _ref(model)}},
        }
        for status, (what, model) in CallbackEnds().good.items()
    }
    return {
        "operationId": endpoint.name,
        "tags": ["upstreams"],
        "summary": "An upstream tells a task's end",
        "description": "For upstreams only: the token in the path opens one attempt of one task. Applications never call this.",
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in ("Upstream", "TaskId", "Token")],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
        "responses": answers | {"429": RATE_LIMITED},
        "security": [],
    }


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas() -> Json:
    answers = [one for one in vars(documents).values() if _is_named(one)]
    requests = (KeyRequest, TaskRequest, UploadRequest)
    kinds: list[Any] = [(model, "serialization") for model in answers] + [(model, "validation") for model in requests]
    _, generated = models_json_schema(kinds, ref_template=_REF)
    schemas: Mapping[str, Json] = generated["$defs"]
    return {name: _untitled(schema) for name, schema in schemas.items()} | {"TaskRequest": task_request(load_catalogue())}


def _is_named(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, documents.Document) and bool(one.model_fields) and one.__name__[0] != "_"


def _untitled(schema: Any) -> Any:
    """Without the titles that only repeat a field's name."""
    if isinstance(schema, list):
        return [_untitled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _untitled(one) for name, one in schema.items() if not (name == "title" and isinstance(one, str))}


if __name__ == "__main__":
    OPENAPI.write_text(text(), encoding="utf-8")
