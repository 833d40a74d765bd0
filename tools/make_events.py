"""Write events/<function>/*.json: envelopes as the SAM CLI generates them, filled with what Darkroom is really sent.

    python tools/make_events.py FOLDER

The values belong together: the key, the task and the secrets below are what a test puts into its table before it runs an event.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from darkroom.domain.callback_token import SigningKey, sign

ROOT = Path(__file__).resolve().parents[1]

API_KEY = "drk_example_0123456789abcdefghijklmnop"
CALLBACK_SECRET = "example-callback-secret-0123456789abcdef"  # noqa: S105  (an example; it opens nothing)
TASK = "task_01M7WD7TG000000000000EXAMP"
IMAGE = "img_01M7WD7TG000000000000EXAMP0100"
UPSTREAM_TASK = "tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR"
HOST = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"

# Signed with `whsec_0123456789abcdef` (HiAPI's scheme: hex HMAC-SHA256 of timestamp, dot, raw body).
WEBHOOK_SECRET = "whsec_0123456789abcdef"  # noqa: S105  (an example; it opens nothing)
SIGNED_AT = "1777282100"
SUCCESS = (
    f'{{"taskId":"{UPSTREAM_TASK}","model":"gpt-image-2/text-to-image","status":"success","created":1777282033,'
    '"completed":1777282099,"output":[{"url":"https://cdn.hiapi.ai/tasks/example/0.png","type":"image","expireAt":1777886899}]}'
)
SUCCESS_SIGNATURE = "2ac622f5c5d97c20b59fb2bcd092b1166244dc37b019520e5409327553d6cddf"
FAILURE = (
    f'{{"taskId":"{UPSTREAM_TASK}","model":"gpt-image-2/text-to-image","status":"fail","created":1777282033,'
    '"completed":1777282099,"error":{"code":"TASK_FAILED","message":"upstream rejected the prompt"}}'
)
FAILURE_SIGNATURE = "b22ece8be7d75d149048e06741bb7073d65b98926eba7937c53cb3d440331db6"

CREATE = {
    "model": "gpt-image-2/text-to-image",
    "input": {"prompt": "a lighthouse in the rain, film grain", "aspect_ratio": "1:1", "resolution": "1K"},
    "user": "u_123",
    "metadata": {"order": "8472"},
}
# An upload of the far future, so that it never expires; nothing was ever put there.
EDIT = {
    "model": "gpt-image-2/image-to-image",
    "input": {"prompt": "the same mug at night", "images": [{"upload": "upl_7Z000000000000000000EXAMPE"}]},
}
JSON = {"content-type": "application/json"}

Event = dict[str, Any]


@cache
def envelope(*what: str) -> str:
    """What `sam local generate-event` prints for an event of this kind, as JSON text."""
    env = os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    sam = str(ROOT / ".venv-sam/bin/sam")
    done = subprocess.run([sam, "local", "generate-event", *what], env=env, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  (our own tool)
    return done.stdout


def http(method: str, path: str, *, body: str | None = None, **headers: str) -> Event:
    """A request to the catch-all route, as the HTTP API hands it over (payload 2.0)."""
    event: Event = json.loads(envelope("apigateway", "http-api-proxy"))
    path, _, query = path.partition("?")
    # A route without an authorizer, without cookies, and without stage variables sends none of these.
    for absent in ("cookies", "stageVariables", "pathParameters", "queryStringParameters", "body"):
        del event[absent]
    for absent in ("authentication", "authorizer"):
        del event["requestContext"][absent]
    event |= {"rawPath": path, "rawQueryString": query, "isBase64Encoded": False}
    event["headers"] = {"accept": "*/*", "host": HOST, "user-agent": "curl/8.5.0", "x-forwarded-proto": "https"}
    event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    event["requestContext"] |= {"apiId": HOST.partition(".")[0], "domainName": HOST, "domainPrefix": HOST.partition(".")[0]}
    event["requestContext"]["http"] |= {"method": method, "path": path, "sourceIp": "203.0.113.7", "userAgent": "curl/8.5.0"}
    event["requestContext"] |= {"requestId": "JKJaXmPLvHcESHA=", "time": "20/Nov/2026:12:00:00 +0000", "timeEpoch": 1795176000000}
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query))
    if body is not None:
        event["body"] = body
        event["headers"]["content-length"] = str(len(body.encode()))
    return event


def asked(method: str, path: str, *, body: Mapping[str, Any] | None = None, **headers: str) -> Event:
    """A request with the example key."""
    if body is not None:
        headers |= JSON
    text = None if body is None else json.dumps(body)
    return http(method, path, body=text, authorization=f"Bearer {API_KEY}", **headers)


def in_base64(event: Event) -> Event:
    """The same request as the gateway hands it over when it takes the body for binary."""
    changed = deepcopy(event)
    changed |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}
    return changed


def callback(body: str, signature: str | None) -> Event:
    """HiAPI's delivery for the example task; without a signature where the account has no webhook secret."""
    token = sign(SigningKey(CALLBACK_SECRET), upstream="hiapi", task_id=TASK, attempt=1, now=float(SIGNED_AT))
    signed = {"x_hiapi_timestamp": SIGNED_AT, "x_hiapi_signature": signature} if signature else {}
    event = http("POST", f"/v1/callbacks/hiapi/{TASK}/{token}", body=body, **JSON, **signed)
    route = "POST /v1/callbacks/{upstream}/{task_id}/{token}"
    event |= {"routeKey": route, "pathParameters": {"upstream": "hiapi", "task_id": TASK, "token": token}}
    event["requestContext"]["routeKey"] = route
    return event


def messages(*bodies: str) -> Event:
    """A batch from the queue."""
    event: Event = json.loads(envelope("sqs", "receive-message"))
    (record,) = event["Records"]
    event["Records"] = [
        record
        | {
            "messageId": f"19dd0b57-b21e-4ac1-bd88-01bbb068cb{number:02d}",
            "receiptHandle": f"receipt-{number}",
            "body": body,
            "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:darkroom-tasks",
        }
        for number, body in enumerate(bodies, start=1)
    ]
    return event


def job(do: str, **facts: Any) -> str:
    return json.dumps({"do": do, "task_id": TASK, "attempt": 1, **facts}, separators=(",", ":"))


def tick() -> Event:
    """What EventBridge Scheduler sends when a schedule has no input of its own: the rule's event with a version beside it."""
    event: Event = json.loads(envelope("cloudwatch", "scheduled-event"))
    event |= {"version": "0", "source": "aws.scheduler", "time": "2026-11-20T12:00:00Z", "detail": "{}"}
    event["resources"] = ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/darkroom-reconcile-tasks"]
    return event


EVENTS: Mapping[str, Callable[[], Event]] = {
    "api/create": lambda: asked("POST", "/v1/tasks", body=CREATE),
    "api/create_with_key": lambda: asked("POST", "/v1/tasks", body=CREATE, idempotency_key='"order-8472-hero"'),
    "api/create_base64": lambda: in_base64(asked("POST", "/v1/tasks", body=CREATE)),
    "api/create_unknown_field": lambda: asked("POST", "/v1/tasks", body=CREATE | {"callback": {"url": "https://example.com"}}),
    "api/create_without_prompt": lambda: asked("POST", "/v1/tasks", body=CREATE | {"input": {}}),
    "api/create_malformed": lambda: http("POST", "/v1/tasks", body='{"model":', authorization=f"Bearer {API_KEY}", **JSON),
    "api/create_without_credentials": lambda: http("POST", "/v1/tasks", body=json.dumps(CREATE), **JSON),
    "api/create_with_upload": lambda: asked("POST", "/v1/tasks", body=EDIT),
    "api/upload": lambda: asked("POST", "/v1/uploads", body={"content_type": "image/png", "size": 482113}),
    "api/read": lambda: asked("GET", f"/v1/tasks/{TASK}"),
    "api/read_and_wait": lambda: asked("GET", f"/v1/tasks/{TASK}", prefer="wait=1"),
    "api/read_unknown": lambda: asked("GET", "/v1/tasks/task_01M7WD7TG00000000000N0THER"),
    "api/list": lambda: asked("GET", "/v1/tasks?limit=2"),
    "api/cancel": lambda: asked("POST", f"/v1/tasks/{TASK}/cancel"),
    "api/retry": lambda: asked("POST", f"/v1/tasks/{TASK}/retry"),
    "api/image": lambda: asked("GET", f"/v1/images/{IMAGE}"),
    "api/image_metadata": lambda: asked("GET", f"/v1/images/{IMAGE}", accept="application/json"),
    "api/image_head": lambda: asked("HEAD", f"/v1/images/{IMAGE}"),
    "api/models": lambda: asked("GET", "/v1/models"),
    "api/presets": lambda: asked("GET", "/v1/presets"),
    "api/health": lambda: http("GET", "/healthz"),
    "api/openapi": lambda: http("GET", "/openapi.json"),
    "api/keys": lambda: asked("GET", "/v1/admin/keys"),
    "api/upstreams": lambda: asked("GET", "/v1/admin/upstreams"),
    "api/reconcile": lambda: asked("POST", "/v1/admin/reconcile"),
    "api/redrive": lambda: asked("POST", "/v1/admin/redrive"),
    "api/unknown_path": lambda: asked("GET", "/v1/nothing"),
    "receive_callback/success": lambda: callback(SUCCESS, SUCCESS_SIGNATURE),
    "receive_callback/success_base64": lambda: in_base64(callback(SUCCESS, SUCCESS_SIGNATURE)),
    "receive_callback/failure": lambda: callback(FAILURE, FAILURE_SIGNATURE),
    "receive_callback/unsigned": lambda: callback(SUCCESS, None),
    "receive_callback/forged": lambda: callback(SUCCESS, "0" * 64),
    "work_tasks/store": lambda: messages(job("store", lease="5f2a7c1e9b3d4860")),
    "work_tasks/submit": lambda: messages(job("submit")),
    "work_tasks/several": lambda: messages(job("store", lease="5f2a7c1e9b3d4860"), "not a job", job("submit")),
    "reconcile_tasks/tick": tick,
}


def write(folder: Path) -> None:
    """Write every event below `folder`."""
    for name, make in EVENTS.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
