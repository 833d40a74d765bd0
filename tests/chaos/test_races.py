"""Whoever gets in whose way: in every order that was tried the promises hold. `make chaos` tries thousands of orders."""

import pytest

from tests.support.meetings import RACES
from tests.support.races import Race, few_switches, random_schedules

by_name = pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)


@by_name
def test_no_order_of_events_breaks_a_promise(race: Race) -> None:
    for trial in random_schedules(race, seeds=range(24)):
        trial.check()


@by_name
def test_no_single_interruption_breaks_a_promise(race: Race) -> None:
    every = 499 if race.is_crowded else 7

    for trial in few_switches(race, every=every):
        trial.check()
