"""The adapter before the HiAPI simulator, whose time stands still until a test moves it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from darkroom.adapters.upstreams.connections import Pool
from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.adapters.upstreams.http import shared_pool
from darkroom.domain.news import News
from local.simulator.server import Simulator
from tests.contract.hiapi.gateways import API_KEY, RotatingSecrets

SECRET = "whsec_0123456789abcdef"
MODEL = "gpt-image-2/text-to-image"
LATENCY_S = 10
PATIENCE_S = 30


def until(fact: Callable[[], Any]) -> Any:
    """The fact once it holds; generous, because the machine may be busy."""
    ends = time.monotonic() + PATIENCE_S
    while not (found := fact()):
        assert time.monotonic() < ends, f"it did not happen within {PATIENCE_S} s"
        time.sleep(0.01)
    return found


@dataclass
class Letterbox:
    """Takes callbacks as they come: header names and raw bytes."""

    url: str = ""
    letters: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def wait(self, count: int = 1) -> list[tuple[dict[str, str], bytes]]:
        until(lambda: len(self.letters) >= count)
        return self.letters


@dataclass
class Gateway:
    """The adapter and the simulator behind it."""

    hiapi: HiApi
    sim: Simulator
    secrets: RotatingSecrets

    def submit(self, prompt: str = "a red kite", *, key: str = "task_A:1", timeout_s: float = PATIENCE_S, **fields: Any) -> Any:
        body = self.freeze(prompt, **fields)
        return self.hiapi.submit(body, key=key, timeout_s=timeout_s)

    def freeze(self, prompt: str = "a red kite", *, url: str | None = None, route: str | None = None, **more: Any) -> bytes:
        return self.hiapi.freeze(model=MODEL, route=route, input={"prompt": prompt, **more}, callback_url=url)

    def begin(self, prompt: str = "a red kite", **fields: Any) -> str:
        return str(self.submit(prompt, **fields).upstream_task_id)

    def look(self, task_id: str, *, timeout_s: float = PATIENCE_S) -> News:
        return self.hiapi.look(task_id, attempt=1, timeout_s=timeout_s)

    def finish(self, task_id: str) -> None:
        self.sim.admin.jump(LATENCY_S)
        until(lambda: self.sim.admin.task(task_id)["status"] in ("success", "fail"))


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0, latency_s=LATENCY_S, webhook_secret=SECRET, api_key=API_KEY) as simulator:
        yield simulator


@pytest.fixture
def gateway(running_simulator: Simulator) -> Gateway:
    running_simulator.admin.reset()
    secrets = RotatingSecrets(hiapi_webhook_secret=SECRET)
    return Gateway(HiApi(base_url=running_simulator.url, secrets=secrets), running_simulator, secrets)


@pytest.fixture
def http() -> Pool:
    return shared_pool()


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    box = Letterbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            box.letters.append((dict(self.headers.items()), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Tests read letters, not logs."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    box.url = f"http://127.0.0.1:{server.server_address[1]}/v1/callbacks/hiapi/task_A/token"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield box
    server.shutdown()
    server.server_close()
