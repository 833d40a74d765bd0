"""The pipeline with its real adapters on an emulator, a simulated upstream over the wire, and nothing in memory."""

import json
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import boto3
from botocore.retries.standard import ExponentialBackoff

from darkroom import observe
from darkroom.adapters.clients import Clients
from darkroom.adapters.downloads import GuardedDownloads
from darkroom.adapters.dynamo import Table
from darkroom.adapters.table import DynamoTasks
from darkroom.domain.task import Task, Timing
from darkroom.edge.callback_ingress import receive
from darkroom.edge.job_batch import work_batch
from darkroom.edge.sweep import sweep
from darkroom.ports import Download, Downloads
from darkroom.settings import Settings, read_settings
from darkroom.usecases.make_key import SCOPES, record_key
from darkroom.web.application import application
from darkroom.wiring import Services
from local.gateway import Gateway
from local.payload import Request, from_answer, match, to_event
from local.simulator.server import Simulator
from local.simulator.settings import SIM_KEY
from local.template import Template, read_template
from tests.chaos.emulators.wire import Door, Wire
from tests.support.aws import REGION, Aws

KEY = "drk_the-key-of-the-shop-under-attack-000000000000"
OWNER = "shop"
WEBHOOK_SECRET = "whsec_of_the_chaos_tests"
SECRET = {
    "hiapi_api_key": SIM_KEY,
    "hiapi_webhook_secret": WEBHOOK_SECRET,
    "callback_secret": "a-stack-secret-of-some-length",
}
# What Lambda would give each function, in seconds.
REMAINING_S = {"api": 29.0, "receive_callback": 20.0, "work_tasks": 120.0, "reconcile_tasks": 55.0}
SETTINGS = {"DARKROOM_STORE_RETRY_S": "0,0.05"}


@cache
def template() -> Template:
    """The project's template, read once: it takes a second."""
    return read_template()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def well(self) -> bool:
        return 200 <= self.status < 300


class Tally:
    """Stands in for the metrics: they belong to one invocation at a time, and here many share a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counted: Counter[str] = Counter()

    def add_metric(self, *, name: str, unit: object, value: float) -> None:
        """As Powertools has it."""
        with self._lock:
            self.counted[name] += int(value)


class Actor(Services):
    """A cold execution environment that asks through a door of its own, at a time that the test moves."""

    def __init__(self, settings: Settings, means: "Means", clock: Callable[[], float]) -> None:
        super().__init__(settings)
        self._means = means
        self.clock = clock
        vars(self).update(means.kept)

    def rest(self) -> None:
        """Leave to the next one what a cold start makes anew with the same result."""
        self._means.kept.update({name: made for name, made in vars(self).items() if name == "catalogue"})

    @property
    def _clients(self) -> Clients:  # type: ignore[override]  # a cached property there: here they outlive an environment
        return self._means.clients

    @property
    def ssl_context(self) -> ssl.SSLContext:  # type: ignore[override]  # as above
        return self._means.ssl_context

    @cached_property
    def downloads(self) -> Downloads:
        inner = GuardedDownloads(ssl_context=self.ssl_context, allowed_origins=self.settings.allowed_output_origins)
        return _ThroughItsDoor(inner, self._means.door.upstream)


@dataclass(frozen=True, slots=True)
class Means:
    """What is costly to make and holds nothing that a cold start would lose."""

    door: Door
    clients: Clients
    ssl_context: ssl.SSLContext
    kept: dict[str, Any] = field(default_factory=dict)


@cache
def _session() -> boto3.Session:
    """One for all doors: each session reads the services' descriptions anew."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


@cache
def _ssl_context() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class _ThroughItsDoor:
    """Downloads over this actor's door: the upstream names the same address to everybody."""

    inner: GuardedDownloads
    origin: str

    @contextmanager
    def open(self, url: str, *, timeout_s: float) -> Iterator[Download]:
        """GET the same path at our door."""
        path = url.split("/", 3)[3]
        with self.inner.open(f"{self.origin}/{path}", timeout_s=timeout_s) as download:
            yield download


@dataclass(slots=True)
class Deployment:
    """Everything that a stack has, on `aws`; `ahead` is how many seconds its clock is before this machine's."""

    aws: Aws
    wire: Wire
    simulator: Simulator
    timing: Timing
    max_receives: int
    owner: str = OWNER
    ahead: float = 0.0
    tally: Tally = field(default_factory=Tally)
    gateway_url: str = ""
    names: dict[str, str] = field(default_factory=dict)
    _means: dict[str, tuple[Settings, Means]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.wire.clock = self.clock

    def clock(self) -> float:
        """Unix seconds, here."""
        return time.time() + self.ahead

    def environment(self, door: str) -> dict[str, str]:
        """The variables of a function behind this door."""
        found = self.wire.door(door)
        origins = {self.wire.door("anybody").upstream, found.upstream}
        there = {
            "AWS_ENDPOINT_URL": found.aws,
            "HIAPI_BASE_URL": found.upstream,
            "DARKROOM_ALLOWED_OUTPUT_ORIGINS": ",".join(sorted(origins)),
            "DARKROOM_PUBLIC_URL": self.gateway_url,
        }
        return {**SETTINGS, **self.names, **there}

    def actor(self, door: str = "anybody") -> Actor:
        """A new environment behind this door."""
        with self._lock:
            if door not in self._means:
                found = self.wire.door(door)
                settings = replace(read_settings(self.environment(door)), timing=self.timing)
                clients = Clients(session=_session(), endpoint_url=found.aws)
                self._means[door] = settings, Means(found, clients, _ssl_context())
            settings, means = self._means[door]
        return Actor(settings, means, self.clock)

    def call(self, folder: str, event: Mapping[str, Any], *, door: str = "anybody") -> Any:
        """Invoke a function as its handler does."""
        services, remaining = self.actor(door), REMAINING_S[folder]
        try:
            if folder == "api":
                return application().respond(event, services, remaining_s=remaining)
            if folder == "receive_callback":
                return receive(event, services, remaining_s=remaining)
            if folder == "work_tasks":
                return work_batch(event, services, remaining_s=remaining)
            return sweep(services, remaining_s=remaining)
        finally:
            services.rest()
            self.wire.script.call_over()

    def event(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
        """The function that a request leads to, and the event that it gets."""
        found = match(template().routes, method, target.partition("?")[0])
        assert found is not None
        route, parameters = found
        request = Request(method=method, target=target, headers=list(headers.items()), body=body, source_ip="127.0.0.1")
        return template().functions[route.function].folder, to_event(request, route, parameters, domain="localhost")

    def http(self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, door: str = "anybody") -> Answer:
        """One request through API Gateway's eyes."""
        folder, event = self.event(method, target, headers, body)
        return read_answer(self.call(folder, event, door=door))

    # -- looking at it, past every script -------------------------------------------------------------

    def task(self, task_id: str) -> Task | None:
        """The row as it is."""
        table = Table(client=self.aws.clients.dynamodb, name=self.names["DARKROOM_TABLE"])
        return DynamoTasks(table=table, clock=self.clock, retention_days=30).get(task_id)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Every stored object whose key begins so."""
        s3, bucket = self.aws.clients.s3, self.names["DARKROOM_BUCKET"]
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def letters(self, which: str = "DARKROOM_DEAD_LETTER_QUEUE_URL") -> int:
        """How many messages a queue holds that can be received now."""
        found = self.aws.clients.sqs.get_queue_attributes(
            QueueUrl=self.names[which], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])


def read_answer(value: Any) -> Answer:
    """A function's return value as HTTP."""
    found = from_answer(value)
    return Answer(found.status, {name.lower(): text for name, text in found.headers}, found.body)


@contextmanager
def deployed(aws: Aws, *, timing: Timing | None = None, calls_back: bool = False) -> Iterator[Deployment]:
    """A stack of its own on `aws`. `calls_back`: the upstream delivers by itself, otherwise the test does it by hand.

    Simulated time stands still, botocore does not wait between its tries: time passes when a test says so.
    """
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator(time_scale=0, webhook_secret=WEBHOOK_SECRET, latency_s=1.0))
        wire = Wire(aws.endpoint, simulator.url)
        stack.callback(wire.close)
        simulator.world.origin = wire.door("anybody").upstream
        if not calls_back:
            simulator.admin.arm("callback-lost", times=0)
        made = Deployment(aws, wire, simulator, timing or Timing(), _max_receives())
        made.names = _stores(aws, made.max_receives)
        made.gateway_url = stack.enter_context(_gateway(made))
        stack.enter_context(_patched(ExponentialBackoff, "delay_amount", lambda _self, _context: 0.0))
        stack.enter_context(_patched(observe, "metrics", made.tally))
        _admit(made)
        yield made


def _stores(aws: Aws, max_receives: int) -> dict[str, str]:
    """New stores; what failed in the queue comes back at once, and the template says how often."""
    sqs = aws.clients.sqs
    dead = aws.queue()
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": max_receives}
    queue = sqs.create_queue(
        QueueName=f"queue-{secrets.token_hex(6)}",
        Attributes={"VisibilityTimeout": "720", "RedrivePolicy": json.dumps(policy)},
    )
    return {
        "DARKROOM_TABLE": aws.table(),
        "DARKROOM_BUCKET": aws.bucket(),
        "DARKROOM_QUEUE_URL": queue["QueueUrl"],
        "DARKROOM_DEAD_LETTER_QUEUE_URL": dead,
        "DARKROOM_SECRET_ID": aws.secret(json.dumps(SECRET)),
    }


def _max_receives() -> int:
    source = template().queue_sources[0].queue
    return int(template().resources[source]["Properties"]["RedrivePolicy"]["maxReceiveCount"])


@contextmanager
def _gateway(deployment: Deployment) -> Iterator[str]:
    """The HTTP API over a real socket."""
    folders = {id_: one.folder for id_, one in template().functions.items()}
    faults: list[str] = []
    gateway = Gateway(
        ("127.0.0.1", 0), routes=template().routes, fault=lambda who, what: faults.append(f"{who}: {what}"), pages={}
    )
    gateway.start(lambda function, event: deployment.call(folders[function], event))
    try:
        yield f"http://127.0.0.1:{gateway.server_address[1]}"
    finally:
        gateway.shutdown()
        gateway.server_close()
    assert not faults, faults


@contextmanager
def _patched(where: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(where, name)
    setattr(where, name, value)
    try:
        yield
    finally:
        setattr(where, name, before)


def _admit(deployment: Deployment) -> None:
    services = deployment.actor()
    services.api_keys.add(record_key(KEY, owner=OWNER, scopes=SCOPES, now=time.time(), key_id=services.key_id))
