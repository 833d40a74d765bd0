"""Lives and orders of events that once broke a promise, kept as they were found."""

from typing import Any

import pytest

from darkroom.domain.news import Says
from tests.support.meetings import RACES
from tests.support.model import Pipeline
from tests.support.races import Race
from tests.support.schedule import seldom

ORDER: dict[str, Any] = {
    "key": "a",
    "prompt": "a kite",
    "timeout_s": 60,
    "ends": Says.SUCCEEDED,
    "after": 0.0,
    "answers": "at once",
    "called_back": False,
    "trusted": False,
}
"""Its end is told to nobody who does not ask."""


@pytest.fixture
def life() -> Pipeline:
    """A model without dice; its teardown lets the world go on and looks whether everything ended."""
    return Pipeline()


def checked(life: Pipeline) -> None:
    life.promises_hold()
    life.teardown()


def test_an_upstream_that_wants_to_be_left_alone_while_the_task_expires(life: Pipeline) -> None:
    life.begin(silent=False, after=3000.0, fuse=None)
    life.refuse_looks(kind="429", times=1)
    life.order(**ORDER | {"key": "b"})
    life.go_on(seconds=400.0)

    checked(life)


def test_a_contradiction_of_an_upstream_that_was_given_no_address(life: Pipeline) -> None:
    """The model itself was wrong: it delivered to the door of the next attempt, which nobody was told."""
    life.begin(silent=True, after=0.0, fuse=0, slots=2, per_minute=1)
    life.order(
        **ORDER
        | {"timeout_s": 600, "ends": Says.FAILED, "inside": False, "models": 1, "owner": "press", "passing": True, "retries": 0}
    )
    life.kill(boundaries=5, seconds=1.0)
    life.kill(boundaries=10, seconds=400.0)
    life.kill(boundaries=7, seconds=61.0)
    life.contradict(which=0)

    checked(life)


def test_a_token_under_a_key_that_was_retired_two_days_ago(life: Pipeline) -> None:
    life.begin(silent=False, after=3000.0, fuse=None)
    life.rotate_secrets()
    for _ in range(3):
        life.go_on(seconds=90_000.0)
    life.repeat_news(which=0, trusted=True)

    checked(life)


def test_an_upstream_that_wants_to_be_left_alone_instead_of_confirming_a_lie(life: Pipeline) -> None:
    life.begin(silent=False, after=300.0, fuse=None)
    life.refuse_looks(kind="429", times=1)
    life.forge(how="unsigned lie", which=0)

    checked(life)


def test_an_upstream_that_wants_to_be_left_alone_instead_of_naming_a_fresh_url(life: Pipeline) -> None:
    life.begin(silent=True, after=0.0, fuse=None)
    life.lose_answers(times=1)
    life.refuse_looks(kind="429", times=1)
    life.order(**ORDER | {"answers": "no picture"})
    life.kill(boundaries=0, seconds=1900.0)
    life.repeat_news(trusted=True, which=0)
    life.kill(boundaries=13, seconds=1.0)

    checked(life)


def test_a_table_that_is_away_while_a_worker_reads_what_to_send(life: Pipeline) -> None:
    life.begin(silent=True, after=20.0, fuse=None)
    life.order(**ORDER | {"key": "b", "prompt": "long " * 900, "timeout_s": 600, "after": 20.0})
    life.break_down(boundary="tasks.request_of", times=1, seconds=7200.0)

    checked(life)
    assert {task.phase.value for task in life.world.tasks.tasks.values()} == {"succeeded"}


@pytest.mark.parametrize("seed", [6, 61, 80, 172, 259])
@pytest.mark.parametrize("race", [race for race in RACES if "its repeat is taken" in race.name], ids=lambda race: race.name)
def test_a_refusal_that_is_overtaken_by_the_repeat_of_its_own_request(race: Race, seed: int) -> None:
    ring = race.run(seldom(seed))

    ring.witness.check(f"seed {seed}")


def test_a_message_that_could_not_be_worked_and_comes_back_while_the_task_waits(life: Pipeline) -> None:
    life.begin(silent=True, after=0.0, fuse=None, synchronous=False)
    life.go_on(seconds=1.0)
    life.refuse_posts(kind="429", times=1)
    life.break_down(boundary="tasks.get", times=20, seconds=1.0)
    life.order(**ORDER | {"key": "b", "inside": False, "models": 1, "passing": False, "retries": 0})
    life.go_on(seconds=1900.0)

    checked(life)


def test_a_lie_about_a_task_of_an_upstream_that_can_never_be_asked(life: Pipeline) -> None:
    life.begin(silent=False, after=3000.0, fuse=None, synchronous=True, slots=1, per_minute=1)
    life.repeat_a_message(which=0)
    life.forge(how="unsigned lie", which=0)

    checked(life)
