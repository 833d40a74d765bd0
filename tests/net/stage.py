"""The four handlers as Lambda calls them, over real rows in a table of the template's shape; and what they write is heard."""

import io
import json
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest

import functions.api.app as api
import functions.receive_callback.app as receive_callback
import functions.reconcile_tasks.app as reconcile_tasks
import functions.work_tasks.app as work_tasks
from darkroom.adapters.accounts import DynamoAccounts
from darkroom.adapters.claims import DynamoApiKeys, DynamoClaims
from darkroom.adapters.dynamo import Table
from darkroom.adapters.queue import write_job
from darkroom.adapters.table import DynamoTasks
from darkroom.domain.admission import Account, Limits
from darkroom.domain.callback_token import sign
from darkroom.domain.news import News, Says
from darkroom.domain.task import Output, Task, TaskError
from darkroom.edge import sweep
from darkroom.errors import DarkroomError, StorageUnavailable
from darkroom.observe import logger
from darkroom.ports import ApiKey, Evidence, Heard, Upstream
from darkroom.wiring import Services
from tests.functions.api.client import DOMAIN, KEY, SIGNING_KEY, STRANGER, Clock, Context, MemoryServices, allow, event, poster
from tests.support.gateway import PNG, SYNCHRONOUS
from tests.support.memory import MemoryDownloads, MemoryUpstream
from tests.support.metered_table import MeteredTable
from tests.support.table_client import TableClient
from tests.support.template import source

FUNCTIONS = {"api": api, "receive_callback": receive_callback, "reconcile_tasks": reconcile_tasks, "work_tasks": work_tasks}
ROUTE = "POST /v1/callbacks/{upstream}/{task_id}/{token}"
ONE_MODEL = {"model": "gpt-image-2/text-to-image", "input": {"prompt": "a lighthouse at dusk"}}
SYNCHRONOUS_MODEL = {"model": "gpt-image-1.5", "input": {"prompt": "a lighthouse at dusk"}}

Line = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(slots=True)
class Seen:
    """What the lives wrote: log lines and metrics with the function's name, rows, callbacks refused, fields that had a value."""

    lines: list[tuple[str, Line]] = field(default_factory=list)
    metrics: list[tuple[str, Line]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    callback_answers: list[Mapping[str, Any]] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)

    def note(self, thing: Any) -> None:
        """Remember which fields of a dataclass, and of those inside it, have another value than the one for "nothing"."""
        if isinstance(thing, list | tuple):
            for one in thing:
                self.note(one)
        elif is_dataclass(thing):
            for one in fields(thing):
                value = getattr(thing, one.name)
                if value not in (None, "", 0, False, (), {}):
                    self.fields.add(f"{type(thing).__name__}.{one.name}")
                    self.note(value)


class _Tasks(DynamoTasks):
    """The table's tasks; a fault stands for a table that is away."""

    seen: Seen
    fault: Exception | None = None

    def add(self, task: Task) -> None:
        self.seen.note(task)
        super().add(task)

    def move(self, before: Task, after: Task) -> None:
        self.seen.note(after)
        super().move(before, after)

    def get(self, task_id: str, *, consistent: bool = True) -> Task | None:
        if self.fault is not None:
            raise self.fault
        return super().get(task_id, consistent=consistent)

    def keep_evidence(self, task_id: str, evidence: Evidence) -> None:
        self.seen.note(evidence)
        super().keep_evidence(task_id, evidence)


class _Accounts(DynamoAccounts):
    """The table's accounts, likewise."""

    seen: Seen
    fault: Exception | None = None

    def see(self, name: str) -> Any:
        if self.fault is not None:
            raise self.fault
        return super().see(name)

    def save(self, before: Account, after: Account) -> None:
        self.seen.note(after)
        super().save(before, after)


class _ApiKeys(DynamoApiKeys):
    """The table's keys, likewise."""

    seen: Seen

    def add(self, key: ApiKey) -> None:
        self.seen.note(key)
        super().add(key)

    def revoke(self, key_id: str, *, now: float) -> bool:
        done = super().revoke(key_id, now=now)
        self.seen.note(self.list())
        return done


class _Services(MemoryServices):
    """One life's services: the table is real, everything else is in memory."""

    def __init__(self, table: Table, seen: Seen, **settings: Any) -> None:
        super().__init__(Clock(), store_retry_s=(0.0,), **settings)
        self.tasks = _Tasks(table=table, clock=self.clock, retention_days=30)
        self.accounts = _Accounts(table=table)
        self.api_keys = _ApiKeys(table=table, clock=self.clock, cache_s=0)
        self.claims = DynamoClaims(table=table)
        for one in (self.tasks, self.accounts, self.api_keys):
            one.seen = seen
        self.queue.clock = self.clock
        self.downloads = MemoryDownloads()
        self.jitter = lambda: 0.5
        self.fresh = random.Random(1).randbytes
        self.gateways = {
            "hiapi": self.gateway,
            "hiapi_images": MemoryUpstream(name="hiapi_images", promises=SYNCHRONOUS),
        }
        allow(self, KEY, owner="dev")
        allow(self, STRANGER, owner="somebody-else")

    def upstream(self, name: str) -> Upstream:
        return self.gateways.get(name) or super().upstream(name)


@dataclass(slots=True)
class Told:
    """What a function has written."""

    _log: io.StringIO = field(default_factory=io.StringIO)
    _out: io.StringIO = field(default_factory=io.StringIO)

    @property
    def lines(self) -> list[Line]:
        """Its log."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    @property
    def metrics(self) -> list[Line]:
        """Its metrics, each as CloudWatch's embedded format has it."""
        return [json.loads(line) for line in self._out.getvalue().splitlines()]

    @contextmanager
    def listening(self) -> Iterator["Told"]:
        """Hear what is written as long as this lasts."""
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(self._out):
            patch.setattr(logger.registered_handler, "stream", self._log)
            # Otherwise pytest shows all of it beside a difference.
            patch.setattr(logging.getLogger(logger.name), "propagate", False)
            yield self


@contextmanager
def served(module: Any, services: Services) -> Iterator[Told]:
    """Let the function have these services, and hear what it writes."""
    with pytest.MonkeyPatch.context() as patch, Told().listening() as told:
        patch.setattr(module, "services", lambda: services)
        # One look after the other, so that each run writes the same.
        patch.setattr(sweep, "THREADS", 1)
        yield told


class Stage:
    """One life: its triggers, and what happens outside."""

    def __init__(self, services: _Services, seen: Seen) -> None:
        self.services, self.seen = services, seen
        self.gateway, self.queue = services.gateway, services.queue
        self.synchronous = services.gateways["hiapi_images"]

    # -- triggers -----------------------------------------------------------------------------------

    def call(self, function: str, what: Mapping[str, Any]) -> Any:
        """Call the handler; an error that leaves it gives None."""
        module, out, log = FUNCTIONS[function], io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
            patch.setattr(module, "services", lambda: self.services)
            # One look after the other, so that each run writes the same.
            patch.setattr(sweep, "THREADS", 1)
            patch.setattr(logger.registered_handler, "stream", log)
            try:
                answer = module.handler(what, Context())
            except Exception:
                # What is told of it stands in the log.
                answer = None
        self.seen.lines += [(function, json.loads(line)) for line in log.getvalue().splitlines()]
        self.seen.metrics += [(function, json.loads(line)) for line in out.getvalue().splitlines()]
        return answer

    def ask(self, method: str, path: str, body: Any = None, *, key: str = KEY, query: str = "", **headers: str) -> Any:
        """Return the JSON of the API's answer, None where it has none."""
        given = {name.replace("_", "-"): value for name, value in headers.items()} | {"authorization": f"Bearer {key}"}
        given |= {} if body is None else {"content-type": "application/json"}
        raw = None if body is None else json.dumps(body)
        answer = self.call("api", event(method, path, query, given, raw, base64=False, domain=DOMAIN))
        return json.loads(answer["body"]) if answer and answer["body"] else None

    def create(self, body: Any = None, **headers: str) -> Task:
        """Return the task that a new order made."""
        made = self.ask("POST", "/v1/tasks", poster() if body is None else body, **headers)
        assert "id" in made, made
        return self.task(made["id"])

    def hear(self, task: Task, heard: Heard | DarkroomError, *, token: str | None = None, body: str = "{}") -> Any:
        """Deliver a callback that the gateway's adapter reads as `heard`."""
        self.gateway.hears = [heard]
        token = token or sign(SIGNING_KEY, upstream="hiapi", task_id=task.id, attempt=task.attempt, now=self.services.clock())
        path = f"/v1/callbacks/hiapi/{task.id}/{token}"
        what = event("POST", path, "", {}, body, base64=False, domain=DOMAIN)
        answer = self.call(
            "receive_callback", what | {"pathParameters": {"upstream": "hiapi", "task_id": task.id, "token": token}}
        )
        self.seen.callback_answers += [answer] if answer else []
        return answer

    def call_back(self, task: Task, news: News, *, trusted: bool = True) -> Any:
        """Deliver a callback with that news."""
        return self.hear(task, Heard(trusted=trusted, news=replace(news, attempt=task.attempt, by="callback"), raw=b"{}"))

    def tick(self, seconds: float = 61) -> None:
        """Let time pass, then sweep."""
        self.services.clock.now += seconds
        self.call("reconcile_tasks", {})

    def work(self, *more: str) -> None:
        """Work every message that has arrived, and those whose bodies are given, in a batch for each."""
        self.queue.arrive()
        bodies, self.queue.jobs = [*map(write_job, self.queue.jobs), *more], []
        for at, body in enumerate(bodies):
            record = {"messageId": f"m{at}", "body": body, "attributes": {"ApproximateReceiveCount": "2"}}
            self.call("work_tasks", {"Records": [record]})

    # -- what happens outside -------------------------------------------------------------------------

    def task(self, task_id: str) -> Task:
        """Return the task as it is, also while the table is away."""
        found = DynamoTasks.get(self.services.tasks, task_id)
        assert found is not None
        return found

    def now(self, task: Task) -> Task:
        """Return the task as it is now."""
        return self.task(task.id)

    def limits(self, **limits: int) -> None:
        """Let the gateway's account allow that much."""
        self.services.settings = replace(self.services.settings, limits={"hiapi": Limits(account="hiapi", **limits)})

    @contextmanager
    def away(self, *, error: Exception | None = None, accounts: bool = False) -> Iterator[None]:
        """Let the table's tasks, or its accounts, be away for as long as this lasts."""
        port = self.services.accounts if accounts else self.services.tasks
        port.fault = error or StorageUnavailable("scripted: away")
        try:
            yield
        finally:
            port.fault = None


def success(task: Task, *, pictures: int = 1, stage: Stage | None = None, **more: Any) -> News:
    """Say that the pictures are there; with a stage, they can be fetched from then on."""
    urls = [f"https://cdn.test/{task.id}/{index}.png" for index in range(pictures)]
    for url in urls if stage else ():
        stage.services.downloads.serve(url, PNG)
    outputs = tuple(Output(url=url, expires_at=1_777_886_899) for url in urls)
    return _news(task, Says.SUCCEEDED, outputs=outputs, **more)


def failure(task: Task, *, passing: bool = False, **more: Any) -> News:
    """Say that there is no picture; `passing`: for nothing, by a trouble that may pass."""
    error = TaskError(
        code="generation_failed",
        message="the model said no",
        retryable="later" if passing else "manual",
        charged="no" if passing else "unknown",
        upstream_code="TASK_FAILED",
        upstream_message="no",
        upstream_request_id="req-3",
    )
    return _news(task, Says.FAILED, error=error, **more)


def progress(task: Task, says: Says) -> News:
    """Say that it is at work."""
    return _news(task, says)


def _news(task: Task, says: Says, **more: Any) -> News:
    facts = {"attempt": task.attempt, "by": "poll", "upstream_task_id": task.upstream_task_id, "word": says.value}
    return News(says=says, **(facts | {"raw": b'{"said": "so"}', "request_id": "req-2"} | more))


Life = Callable[[Stage], None]


def live(lives: Mapping[str, tuple[Life, Mapping[str, Any]]]) -> Seen:
    """Live each life in a table of its own, with its settings."""
    seen = Seen()
    shape: Any = source()["Resources"]["Table"]["Properties"]
    indexes = {
        one["IndexName"]: tuple(key["AttributeName"] for key in one["KeySchema"]) for one in shape["GlobalSecondaryIndexes"]
    }
    for name, (life, settings) in lives.items():
        client: Any = TableClient(MeteredTable(indexes), on_write=seen.rows.append)
        try:
            life(Stage(_Services(Table(client=client, name="table"), seen, **settings), seen))
        except Exception as error:
            raise AssertionError(f"the life {name!r} could not be lived") from error
    return seen
