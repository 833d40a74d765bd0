"""A simulator whose time stands still until a test moves it, a client for it, and a receiver for its callbacks."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from local.simulator.server import Simulator

SECRET = "whsec_0123456789abcdef"
MODEL = "gpt-image-2/text-to-image"
LATENCY_S = 10
PATIENCE_S = 20


def until(fact: Callable[[], Any], what: str = "the expected") -> Any:
    """Wait until the fact holds and give it back; generous, because the machine may be busy."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := fact()):
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_S} s"
        time.sleep(0.005)
    return found


@dataclass
class Delivery:
    """One callback as it arrived: raw bytes and lower-case header names."""

    path: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """Takes callbacks; answers with the scripted statuses, then 204. `hold` keeps answers back until released."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    waiting: int = 0
    most_at_once: int = 0
    hold_until_at_once: int = 0
    gate: threading.Condition = field(default_factory=threading.Condition)

    def take(self, delivery: Delivery) -> int:
        """Record the delivery and say which status it gets."""
        with self.gate:
            self.deliveries.append(delivery)
            self.waiting += 1
            self.most_at_once = max(self.most_at_once, self.waiting)
            self.gate.notify_all()
            self.gate.wait_for(lambda: self.most_at_once >= self.hold_until_at_once, PATIENCE_S)
            self.waiting -= 1
            return self.statuses.pop(0) if self.statuses else 204

    def wait(self, count: int = 1) -> list[Delivery]:
        """The deliveries, once there are so many."""
        until(lambda: len(self.deliveries) >= count, f"delivery {count}")
        return self.deliveries


def _receiving(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(Delivery(self.path, body, headers)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Tests read deliveries, not logs."""

    return Handler


@dataclass
class Api:
    """HiAPI as a client sees it, over the wire."""

    http: httpx.Client
    sim: Simulator

    def create(self, prompt: str = "a red kite", *, key: str | None = None, **fields: Any) -> httpx.Response:
        """POST a task; `fields` replace or add top-level fields."""
        body = {"model": MODEL, "input": {"prompt": prompt}} | fields
        return self.http.post("/v1/tasks", json=body, headers={"Idempotency-Key": key} if key else {})

    def begin(self, prompt: str = "a red kite", **fields: Any) -> str:
        """The id of a task that was accepted."""
        answer = self.create(prompt, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["taskId"])

    def look(self, task_id: str) -> dict[str, Any]:
        """The task object."""
        data: dict[str, Any] = self.http.get(f"/v1/tasks/{task_id}").json()["data"]
        return data

    def finish(self, task_id: str) -> dict[str, Any]:
        """The task object after its end."""
        self.sim.admin.jump(LATENCY_S)
        until(lambda: self.sim.admin.task(task_id)["status"] in ("success", "fail"), "the end of the task")
        return self.look(task_id)

    def make(self, prompt: str = "a red kite", **fields: Any) -> dict[str, Any]:
        """A finished task."""
        return self.finish(self.begin(prompt, **fields))

    def output_url(self, prompt: str = "a red kite", **fields: Any) -> str:
        """Where a finished task's first output lies."""
        return str(self.make(prompt, **fields)["output"][0]["url"])


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0, latency_s=LATENCY_S, webhook_secret=SECRET) as simulator:
        yield simulator


@pytest.fixture
def sim(running_simulator: Simulator) -> Simulator:
    running_simulator.admin.reset()
    return running_simulator


@pytest.fixture
def api(sim: Simulator) -> Iterator[Api]:
    with httpx.Client(base_url=sim.url, headers={"Authorization": "Bearer sim-key"}, trust_env=False, timeout=PATIENCE_S) as http:
        yield Api(http, sim)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taken = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _receiving(taken))
    server.daemon_threads, server.block_on_close = True, False
    taken.url = f"http://127.0.0.1:{server.server_address[1]}/hiapi/token"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield taken
    server.shutdown()
    server.server_close()


@pytest.fixture
def secret() -> str:
    return SECRET


@pytest.fixture
def eventually() -> Callable[..., Any]:
    return until
