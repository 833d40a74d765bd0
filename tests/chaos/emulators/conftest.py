"""Both emulators, and a deployment on each."""

from collections.abc import Iterator

import pytest

from tests.chaos.emulators.counting import counted
from tests.chaos.emulators.deployment import Deployment, deployed
from tests.support.aws import Aws, ministack, moto

__all__ = ["counted", "ministack", "moto"]

EMULATORS = ["moto", pytest.param("ministack", marks=pytest.mark.ministack)]


@pytest.fixture(scope="module", params=EMULATORS)
def emulator(request: pytest.FixtureRequest) -> Aws:
    """moto, then MiniStack."""
    found: Aws = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def deployment(emulator: Aws) -> Iterator[Deployment]:
    """A deployment for one test; each of its runs looks at its own tasks only."""
    with deployed(emulator) as made:
        yield made
