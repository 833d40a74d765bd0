"""The same task for everybody: an order with a key that is new, and the callback that ends it; ours and the peer's."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.bench import World
from tests.benchmarks.child import Child, Package
from tests.support.requests import order, request
from tests.support.wire_upstream import delivery

PICTURE_BYTES = 100_000
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Orders:
    """Two handlers, and how they are asked; `name` tells what is measured of them from what is measured of others."""

    name: str
    world: World
    packages: Sequence[Package]
    keyed: bool

    @classmethod
    def of_ours(cls, world: World, *, keyed: bool = False) -> "Orders":
        """An Idempotency-Key is the client's choice."""
        name = "ours-keyed" if keyed else "ours"
        return cls(name, world, (world.ours("api"), world.ours("receive_callback")), keyed=keyed)

    @classmethod
    def of_ours_without_admission(cls, world: World) -> "Orders":
        """Every task has a slot at once and hands nothing on."""
        orders = cls.of_ours(world)
        packages = [one.with_env(BENCHMARK_ADMISSION="none") for one in orders.packages]
        return cls("ours-unlimited", world, packages, keyed=False)

    @classmethod
    def of_peer(cls, world: World) -> "Orders":
        """With a key, because Powertools' idempotency needs it."""
        return cls("peer", world, (world.peer(), world.peer(handler="app.callback")), keyed=True)

    def create(self, child: Child, *, to: str | None = None) -> Any:
        """The answer to a new order; `to`: another handler gets it instead."""
        headers = {"idempotency_key": f"order-{next(_numbers)}"} if self.keyed else {}
        return child.call(to or self.packages[0].name, request("POST", "/v1/tasks", order(), **headers))

    def finish(self, child: Child, *, picture_bytes: int = PICTURE_BYTES, to: str | None = None) -> Any:
        """The upstream succeeds with the last task and says so."""
        task = self.world.upstream.last
        self.world.upstream.succeed(task, picture_bytes=picture_bytes)
        return child.call(to or self.packages[1].name, delivery(task, at=time.time()))

    def run(self, child: Child, times: int) -> None:
        """So many whole tasks, one after the other."""
        for _ in range(times):
            created, finished = self.create(child), self.finish(child)
            assert (created["statusCode"], finished["statusCode"]) == (202, 200), (created, finished)
