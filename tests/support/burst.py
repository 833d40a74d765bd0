"""A burst of tasks through the whole pipeline in virtual time: how polite it was, how fair, and how near to the bound.

`make bench` prints what `run_burst` gives; tests/chaos keeps it to its promises.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

from darkroom.domain.admission import Limits
from darkroom.domain.task import Phase
from darkroom.errors import UpstreamUnavailable
from tests.support.gateway import Generation
from tests.support.world import T0, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """`tasks` orders of `owners` in turn, `per_second` of them; each generation takes from `fastest_s` to `slowest_s`.

    `lost`: the share of callbacks that never come. `queue_s` is how long a message takes at most to reach the worker.
    """

    tasks: int = 1000
    owners: tuple[str, ...] = ("shop", "press", "archive")
    per_second: float = 200.0
    fastest_s: float = 6.0
    slowest_s: float = 14.0
    lost: float = 0.0
    queue_s: float = 0.4
    limits: Limits = Limits(account="hiapi", in_flight=10, per_minute=60)
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Times are seconds from the first order on. `bound_s` is the least that the limits allow, the GETs made included."""

    ended: Counter[str]
    posts: Sequence[float]
    gets: Sequence[float]
    posted: Counter[str]
    most_in_flight: int
    makespan_s: float
    bound_s: float
    writes: int
    in_flight: Sequence[tuple[float, int]] = field(repr=False)
    """How many were in flight from each of these times on: for a plot."""

    @property
    def busiest_minute(self) -> int:
        """The most requests in any 60 s."""
        return busiest([*self.posts, *self.gets], 60.0)


def busiest(times: Sequence[float], span_s: float) -> int:
    """The most of `times` that lie within any span that includes its beginning."""
    ordered, first, most = sorted(times), 0, 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - span_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def run_burst(burst: Burst, *, also: Callable[["Run"], None] | None = None) -> Outcome:
    """Run it to its end. `also` arranges what happens beside it."""
    run = Run(burst)
    if also is not None:
        also(run)
    run.to_the_end()
    return run.outcome()


def overtaken_by(burst: Burst, *, at_s: float = 30.0) -> int:
    """How many POSTs of `burst`, all of other owners, go out before that of a single order which comes `at_s` seconds later."""
    run = Run(burst)
    single: list[str] = []
    run.at(at_s, lambda: single.append(run.order("modest")))
    while not single or run.world.task(single[0]).phase in (Phase.WAITING, Phase.SUBMITTING):
        run.step()
    return sum(at > at_s for at in run.posts) - 1


class Run:
    """The world of one burst, and what is going to happen in it."""

    def __init__(self, burst: Burst) -> None:
        self.burst = burst
        self.world = World(limits=burst.limits)
        self.gets: list[float] = []
        self.posts: list[float] = []
        self.posted: Counter[str] = Counter()
        self.in_flight: list[tuple[float, int]] = []
        self._dice = Random(burst.seed)
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._seen: set[str] = set()
        self.refused = 0
        self._in_flight_allowed: int | None = None
        self._per_minute_allowed: int | None = None
        self._running = 0
        self._work = 0.0
        gateway = self.world.gateway
        gateway.on_post, gateway.on_look = self._post, self._look
        for number in range(burst.tasks):
            owner = burst.owners[number % len(burst.owners)]
            self.at(number / burst.per_second, lambda owner=owner: self.order(owner))  # type: ignore[misc]  # bound by default
        self.at(60.0, self._tick)

    def at(self, when: float, happen: Callable[[], object]) -> None:
        """Let something happen `when` seconds after the beginning."""
        heapq.heappush(self._events, (T0 + when, next(self._numbers), happen))

    def order(self, owner: str) -> str:
        """A new task's id."""
        return self.world.create(owner=owner).task.id

    def to_the_end(self) -> None:
        """Go on until every task has ended."""
        while self._events and not self._is_over():
            self.step()

    def step(self) -> None:
        """The next thing that happens."""
        self.world.now, _, happen = heapq.heappop(self._events)
        happen()
        self._notice()

    def allow_only(self, *, in_flight: int | None = None, per_minute: int | None = None) -> None:
        """Let the gateway refuse orders beyond that, whatever the pipeline thinks that it allows."""
        self._in_flight_allowed, self._per_minute_allowed = in_flight, per_minute

    def outcome(self) -> Outcome:
        tasks, limits = self.world.tasks.tasks.values(), self.burst.limits
        requests = len(self.posts) + len(self.gets)
        # The first minute's requests may all go at once; the last of the others ends a generation later.
        by_rate = (requests - limits.per_minute) / limits.per_minute * limits.window_s + self.burst.fastest_s
        by_slots = self._work / limits.in_flight
        return Outcome(
            ended=Counter(task.phase.value for task in tasks),
            posts=self.posts,
            gets=self.gets,
            posted=self.posted,
            most_in_flight=max(number for _, number in self.in_flight),
            makespan_s=max(task.terminal_at or T0 for task in tasks) - T0,
            bound_s=max(by_rate, by_slots),
            writes=self.world.tasks.writes + self.world.accounts.writes,
            in_flight=self.in_flight,
        )

    def _is_over(self) -> bool:
        tasks = self.world.tasks.tasks.values()
        return len(tasks) >= self.burst.tasks and all(task.is_terminal for task in tasks)

    def _post(self, key: str, _body: bytes) -> None:
        self.posts.append(self.world.now - T0)
        if self._is_too_much():
            self.refused += 1
            self.world.gateway.before_accepting.append(UpstreamUnavailable("too many at once", status=429))
            return
        self.posted[key] += 1

    def _is_too_much(self) -> bool:
        """A minute is any 60 s, and what is refused counts in it too."""
        if self._in_flight_allowed is not None and self._running >= self._in_flight_allowed:
            return True
        now = self.world.now - T0
        lately = sum(at > now - 60.0 for at in (*self.posts, *self.gets))
        return self._per_minute_allowed is not None and lately > self._per_minute_allowed

    def _look(self, _upstream_task_id: str) -> None:
        self.gets.append(self.world.now - T0)

    def _tick(self) -> None:
        self.world.tick()
        self.at(self.world.now - T0 + 60.0, self._tick)

    def _notice(self) -> None:
        """What the last event left behind: messages on their way, generations that have begun."""
        queue, now = self.world.queue, self.world.now
        for at, job in [*((now, job) for job in queue.jobs), *queue.delayed]:
            arrives = at - T0 + self._dice.random() * self.burst.queue_s
            self.at(arrives, lambda job=job: self.world.work(job))  # type: ignore[misc]  # bound by default
        queue.jobs.clear()
        queue.delayed.clear()
        for generation in [one for one in self.world.gateway.generations.values() if one.id not in self._seen]:
            self._seen.add(generation.id)
            self._begin(generation)

    def _begin(self, generation: Generation) -> None:
        takes = self._dice.uniform(self.burst.fastest_s, self.burst.slowest_s)
        self._work += takes
        self._count(1)
        self.at(self.world.now - T0 + takes, lambda: self._finish(generation))

    def _finish(self, generation: Generation) -> None:
        self._count(-1)
        self.world.gateway.succeed(generation.task_id)
        if self._dice.random() >= self.burst.lost and self.world.task(generation.task_id).phase is not Phase.SUCCEEDED:
            self.world.call_back(generation.task_id)

    def _count(self, change: int) -> None:
        self._running += change
        self.in_flight.append((self.world.now - T0, self._running))
