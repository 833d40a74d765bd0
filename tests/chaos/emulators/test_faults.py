"""Storage and services that stumble at any point of a task's life: asked again within the budget, then healed."""

import pytest

from tests.chaos.emulators.counting import Counted
from tests.chaos.emulators.deployment import Deployment
from tests.chaos.emulators.lives import LIVES, Life, live
from tests.chaos.emulators.scale import LONG, TIMEOUT_S, sample
from tests.chaos.emulators.scripts import TRIES, OneFault, Outage, Stalled
from tests.chaos.emulators.wire import CUT, DROP, FAIL, THROTTLE

pytestmark = pytest.mark.timeout(TIMEOUT_S)

EVERY_LIFE = pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
FAULTS = sample([(life, fault) for life in LIVES for fault in (DROP, CUT, FAIL, THROTTLE)], one_in=24, salt="f")
OUTAGES = sample([(life, fault) for life in LIVES for fault in (CUT, FAIL, THROTTLE)], one_in=30, salt="o")
# A time-out is waited for: 3 s at the table, 5 s at the queue, 10 s at the bucket.
STALLED = ["dynamodb PutItem", *(["dynamodb GetItem", "sqs SendMessage", "s3 PutObject", "upstream create"] if LONG else [])]


def named(cases: list[tuple[Life, str]]) -> list[str]:
    return [f"{life.name}: {fault}" for life, fault in cases]


@EVERY_LIFE
def test_a_write_whose_answer_is_lost_is_not_a_conflict(deployment: Deployment, life: Life, counted: Counted) -> None:
    writes = sum(one.name == "dynamodb PutItem" for one in live(deployment, life).exchanges)

    chosen = sample(range(writes), one_in=12, salt=life.name + deployment.aws.name)
    for at in chosen:
        script = OneFault(at, DROP, name="dynamodb PutItem")
        lived = live(deployment, life, script)

        assert script.struck
        # Where the upstream's answer was lost as well, the second POST is the one that it collapses.
        assert lived.found.posts == (2 if "dropped-accepted" in life.markers else 1)
    counted("lost answers of conditional writes", len(chosen))


@pytest.mark.parametrize(("life", "fault"), FAULTS, ids=named(FAULTS))
def test_one_fault_at_any_exchange_is_made_good(deployment: Deployment, life: Life, fault: str, counted: Counted) -> None:
    exchanges, struck = live(deployment, life).exchanges, 0

    for at in sample(range(len(exchanges)), one_in=12, salt=life.name + fault):
        script = OneFault(at, fault)
        live(deployment, life, script)

        # Not always the same exchange, nor as many: on a slow machine some are repeated by themselves.
        struck += bool(script.struck)
    assert struck
    counted(f"single faults ({fault})", struck)


@pytest.mark.parametrize(("life", "fault"), OUTAGES, ids=named(OUTAGES))
def test_a_service_that_goes_away_at_any_exchange_is_waited_for(
    deployment: Deployment, life: Life, fault: str, counted: Counted
) -> None:
    exchanges, struck = live(deployment, life).exchanges, 0

    for at in sample(range(len(exchanges)), one_in=12, salt=fault + life.name):
        script = Outage(at, fault)
        live(deployment, life, script)

        # Not always the same exchange, nor as many: on a slow machine some are repeated by themselves.
        struck += bool(script.struck)
        assert max(script.tries.values(), default=0) <= TRIES
    assert struck
    counted(f"outages ({fault})", struck)


@pytest.mark.parametrize("name", STALLED)
def test_a_service_that_says_nothing_is_given_up_in_time(deployment: Deployment, name: str, counted: Counted) -> None:
    life = next(one for one in LIVES if any(exchange.name == name for exchange in live(deployment, one).exchanges))

    script = Stalled(name)
    live(deployment, life, script)

    assert script.struck == name
    counted("time-outs")
