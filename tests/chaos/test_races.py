"""Whoever gets in whose way: in every order that was tried the promises hold. `make chaos` tries thousands of orders."""

import pytest

from tests.support.meetings import RACES
from tests.support.races import Race, few_switches, random_schedules
from tests.support.sampling import choose_seed

by_name = pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)


@by_name
def test_no_order_of_events_breaks_a_promise(race: Race) -> None:
    first = choose_seed() % 1_000_000

    for trial in random_schedules(race, seeds=range(first, first + (2 if race.is_crowded else 8))):
        trial.check()


@by_name
def test_no_single_interruption_breaks_a_promise(race: Race) -> None:
    every = 1499 if race.is_crowded else 23

    for trial in few_switches(race, every=every):
        trial.check()
