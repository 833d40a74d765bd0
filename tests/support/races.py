"""Who may get in whose way: actors around one task, run in any order that a `Choice` makes."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from darkroom.domain.task import Task
from darkroom.errors import StoreError, TaskChanged, TaskExists
from darkroom.ports import Promises
from darkroom.usecases.look_at_task import Look
from tests.support.boundaries import nothing_happens
from tests.support.gateway import COLLAPSING
from tests.support.life import Life
from tests.support.memory import MemoryTasks
from tests.support.schedule import Choice, Stage, at_random, seldom, switching
from tests.support.stories import last_words
from tests.support.trials import Trial
from tests.support.witness import NEVER_LOST, Witness
from tests.support.world import T0, World


@dataclass(kw_only=True)
class RepeatingTasks(MemoryTasks):
    """A table whose answers get lost now and then, behind a client that repeats the write, as botocore does.

    The repeat fails on our own success; that is told by the write's own mark, unless somebody else has written since.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def add(self, task: Task) -> None:
        MemoryTasks.add(self, task)
        if self._was_lost("tasks.add", task.id):
            raise TaskExists(task.id)

    def move(self, before: Task, after: Task) -> None:
        MemoryTasks.move(self, before, after)
        if self._was_lost("tasks.move", before.id):
            raise TaskChanged(before.id)

    def _was_lost(self, operation: str, task_id: str) -> bool:
        mine = self.tasks[task_id]
        if self.dice.random() < 0.5:
            return False
        self.on_call(f"{operation}:repeated")
        return self.tasks[task_id] is not mine


@dataclass(slots=True)
class Ring:
    """A race that is on."""

    world: World
    stage: Stage
    witness: Witness
    task_id: str = ""

    def callback(self, name: str = "callback") -> None:
        self.stage.enter(name, lambda: self.world.call_back(self.task_id))

    def look(self, name: str = "reconciler") -> None:
        """A sweep, once something is overdue."""

        def due() -> list[str]:
            return [task.id for task in self.world.tasks.tasks.values() if (task.next_check_at or T0) <= self.world.now]

        def sweep() -> list[Look]:
            return [self.world.look(one) for one in self.world.tasks.overdue(self.world.now, limit=10)]

        self.stage.enter(name, sweep, ready=lambda: bool(due()))

    def clock(self, *, steps: int, seconds: float) -> None:
        """Time passes while the others act."""

        def pass_by() -> None:
            for _ in range(steps):
                self.stage.point("clock")
                self.world.now += seconds

        self.stage.enter("clock", pass_by)

    def cancel(self) -> None:
        self.stage.enter("cancel", lambda: self.world.cancel(self.task_id), ready=self._is_known)

    def create(self, name: str = "create", key: str = "order-1") -> None:
        self.stage.enter(name, lambda: self.world.create(key=key))

    def _is_known(self) -> bool:
        self.task_id = self.task_id or next(iter(self.world.tasks.tasks), "")
        return bool(self.task_id)


def _nothing(_: Ring) -> None:
    """Nothing to prepare, nothing more to ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """`prepare` brings the world to where the actors of `enter` meet; `afterwards` says what must be true then."""

    name: str
    enter: Callable[[Ring], None]
    prepare: Callable[[Ring], None] = _nothing
    afterwards: Callable[[Ring], None] = _nothing
    ends: frozenset[str] = frozenset({"succeeded"})
    promises: Promises = COLLAPSING
    world: Callable[..., World] = World
    is_crowded: bool = False

    def run(self, choose: Choice, *, table: Callable[..., MemoryTasks] | None = None) -> Ring:
        """Run it once, let the world go on, and hold everything against the promises."""
        world = self.world(promises=self.promises, **({"table": table} if table else {}))
        stage = Stage(choose)
        ring = Ring(world, stage, Witness(world, actor=stage.actor))
        self.prepare(ring)
        self.enter(ring)
        world.hook = stage.point
        stage.run()
        world.hook = nothing_happens
        for name, error in stage.errors.items():
            ring.witness.that(NEVER_LOST, isinstance(error, StoreError), f"{name} ended with {error!r}")
        self.afterwards(ring)
        self._go_on(ring)
        return ring

    def _go_on(self, ring: Ring) -> None:
        life = Life(ring.world, witness=ring.witness)
        life.process("nobody", lambda: None)
        life.run_to_rest()
        words = last_words(life)
        life.witness.that(NEVER_LOST, words <= self.ends, f"it ended {sorted(words)}")


# -- the orders in which they are run -------------------------------------------------------------------


def random_schedules(race: Race, *, seeds: range) -> Iterator[Trial]:
    """Orders by the dice: with many switches and with few, each with a faithful table and one whose answers get lost."""
    for seed in seeds:
        choose = at_random(seed) if seed % 2 else seldom(seed)
        table = partial(RepeatingTasks, seed=seed) if seed % 4 > 1 else None
        yield _trial(race, race.run(choose, table=table), f"seed {seed}")


def few_switches(race: Race, *, every: int = 1) -> Iterator[Trial]:
    """Every order in which somebody is interrupted once or twice: most races need no more. `every` picks one of so many."""
    steps = race.run(switching()).stage.steps
    orders = [(first, second) for first in range(1, steps) for second in range(first, steps)]
    for at in orders[::every]:
        yield _trial(race, race.run(switching(*at)), f"switching at {at[0]} and {at[1]}")


def _trial(race: Race, ring: Ring, what: str) -> Trial:
    counts = Counter(schedules=1, switches=ring.stage.switches)
    return Trial(what=f"{race.name}; {what}", witness=ring.witness, counts=counts)
