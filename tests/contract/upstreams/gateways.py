"""The four further adapters before the simulator, whose time runs fast, and before a gateway that is a function."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from darkroom.adapters.upstreams.hiapi_chat import HiApiChat
from darkroom.adapters.upstreams.hiapi_images import HiApiImages
from darkroom.adapters.upstreams.immediate import Immediate
from darkroom.adapters.upstreams.pixapi_async import PixapiAsync
from darkroom.adapters.upstreams.pixapi_images import PixapiImages
from darkroom.domain.news import News, Says
from darkroom.errors import UpstreamError
from darkroom.ports import Accepted
from local.simulator.server import Simulator
from tests.contract.hiapi.gateways import API_KEY, T0, RotatingSecrets
from tests.support.answering import Answering

PATIENCE_S = 60


@dataclass(frozen=True)
class Case:
    """An adapter, a model that its simulator offers, the field of its key, and the path before its simulated API."""

    adapter: type[Immediate] | type[PixapiAsync]
    model: str
    key_field: str
    prefix: str = ""


CASES = {
    "pixapi": Case(PixapiAsync, "gpt-image-2", "pixapi_api_key", "/pixapi"),
    "pixapi_images": Case(PixapiImages, "gpt-image-2", "pixapi_api_key", "/pixapi"),
    "hiapi_images": Case(HiApiImages, "flux-1.1-pro", "hiapi_api_key"),
    "hiapi_chat": Case(HiApiChat, "Nano-Banana", "hiapi_api_key"),
}
IMMEDIATE = tuple(name for name, case in CASES.items() if case.adapter.promises.synchronous)


def secrets(**fields: str) -> RotatingSecrets:
    return RotatingSecrets(**({case.key_field: API_KEY for case in CASES.values()} | fields))


@dataclass
class Gateway:
    """One adapter and the simulator behind it."""

    name: str
    adapter: Immediate | PixapiAsync
    sim: Simulator
    secrets: RotatingSecrets

    def freeze(self, prompt: str = "a red kite", *, model: str | None = None, **more: Any) -> bytes:
        size = {} if self.name == "hiapi_chat" else {"size": "64x64"}
        fields = {"prompt": prompt, **size, **more}
        return self.adapter.freeze(model=model or CASES[self.name].model, route=None, input=fields, callback_url=None)

    def submit(self, prompt: str = "a red kite", *, timeout_s: float = PATIENCE_S, **more: Any) -> Accepted:
        return self.adapter.submit(self.freeze(prompt, **more), key="task_A:1", timeout_s=timeout_s)

    def end(self, prompt: str = "a red kite", **more: Any) -> News:
        """A synchronous API's news."""
        news = self.submit(prompt, **more).news
        assert news is not None
        return news

    def look(self, task_id: str) -> News:
        return self.adapter.look(task_id, attempt=3, timeout_s=PATIENCE_S)

    def finish(self, prompt: str = "a red kite", **more: Any) -> News:
        """The news of an asynchronous task's end, asked for until it comes."""
        task_id = self.submit(prompt, **more).upstream_task_id
        ends = time.monotonic() + PATIENCE_S
        while (news := self.look(task_id)).says not in (Says.SUCCEEDED, Says.FAILED):
            assert time.monotonic() < ends, "the task did not end"
            time.sleep(0.01)
        return news

    @property
    def billed(self) -> int:
        return self.sim.admin.totals()["billed"]

    @property
    def posts(self) -> int:
        return self.sim.admin.totals()["posts"]


def before(sim: Simulator, name: str, **options: Any) -> Gateway:
    known = secrets()
    case = CASES[name]
    return Gateway(name, case.adapter(base_url=sim.url + case.prefix, secrets=known, **options), sim, known)


def mocked(name: str, answer: Callable[[httpx.Request], httpx.Response], known: RotatingSecrets | None = None) -> Any:
    """The adapter before a gateway that is a function."""
    return CASES[name].adapter(
        base_url="https://gateway.example", secrets=known or secrets(), http=Answering(answer), now=lambda: T0
    )


def answered(name: str, status: int, body: Any, **headers: str) -> Accepted | UpstreamError:
    """What the adapter makes of one answer to a create."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {one.replace("_", "-"): value for one, value in headers.items()}
    gateway = mocked(name, lambda _: httpx.Response(status, content=raw, headers=named))
    try:
        accepted: Accepted = gateway.submit(b"{}", key="task_A:1", timeout_s=5)
    except UpstreamError as error:
        return error
    return accepted
