"""Storage and services that stumble at any point of a task's life: asked again within the budget, then healed."""

import pytest

from tests.chaos.emulators.counting import Counted
from tests.chaos.emulators.deployment import Deployment
from tests.chaos.emulators.lives import LIVES, Life, live
from tests.chaos.emulators.scale import LONG, some
from tests.chaos.emulators.scripts import TRIES, OneFault, Outage, Stalled
from tests.chaos.emulators.wire import CUT, DROP, FAIL, THROTTLE

EVERY_LIFE = pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
FAULTS = some([(life, fault) for life in LIVES for fault in (DROP, CUT, FAIL, THROTTLE)], one_in=3, salt="f")
OUTAGES = some([(life, fault) for life in LIVES for fault in (CUT, FAIL, THROTTLE)], one_in=4, salt="o")
# A time-out is waited for: 3 s at the table, 5 s at the queue, 10 s at the bucket.
STALLED = ["dynamodb PutItem", *(["dynamodb GetItem", "sqs SendMessage", "s3 PutObject", "upstream create"] if LONG else [])]


def named(cases: list[tuple[Life, str]]) -> list[str]:
    return [f"{life.name}: {fault}" for life, fault in cases]


@EVERY_LIFE
def test_a_write_whose_answer_is_lost_is_not_a_conflict(deployment: Deployment, life: Life, counted: Counted) -> None:
    exchanges = live(deployment, life).exchanges
    writes = [at for at, one in enumerate(exchanges) if one.name == "dynamodb PutItem"]

    for at in writes:
        script = OneFault(at, DROP)
        lived = live(deployment, life, script)

        assert script.struck == "dynamodb PutItem"
        # Where the upstream's answer was lost as well, the second POST is the one that it collapses.
        assert lived.found.posts == (2 if "dropped-accepted" in life.markers else 1)
    counted("lost answers of conditional writes", len(writes))


@pytest.mark.parametrize(("life", "fault"), FAULTS, ids=named(FAULTS))
def test_one_fault_at_any_exchange_is_made_good(deployment: Deployment, life: Life, fault: str, counted: Counted) -> None:
    exchanges = live(deployment, life).exchanges
    every = list(range(len(exchanges)))

    chosen = some(every, one_in=6, salt=life.name + fault)
    for at in chosen:
        script = OneFault(at, fault)
        live(deployment, life, script)

        assert script.struck == exchanges[at].name
    counted(f"single faults ({fault})", len(chosen))


@pytest.mark.parametrize(("life", "fault"), OUTAGES, ids=named(OUTAGES))
def test_a_service_that_goes_away_at_any_exchange_is_waited_for(
    deployment: Deployment, life: Life, fault: str, counted: Counted
) -> None:
    exchanges = live(deployment, life).exchanges
    every = list(range(len(exchanges)))

    chosen = some(every, one_in=6, salt=fault + life.name)
    for at in chosen:
        script = Outage(at, fault)
        live(deployment, life, script)

        assert script.struck == exchanges[at].name
        assert max(script.tries.values(), default=0) <= TRIES
    counted(f"outages ({fault})", len(chosen))


@pytest.mark.parametrize("name", STALLED)
def test_a_service_that_says_nothing_is_given_up_in_time(deployment: Deployment, name: str, counted: Counted) -> None:
    life = next(one for one in LIVES if any(exchange.name == name for exchange in live(deployment, one).exchanges))

    script = Stalled(name)
    live(deployment, life, script)

    assert script.struck == name
    counted("time-outs")
