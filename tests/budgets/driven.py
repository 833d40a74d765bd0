"""The deployed handlers, called as Lambda calls them, with a meter on everything they ask for."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import functions.api.app as api
import functions.receive_callback.app as receive_callback
import functions.reconcile_tasks.app as reconcile_tasks
import functions.work_tasks.app as work_tasks
from darkroom.domain.admission import Limits
from darkroom.domain.task import Task
from darkroom.settings import read_settings
from darkroom.wiring import Services
from tests.support.metered_world import TABLE, furnish, variables
from tests.support.metering import Meter, MeteredAws
from tests.support.requests import SHORT_PROMPT, order, request
from tests.support.wire_upstream import Taken, WireUpstream, delivery

HANDLERS = (api, receive_callback, reconcile_tasks, work_tasks)


class Context:
    """What Lambda tells a handler about an invocation."""

    function_name = "darkroom"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:darkroom"
    aws_request_id = "8ac11e76-5c0c-4dc6-8f72-2d0e7e6f9d11"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 29_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What some requests used: units, calls to AWS, requests at the upstream, new connections anywhere."""

    aws: Meter
    posts: int
    gets: int
    pictures: int
    upstream_connections: int

    @property
    def units(self) -> tuple[float, float]:
        """Write and read units."""
        return self.aws.write_units, self.aws.read_units

    @property
    def uploads(self) -> int:
        return self.aws.calls.get("s3:PUT", 0)

    @property
    def connections(self) -> int:
        return self.aws.connections + self.upstream_connections


class Driven:
    """The pipeline of one warm environment, with a clock that can be put forward. `sweeps` counts the ticks."""

    def __init__(self, aws: MeteredAws, upstream: WireUpstream, services: Services) -> None:
        self.aws, self.upstream = aws, upstream
        self.sweeps = 0
        self._services = services
        self._ahead = 0.0
        services.clock = self.clock
        services.sleep = self.pass_time
        services.jitter = lambda: 0.5

    def clock(self) -> float:
        return time.time() + self._ahead

    def pass_time(self, seconds: float) -> None:
        """Let the pipeline believe that so much time has gone by."""
        self._ahead += seconds

    def allow(self, *, in_flight: int) -> None:
        """Let the upstream take so many tasks at a time."""
        limits = {"hiapi": Limits(account="hiapi", in_flight=in_flight)}
        self._services.settings = replace(self._services.settings, limits=limits)

    def task(self) -> Task:
        """The one that was ordered last."""
        found = self._services.tasks.get(max(pk for pk, sk in self.aws.tables[TABLE].items if sk == "state"))
        assert found is not None
        return found

    def status(self) -> str:
        """Of the task that was ordered last."""
        return self.task().status.value

    def create(self, prompt: str = SHORT_PROMPT, *, preset: str | None = None, **headers: str) -> dict[str, Any]:
        """The API's answer to a new order."""
        body = {"preset": preset, "input": {"prompt": prompt}} if preset else order(prompt)
        answer: dict[str, Any] = api.handler(request("POST", "/v1/tasks", body, **headers), Context())
        return answer

    def read(self, path: str, **headers: str) -> dict[str, Any]:
        answer: dict[str, Any] = api.handler(request("GET", path, None, **headers), Context())
        return answer

    def succeed(self, *, picture_bytes: int = 100_000) -> Taken:
        """The upstream finishes the task that it was given last, and does not say so."""
        self.upstream.succeed(self.upstream.last, picture_bytes=picture_bytes)
        return self.upstream.last

    def call_back(self, task: Taken) -> dict[str, Any]:
        """What the upstream is answered."""
        answer: dict[str, Any] = receive_callback.handler(delivery(task, at=self.clock()), Context())
        return answer

    def tick(self) -> dict[str, Any]:
        """A sweep of the schedule."""
        self.sweeps += 1
        report: dict[str, Any] = reconcile_tasks.handler({}, Context())
        return report

    def work(self) -> dict[str, Any]:
        """Work all that the queue holds."""
        bodies, queue = [], next(iter(self.aws.queues.values()))
        while queue:
            bodies.append(queue.pop(0))
        records = [{"messageId": str(number), "body": body, "attributes": {}} for number, body in enumerate(bodies)]
        report: dict[str, Any] = work_tasks.handler({"Records": records}, Context())
        return report

    def warm_up(self) -> None:
        """A task from end to end, so that caches are full and connections open."""
        self.create()
        self.call_back(self.succeed())
        self.tick()

    def used(self, act: Callable[[], Any]) -> Used:
        """What `act` used."""
        meter, seen, connections = self.aws.meter, self.upstream.seen.copy(), self.upstream.connections
        act()
        return Used(
            aws=self.aws.meter - meter,
            posts=self.upstream.seen["POST"] - seen["POST"],
            gets=self.upstream.seen["GET"] - seen["GET"],
            pictures=self.upstream.seen["picture"] - seen["picture"],
            upstream_connections=self.upstream.connections - connections,
        )


@contextmanager
def driven(set_attribute: Callable[..., None], set_variable: Callable[[str, str], None]) -> Iterator[Driven]:
    """A pipeline of its own; the two arguments are monkeypatch's."""
    with MeteredAws() as aws, WireUpstream() as upstream:
        furnish(aws)
        for name, value in variables(aws, upstream).items():
            set_variable(name, value)
        services = Services(read_settings(os.environ))
        for module in HANDLERS:
            set_attribute(module, "services", lambda: services)
        yield Driven(aws, upstream, services)
