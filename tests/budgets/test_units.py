"""Every unit and every request that a task costs, exactly: the budget is a promise, and this is where it is kept."""

import pytest

from tests.budgets.driven import Driven
from tests.budgets.scenarios import SCENARIOS, SWEEP_READS, Scenario, measure


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_a_task_costs_what_its_budget_says(darkroom: Driven, scenario: Scenario) -> None:
    assert measure(darkroom, scenario) == scenario.cost


def test_a_sweep_that_finds_nothing_costs_half_a_read_unit_for_each_shard_and_one_for_each_account(darkroom: Driven) -> None:
    assert darkroom.used(darkroom.tick).units == (0, SWEEP_READS)
