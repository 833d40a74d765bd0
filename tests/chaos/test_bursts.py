"""A thousand tasks at once, in virtual time: polite in any minute, sent once each, fair, and hardly slower than the limits."""

import pytest

from darkroom.domain.admission import Limits
from tests.support.burst import Burst, Run, busiest, overtaken_by, run_burst


def test_a_thousand_tasks_of_three_owners_stay_within_the_limits_and_take_hardly_longer_than_these_allow() -> None:
    outcome = run_burst(Burst())

    assert outcome.ended == {"succeeded": 1000}
    assert outcome.busiest_minute <= 60
    assert outcome.most_in_flight <= 10
    assert set(outcome.posted.values()) == {1}
    assert len(outcome.gets) <= 100
    assert outcome.makespan_s <= 1.10 * outcome.bound_s


@pytest.mark.parametrize(
    "burst",
    [
        Burst(tasks=200, fastest_s=20, slowest_s=30),
        Burst(tasks=200, fastest_s=2, slowest_s=3),
        Burst(tasks=60, per_second=0.5),
        Burst(tasks=100, lost=0.2),
        Burst(tasks=200, fastest_s=2, slowest_s=3, queue_s=5),
        Burst(tasks=200, fastest_s=2, slowest_s=3, queue_s=10, limits=Limits(account="hiapi", in_flight=30)),
    ],
    ids=["slots are short", "requests are short", "hardly anything is short", "callbacks get lost", "late messages", "very late"],
)
def test_whatever_is_short_the_limits_hold(burst: Burst) -> None:
    outcome = run_burst(burst)

    assert outcome.ended == {"succeeded": burst.tasks}
    assert outcome.busiest_minute <= 60
    assert outcome.most_in_flight <= burst.limits.in_flight
    assert set(outcome.posted.values()) == {1}


def test_one_owners_burst_of_a_thousand_delays_anothers_single_task_by_a_few_slots() -> None:
    burst = Burst(tasks=1000, owners=("greedy",), fastest_s=5, slowest_s=5)

    assert overtaken_by(burst) <= burst.limits.in_flight


def test_an_upstream_that_takes_fewer_requests_than_we_think_teaches_us() -> None:
    run = Run(Burst(tasks=200, fastest_s=2, slowest_s=4))
    run.allow_only(per_minute=40)

    run.to_the_end()

    assert run.outcome().ended == {"succeeded": 200}
    assert 1 <= run.refused <= 3
    assert run.world.accounts.get("hiapi").rate(run.world.now, Limits(account="hiapi")) < 60


def test_an_upstream_that_takes_fewer_than_we_think_teaches_us() -> None:
    burst = Burst(tasks=200, fastest_s=5, slowest_s=10)
    run = Run(burst)
    run.allow_only(in_flight=6)

    run.to_the_end()

    assert run.outcome().ended == {"succeeded": 200}
    assert run.refused <= 12
    assert run.world.accounts.get("hiapi").ceiling(run.world.now, Limits(account="hiapi")) < 10


def test_the_busiest_minute_is_the_busiest_of_any() -> None:
    assert busiest([0, 30, 59.9, 60, 61, 130], 60.0) == 4
    assert busiest([], 60.0) == 0
