"""The API over ports in memory."""

from collections.abc import Iterator

import pytest

import functions.api.app as app
from tests.functions.api.client import Api, Clock, MemoryServices


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def services(clock: Clock) -> MemoryServices:
    return MemoryServices(clock)


@pytest.fixture
def api(services: MemoryServices, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(app, "services", lambda: services)
    return Api(services)
