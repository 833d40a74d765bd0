"""Each test of a port runs three times: in memory, on moto, on MiniStack."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from darkroom.adapters.accounts import DynamoAccounts
from darkroom.adapters.bucket import S3Bucket
from darkroom.adapters.claims import DynamoApiKeys, DynamoClaims
from darkroom.adapters.dynamo import Table
from darkroom.adapters.queue import SqsQueue, read_job
from darkroom.adapters.secrets import SecretsManager
from darkroom.adapters.table import DynamoTasks
from darkroom.ports import Accounts, ApiKeys, Bucket, Claims, Job, Queue, Secrets, Tasks
from tests.support.aws import Aws, clients_at, ministack, moto
from tests.support.faulty import Faults, faulty
from tests.support.memory import MemoryApiKeys, MemoryBucket, MemoryClaims, MemoryQueue, MemorySecrets, MemoryTasks
from tests.support.memory_accounts import MemoryAccounts
from tests.support.tasks import BIRTH

__all__ = ["ministack", "moto"]

SERVICES = ["moto", pytest.param("ministack", marks=pytest.mark.ministack)]


@dataclass(slots=True)
class Clock:
    """A time that tests set."""

    now: float = BIRTH

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", *SERVICES])
def where(request: pytest.FixtureRequest) -> Aws | None:
    """The service under test; None is memory."""
    return None if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture(params=SERVICES)
def aws(request: pytest.FixtureRequest) -> Aws:
    """The service under test, for what only real services do."""
    service: Aws = request.getfixturevalue(request.param)
    return service


@pytest.fixture
def tasks(where: Aws | None, clock: Clock) -> Tasks:
    if where is None:
        return MemoryTasks(clock=clock)
    return DynamoTasks(table=Table(client=where.clients.dynamodb, name=where.table()), clock=clock, retention_days=30)


@pytest.fixture
def accounts(where: Aws | None) -> Accounts:
    return DynamoAccounts(table=Table(client=where.clients.dynamodb, name=where.table())) if where else MemoryAccounts()


@pytest.fixture
def claims(where: Aws | None) -> Claims:
    return DynamoClaims(table=Table(client=where.clients.dynamodb, name=where.table())) if where else MemoryClaims()


@pytest.fixture
def api_keys(where: Aws | None, clock: Clock) -> ApiKeys:
    if where is None:
        return MemoryApiKeys()
    return DynamoApiKeys(table=Table(client=where.clients.dynamodb, name=where.table()), clock=clock, cache_s=0)


@pytest.fixture
def bucket(where: Aws | None) -> Bucket:
    return S3Bucket(client=where.clients.s3, name=where.bucket()) if where else MemoryBucket()


@dataclass(slots=True)
class Letters:
    """A queue under test with both ends in reach."""

    queue: Queue
    receive: Callable[[], list[Job]]
    bury: Callable[[Job], None]


@pytest.fixture
def letters(where: Aws | None) -> Letters:
    return _letters_in(where) if where else _letters_in_memory()


def _letters_in_memory() -> Letters:
    queue = MemoryQueue()

    def receive() -> list[Job]:
        queue.arrive()
        return queue.jobs

    return Letters(queue, receive, queue.dead.append)


def _letters_in(where: Aws) -> Letters:
    sqs, url, dead = where.clients.sqs, where.queue(), where.queue()

    def receive() -> list[Job]:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        return [read_job(one["Body"]) for one in got]

    queue = SqsQueue(client=sqs, url=url, dead_letter_url=dead)
    return Letters(queue, receive, SqsQueue(client=sqs, url=dead, dead_letter_url=url).send)


@dataclass(slots=True)
class Vault:
    """Secrets under test and the way to change them."""

    secrets: Secrets
    change: Callable[[dict[str, str]], None]


@pytest.fixture
def vault(where: Aws | None, clock: Clock) -> Vault:
    if where is None:
        memory = MemorySecrets({"hiapi_api_key": " first \n"})
        return Vault(memory, lambda values: memory.values.update(values))
    return vault_in(where, clock)


def vault_in(where: Aws, clock: Clock) -> Vault:
    import json

    client, name = where.clients.secretsmanager, where.secret('{"hiapi_api_key": " first \\n"}')

    def change(values: dict[str, str]) -> None:
        client.put_secret_value(SecretId=name, SecretString=json.dumps(values))

    return Vault(SecretsManager(client=client, secret_id=name, cache_s=300, clock=clock), change)


@dataclass(slots=True)
class Shaky:
    """A table behind a network that fails on command."""

    faults: Faults
    table: Table
    waits: list[float] = field(default_factory=list)


@pytest.fixture
def shaky(aws: Aws) -> Iterator[Shaky]:
    with faulty(aws.endpoint) as faults:
        yield Shaky(faults, Table(client=clients_at(faults.endpoint).dynamodb, name=aws.table()))
