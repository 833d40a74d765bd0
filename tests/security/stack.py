"""The four handlers as Lambda calls them, over ports in memory, with the real HiAPI adapter before a gateway that is a script."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
import pytest

import functions.api.app as api_app
import functions.receive_callback.app as callback_app
import functions.reconcile_tasks.app as reconcile_app
import functions.work_tasks.app as work_app
from darkroom.adapters.queue import write_job
from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.domain.admission import Limits
from darkroom.domain.task import Task
from tests.functions.api.client import DOMAIN, KEY, SECRET, Clock, Context, MemoryServices, event, poster
from tests.support.answering import Answering
from tests.support.gateway import PNG
from tests.support.memory import MemoryDownloads, MemorySecrets

__all__ = ["PNG"]

UPSTREAM_KEY = "hi-sk-the-key-of-the-gateway-0123456789"
WEBHOOK_SECRET = "whsec_the-secret-of-the-webhooks-0123"
ROUTE = "POST /v1/callbacks/{upstream}/{task_id}/{token}"

_APPS = {"api": api_app, "receive_callback": callback_app, "work_tasks": work_app, "reconcile_tasks": reconcile_app}
Event = dict[str, Any]


@dataclass(slots=True)
class ScriptedGateway:
    """HiAPI's side: accepts each create under a new id, says of each task what `says` tells, and remembers every request."""

    requests: list[httpx.Request] = field(default_factory=list)
    says: dict[str, dict[str, Any]] = field(default_factory=dict)
    answer: Callable[[httpx.Request], httpx.Response] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        told = self.answer(request) if self.answer else self._usual(request)
        return httpx.Response(told.status_code, headers=told.headers, stream=httpx.ByteStream(told.content))

    def _usual(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, json={"code": 200, "data": {"taskId": f"tk-{len(self.creates)}"}})
        upstream_task_id = request.url.path.rpartition("/")[2]
        working = {"taskId": upstream_task_id, "status": "handling"}
        return httpx.Response(200, json={"code": 200, "data": self.says.get(upstream_task_id, working)})

    @property
    def creates(self) -> list[httpx.Request]:
        return [one for one in self.requests if one.method == "POST"]

    @property
    def looks(self) -> list[httpx.Request]:
        return [one for one in self.requests if one.method == "GET"]


class Stack(MemoryServices):
    """All four functions around the same ports in memory."""

    def __init__(self, **settings: Any) -> None:
        # Attacks come in thousands, and none of them is about a slot.
        wide = {"hiapi": Limits(account="hiapi", in_flight=100_000, per_minute=1_000_000)}
        super().__init__(Clock(), **({"store_retry_s": (0.0,), "limits": wide} | settings))
        self.http = ScriptedGateway()
        self.downloads = MemoryDownloads()
        self.secrets = MemorySecrets(
            {"callback_secret": SECRET, "hiapi_api_key": UPSTREAM_KEY, "hiapi_webhook_secret": WEBHOOK_SECRET}
        )
        self._upstreams = {
            "hiapi": HiApi(base_url="https://gateway.test", secrets=self.secrets, http=Answering(self.http), now=self.clock)
        }

    def rotate(self, **values: str) -> None:
        """The deployment's secret has other values from now on, as its cache sees too."""
        self.secrets.values |= values
        self.secrets.refresh()

    # -- calling the handlers -----------------------------------------------------------------------

    def handle(self, function: str, what: Any) -> Any:
        """What the handler gives for one event; its exceptions are Lambda's, and the caller's here."""
        return _APPS[function].handler(what, Context())

    def ask(self, method: str, path: str, *, body: Any = None, query: str = "", key: str | None = KEY, **headers: str) -> Event:
        """One request to the API."""
        given = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        given |= {"authorization": f"Bearer {key}"} if key is not None and "authorization" not in given else {}
        raw = body if body is None or isinstance(body, str) else json.dumps(body)
        answer: Event = self.handle("api", event(method, path, query, given, raw, base64=False, domain=DOMAIN))
        return answer

    def create(self, prompt: str = "a lighthouse at dusk", **more: Any) -> "Door":
        """A task that the gateway has accepted, and the address to which it will call back."""
        answer = self.ask("POST", "/v1/tasks", body=poster(prompt), **more)
        assert answer["statusCode"] == 202, answer["body"]
        url = json.loads(self.http.creates[-1].content)["callback"]["url"]
        _, upstream, task_id, token = url.rsplit("/", 3)
        assert json.loads(answer["body"])["id"] == task_id
        return Door(upstream, task_id, token, f"tk-{len(self.http.creates)}")

    def work(self) -> Any:
        """Every message of the queue in one batch."""
        jobs, self.queue.jobs = list(self.queue.jobs), []
        records = [{"messageId": f"m{at}", "body": write_job(job), "attributes": {}} for at, job in enumerate(jobs)]
        return self.handle("work_tasks", {"Records": records})

    def tick(self) -> Any:
        return self.handle("reconcile_tasks", {})

    # -- seeing -------------------------------------------------------------------------------------

    def task(self, door: "Door") -> Task:
        return self.tasks.tasks[door.task_id]

    def everything(self) -> str:
        """All that is written down anywhere, as one text: equal texts mean that nothing was."""
        rows = {name: asdict(task) for name, task in self.tasks.tasks.items()}
        evidence = {name: asdict(one) for name, one in self.tasks.kept_evidence.items()}
        objects = {name: asdict(one) for name, one in self.bucket.objects.items()}
        kept = {name: asdict(one) for name, one in self.tasks.requests.items()}
        jobs, keys = [asdict(job) for job in self.queue.jobs], {name: asdict(one) for name, one in self.api_keys.keys.items()}
        return repr((rows, kept, evidence, objects, jobs, self.queue.dead, keys, self.claims.claims))


@dataclass(frozen=True, slots=True)
class Door:
    """Where the callback of one task goes, and what the gateway calls that task."""

    upstream: str
    task_id: str
    token: str
    upstream_task_id: str


def stack_of(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Stack:
    """A stack that the four handlers find instead of the environment's services."""
    stack = Stack(**settings)
    for module in _APPS.values():
        monkeypatch.setattr(module, "services", lambda: stack)
    return stack


def success(door: Door, *urls: str, **more: Any) -> bytes:
    """The body that tells of pictures behind `urls`."""
    found = urls or (f"https://cdn.test/{door.task_id}/0.png",)
    output = [{"url": url, "type": "image", "expireAt": 1_777_886_899} for url in found]
    return json.dumps({"taskId": door.upstream_task_id, "status": "success", "output": output, **more}).encode()


def failure(door: Door, message: str = "the model said no") -> bytes:
    error = {"code": "TASK_FAILED", "message": message}
    return json.dumps({"taskId": door.upstream_task_id, "status": "fail", "error": error}).encode()


def signature(raw: bytes, at: float, secret: str = WEBHOOK_SECRET) -> str:
    return hmac.new(secret.encode(), f"{int(at)}.".encode() + raw, hashlib.sha256).hexdigest()


def signed(raw: bytes, at: float, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    """HiAPI's two headers."""
    return {"x-hiapi-timestamp": str(int(at)), "x-hiapi-signature": signature(raw, at, secret)}


def delivery(door: Door, raw: bytes | str, headers: Mapping[str, str], *, in_base64: bool = False) -> Event:
    """API Gateway's event (payload 2.0) for one callback."""
    path = f"/v1/callbacks/{door.upstream}/{door.task_id}/{door.token}"
    found = event("POST", path, "", {"content-type": "application/json", **headers}, None, base64=in_base64, domain=DOMAIN)
    found["routeKey"] = found["requestContext"]["routeKey"] = ROUTE
    found["pathParameters"] = {"upstream": door.upstream, "task_id": door.task_id, "token": door.token}
    if in_base64 and isinstance(raw, bytes):
        found["body"] = base64.b64encode(raw).decode()
    else:
        found["body"] = raw.decode() if isinstance(raw, bytes) else raw
    return found
