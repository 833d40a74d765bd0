"""Whoever meets over a task, in whatever order their requests come: one bill, one picture, one end."""

import pytest

from tests.chaos.emulators.counting import Counted
from tests.chaos.emulators.deployment import Deployment
from tests.chaos.emulators.races import ENCOUNTERS, Encounter, encounter
from tests.chaos.emulators.scale import TIMEOUT_S, seeds

pytestmark = pytest.mark.timeout(TIMEOUT_S)

EVERY = pytest.mark.parametrize("one", ENCOUNTERS, ids=lambda one: one.name)


@EVERY
def test_the_order_of_their_requests_does_not_matter(deployment: Deployment, one: Encounter, counted: Counted) -> None:
    orders = set()

    for seed in seeds(short=2, long=60):
        order, found = encounter(deployment, one, seed)

        orders.add(order)
        assert found.downloads <= one.downloads, f"seed {seed}: {order}"
        assert found.unavailable == 0
    counted("orders of two to four actors", len(orders))


@EVERY
def test_nor_does_it_when_answers_of_our_own_table_are_lost(deployment: Deployment, one: Encounter, counted: Counted) -> None:
    orders = set()

    for seed in seeds(short=2, long=60):
        order, _ = encounter(deployment, one, 1000 + seed, lossy=0.4)

        orders.add(order)
    counted("orders with lost answers", len(orders))
