"""Processes under Lambda's runtime client, ended by SIGKILL at each exchange with the world: the rest of it makes good."""

import random
from pathlib import Path

import pytest

from tests.chaos.emulators.conftest import EMULATORS
from tests.chaos.emulators.counting import Counted
from tests.chaos.emulators.deployment import Deployment
from tests.chaos.emulators.processes import Axe, Processes, layers
from tests.chaos.emulators.scale import LONG, seeds
from tests.chaos.emulators.triggers import TRIGGERS, Trigger, pulled_under
from tests.support.aws import Aws

pytestmark = [pytest.mark.lambda_runtime, pytest.mark.slow, pytest.mark.timeout(1800 if LONG else 240)]

# A process needs a second to start. A short run kills each kind of process after each effect, on moto; a long one kills all that
# there are on both sides of everything, on both emulators.
KINDS = ("create", "callback", "worker", "reconciler that finds the end")
CHOSEN = TRIGGERS if LONG else [one for one in TRIGGERS if one.name in KINDS]


@pytest.fixture(scope="module", params=EMULATORS if LONG else EMULATORS[:1])
def emulator(request: pytest.FixtureRequest) -> Aws:
    found: Aws = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The layers, for this machine's processor."""
    return layers(tmp_path_factory.mktemp("layers"))


@pytest.fixture
def processes(deployment: Deployment, below: tuple[Path, ...]) -> Processes:
    """The functions."""
    return Processes(deployment, below)


def cuts(reached: int, effects: list[int]) -> list[tuple[int, bool]]:
    """Where to strike, and whether after the exchange."""
    return [(at, after) for at in range(reached) for after in (False, True)] if LONG else [(at, True) for at in effects]


@pytest.mark.parametrize("trigger", CHOSEN, ids=lambda one: one.name)
def test_a_killed_process_loses_nothing_and_pays_nothing_twice(processes: Processes, trigger: Trigger, counted: Counted) -> None:
    undisturbed = Axe()
    pulled_under(processes, trigger, [undisturbed])
    names = [one.name for one in undisturbed.reached]

    kills = cuts(len(names), [at for at, one in enumerate(undisturbed.reached) if one.has_effect])
    for at, after in kills:
        axe = Axe(at=at, after=after)
        pulled_under(processes, trigger, [axe])

        assert axe.killed
        # Not always the same one: what is asked while a process starts is asked side by side.
        assert axe.struck in names
    assert kills
    counted("kills at an exchange", len(kills))


@pytest.mark.parametrize("seed", seeds(short=2, long=30))
def test_nor_does_its_successor_that_is_killed_as_well(processes: Processes, seed: int, counted: Counted) -> None:
    chance = random.Random(seed)
    trigger = chance.choice(CHOSEN)

    axes = [Axe(at=chance.randrange(8), after=chance.random() < 0.5) for _ in range(2)]
    pulled_under(processes, trigger, axes)

    counted("kills of a process and of its successor", sum(axe.killed for axe in axes))
