"""The ports over the meter: what the suites of tests/contract/ports ask of moto and MiniStack is asked of it too."""

from collections.abc import Iterator

import pytest

from darkroom.adapters.accounts import DynamoAccounts
from darkroom.adapters.bucket import S3Bucket
from darkroom.adapters.claims import DynamoApiKeys, DynamoClaims
from darkroom.adapters.dynamo import Table
from darkroom.adapters.table import DynamoTasks
from darkroom.ports import Accounts, ApiKeys, Bucket, Claims, Tasks
from tests.contract.ports.conftest import Clock
from tests.support.aws import Aws, clients_at, ministack, moto
from tests.support.metering import MeteredAws

__all__ = ["ministack", "moto"]

EMULATORS = ["moto", pytest.param("ministack", marks=pytest.mark.ministack)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter() -> Iterator[MeteredAws]:
    with MeteredAws() as aws:
        yield aws


@pytest.fixture
def metered(meter: MeteredAws) -> Aws:
    return Aws(name="metering", endpoint=meter.url, clients=clients_at(meter.url))


@pytest.fixture(params=EMULATORS)
def emulator(request: pytest.FixtureRequest) -> Aws:
    """What the meter is compared with."""
    service: Aws = request.getfixturevalue(request.param)
    return service


@pytest.fixture
def aws(metered: Aws) -> Aws:
    return metered


@pytest.fixture
def accounts(metered: Aws) -> Accounts:
    return DynamoAccounts(table=Table(client=metered.clients.dynamodb, name=metered.table()))


@pytest.fixture
def tasks(metered: Aws, clock: Clock) -> Tasks:
    return DynamoTasks(table=Table(client=metered.clients.dynamodb, name=metered.table()), clock=clock, retention_days=30)


@pytest.fixture
def claims(metered: Aws) -> Claims:
    return DynamoClaims(table=Table(client=metered.clients.dynamodb, name=metered.table()))


@pytest.fixture
def api_keys(metered: Aws, clock: Clock) -> ApiKeys:
    return DynamoApiKeys(table=Table(client=metered.clients.dynamodb, name=metered.table()), clock=clock, cache_s=0)


@pytest.fixture
def bucket(metered: Aws) -> Bucket:
    return S3Bucket(client=metered.clients.s3, name=metered.bucket())
