"""Everything around one built function: table and queues, an upstream, a picture to fetch, the task that the events speak of."""

import base64
import hashlib
import hmac
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from PIL import Image as Picture

from darkroom.adapters import rows
from darkroom.adapters.claims import DynamoApiKeys, api_key_id
from darkroom.adapters.dynamo import Table
from darkroom.domain.callback_token import SigningKey, sign
from darkroom.domain.task import Image, Output, Phase, Request, Task
from darkroom.ports import ApiKey
from darkroom.usecases.store_pictures import picture_key
from local.intrinsics import Resource
from local.simulator.server import Simulator
from local.simulator.settings import SIM_KEY
from local.template import Function as Written
from local.template import read_template
from tests.lambda_runtime.recording import Recorded, recording
from tests.support.aws import Aws
from tests.support.runtime_api import Function, LambdaEnvironment, Outcome
from tools.make_events import API_KEY, CALLBACK_SECRET, TASK, UPSTREAM_TASK, WEBHOOK_SECRET

OWNER = "example"
LEASE = "5f2a7c1e9b3d4860"
_EXAMPLE_OUTPUT = "https://cdn.hiapi.ai/tasks/example/0.png"
_SECRET = {
    "hiapi_api_key": SIM_KEY,
    "hiapi_webhook_secret": WEBHOOK_SECRET,
    "hiapi_webhook_secret_previous": "",
    "callback_secret": CALLBACK_SECRET,
}


class World:
    """One function in its world; `aws` is what its bucket and table can be looked at with."""

    def __init__(self, aws: Aws, recorded: Recorded, upstream: str, pictures: str) -> None:
        self.aws, self.recorded = aws, recorded
        self.table, self.bucket = aws.table(), aws.bucket()
        self.picture = f"{pictures}/0.png"
        self._environment: LambdaEnvironment | None = None
        self._names = {
            "Table": self.table,
            "Bucket": self.bucket,
            "TaskQueue": aws.queue(),
            "DeadLetterQueue": aws.queue(),
            "Secret": aws.secret(json.dumps(_SECRET)),
        }
        self._instead = {
            "AWS_ENDPOINT_URL": recorded.endpoint,
            "HIAPI_BASE_URL": upstream,
            "DARKROOM_ALLOWED_OUTPUT_ORIGINS": pictures,
        }
        self._add_key()

    def start(self, python: Path, built: Path, written: Written) -> None:
        """Prepare the built function with the environment that the template gives it."""
        template = read_template()
        variables = template.intrinsics(lambda id_: Resource(ref=self._names[id_])).resolve(written.environment)
        function = Function(
            name=written.id,
            code=built / written.id,
            layers=(built / "DependenciesLayer", built / "CommonLayer"),
            env={name: str(value) for name, value in variables.items()} | self._instead,
            handler=written.handler,
            timeout_s=written.timeout_s,
            memory_mb=written.memory_mb,
        )
        self._environment = LambdaEnvironment(python, function)

    def invoke(self, event: Any) -> Outcome:
        assert self._environment is not None
        return self._environment.invoke(event)

    @property
    def log(self) -> str:
        return self._environment.log if self._environment else ""

    def close(self) -> None:
        if self._environment is not None:
            self._environment.close()

    def put(self, task: Task) -> None:
        """Make `task` the table's, whatever was there."""
        self.aws.clients.dynamodb.put_item(TableName=self.table, Item=rows.state_row(task, retention_days=30, born=True))

    def put_picture(self, task: Task) -> None:
        """Make its first picture lie in the bucket."""
        self.aws.clients.s3.put_object(Bucket=self.bucket, Key=picture_key(task, 1, 0), Body=b"a picture")

    def stored(self) -> list[str]:
        """The keys of all pictures."""
        listed = self.aws.clients.s3.list_objects_v2(Bucket=self.bucket)
        return [one["Key"] for one in listed.get("Contents", [])]

    def current(self, event: dict[str, Any]) -> dict[str, Any]:
        """A callback event as if it were sent now: its picture can be fetched here, token and signature are fresh."""
        changed = deepcopy(event)
        if "token" in (event.get("pathParameters") or {}):
            token = sign(SigningKey(CALLBACK_SECRET), upstream="hiapi", task_id=TASK, attempt=1, now=time.time())
            changed["pathParameters"] |= {"token": token}
        body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
        body = body.replace(_EXAMPLE_OUTPUT.encode(), self.picture.encode())
        changed["body"] = base64.b64encode(body).decode() if event["isBase64Encoded"] else body.decode()
        given = event["headers"].get("x-hiapi-signature", "0")
        if given.strip("0"):
            changed["headers"] |= _signed(body, str(int(time.time())))
        return changed

    def _add_key(self) -> None:
        digest = hashlib.sha256(API_KEY.encode()).hexdigest()
        scopes = frozenset({"tasks:read", "tasks:write", "admin"})
        keys = DynamoApiKeys(table=Table(client=self.aws.clients.dynamodb, name=self.table), clock=time.time, cache_s=0)
        keys.add(ApiKey(id=api_key_id(digest), sha256=digest, owner=OWNER, scopes=scopes, created_at=time.time()))


def running() -> Task:
    """The example task as the upstream has accepted it, due to be looked at."""
    now = time.time()
    return Task(
        id=TASK,
        owner=OWNER,
        upstream="hiapi",
        model="gpt-image-2/text-to-image",
        timeout_s=1800,
        created_at=now - 90,
        phase=Phase.QUEUED,
        next_check_at=now - 30,
        callback_expected=True,
        upstream_task_id=UPSTREAM_TASK,
        first_sent_at=now - 90,
        submitted_at=now - 89,
        version=2,
        request=Request(input={"prompt": "a lighthouse"}, body=b'{"model":"m","input":{"prompt":"a lighthouse"}}', metadata={}),
    )


def waiting() -> Task:
    """The example task before it was sent."""
    return replace(
        running(), phase=Phase.ACCEPTED, upstream_task_id=None, first_sent_at=None, submitted_at=None, callback_expected=False
    )


def storing(url: str) -> Task:
    """The example task with its output at `url`, leased to the queue's message."""
    now = time.time()
    return replace(
        running(),
        phase=Phase.STORING,
        lease=LEASE,
        lease_until=now + 60,
        news_at=now,
        news_by="callback",
        outputs=(Output(url=url),),
    )


def succeeded() -> Task:
    """The example task with one stored picture."""
    now = time.time()
    image = Image(index=0, content_type="image/png", size=1234, width=64, height=64, sha256="ab" * 32, created_at=now)
    return replace(running(), phase=Phase.SUCCEEDED, next_check_at=None, terminal_at=now, images=(image,), version=4)


@contextmanager
def world(aws: Aws) -> Iterator[World]:
    """A world of its own: upstream and pictures are servers on loopback, simulated time stands still."""
    with ExitStack() as stack:
        recorded = stack.enter_context(recording(aws.endpoint))
        upstream = stack.enter_context(Simulator(time_scale=0))
        pictures = stack.enter_context(_pictures())
        made = World(aws, recorded, upstream.url, pictures)
        stack.callback(made.close)
        yield made


def _signed(body: bytes, timestamp: str) -> dict[str, str]:
    signature = hmac.new(WEBHOOK_SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x-hiapi-timestamp": timestamp, "x-hiapi-signature": signature}


@contextmanager
def _pictures() -> Iterator[str]:
    drawn = io.BytesIO()
    Picture.new("RGB", (64, 48), "navy").save(drawn, "PNG")

    class Gallery(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(drawn.getvalue())))
            self.end_headers()
            self.wfile.write(drawn.getvalue())

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Gallery)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
