"""A simulator whose time runs a thousand times as fast, and the adapters before it."""

import ssl
from collections.abc import Callable, Iterator

import pytest

from darkroom.adapters.downloads import GuardedDownloads
from local.simulator.server import Simulator
from tests.contract.hiapi.gateways import API_KEY
from tests.contract.upstreams.gateways import CASES, IMMEDIATE, Gateway, before


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=1000, latency_s=10, api_key=API_KEY) as simulator:
        yield simulator


@pytest.fixture
def sim(running_simulator: Simulator) -> Simulator:
    running_simulator.admin.reset()
    return running_simulator


@pytest.fixture
def pixapi(sim: Simulator) -> Gateway:
    return before(sim, "pixapi")


@pytest.fixture(params=IMMEDIATE)
def now(request: pytest.FixtureRequest, sim: Simulator) -> Gateway:
    """Each synchronous adapter."""
    return before(sim, request.param)


@pytest.fixture(params=list(CASES))
def each(request: pytest.FixtureRequest, sim: Simulator) -> Gateway:
    """Each adapter whose POST goes out at most once."""
    return before(sim, request.param)


@pytest.fixture
def fetch(sim: Simulator) -> Iterator[Callable[[str], bytes]]:
    downloads = GuardedDownloads(ssl_context=ssl.create_default_context(), allowed_origins=[sim.url])

    def bytes_of(url: str) -> bytes:
        with downloads.open(url, timeout_s=60) as download:
            body = b"".join(download.chunks)
            assert download.size in (None, len(body))
            return body

    yield bytes_of
    downloads.close()
