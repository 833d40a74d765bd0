"""Every unit and every request that a task costs, exactly: the budget is a promise, and this is where it is kept."""

import pytest

from darkroom.edge.sweep import THREADS
from darkroom.usecases.reconcile_tasks import ROUNDS
from tests.budgets.driven import Driven
from tests.budgets.scenarios import KEY_MOVES, SCENARIOS, SWEEP_READS, Scenario, measure


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_a_task_costs_what_its_budget_says(darkroom: Driven, scenario: Scenario) -> None:
    assert measure(darkroom, scenario) == scenario.cost


def test_a_sweep_that_finds_nothing_costs_half_a_read_unit_for_each_shard_and_one_for_each_account(darkroom: Driven) -> None:
    assert darkroom.used(darkroom.tick).units == (0, SWEEP_READS)


@pytest.mark.parametrize(("tasks", "each"), [(ROUNDS * THREADS, 1), (ROUNDS * THREADS + 1, 1 + KEY_MOVES)])
def test_a_look_moves_the_index_key_only_in_a_crowded_sweep(darkroom: Driven, tasks: int, each: int) -> None:
    darkroom.allow(in_flight=tasks)
    for _ in range(tasks):
        darkroom.create()
    darkroom.pass_time(61)
    darkroom.tick()  # Sees all of them progress, and puts them behind where it is crowded.
    darkroom.pass_time(200)

    used = darkroom.used(darkroom.tick)

    # Requests are reserved 1, 2, 4, 8 and 16 at a time; what is left of the last ones is given back.
    assert used.gets == tasks
    assert used.units[0] == tasks * each + 5 + 1
