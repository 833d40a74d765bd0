"""What is done to a run on the wire: one fault at the n-th exchange, an outage from there on, or turns taken by a seed."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos.emulators.outside import Stuck
from tests.chaos.emulators.wire import DROP, STALL, Exchange, Script

TRIES = 3
"""How often botocore sends one request (adapters/clients.py)."""

_PATIENCE_S = 60.0


@dataclass(slots=True)
class OneFault(Script):
    """The exchange number `at` of the run suffers `fault`, and no other; with a `name`, only those of this name are counted."""

    at: int
    fault: str
    name: str = ""
    seen: int = 0
    struck: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self, exchange: Exchange) -> str | None:
        if self.name and exchange.name != self.name:
            return None
        with self._lock:
            self.seen += 1
            if self.seen - 1 != self.at:
                return None
            self.struck = exchange.name
            return self.fault


@dataclass(slots=True)
class Outage(Script):
    """From the exchange number `at` on its whole service is away, until the invocation that met this has ended."""

    at: int
    fault: str
    seen: int = 0
    struck: str = ""
    away: str = ""
    tries: dict[tuple[str, bytes], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self, exchange: Exchange) -> str | None:
        with self._lock:
            self.seen += 1
            if self.seen - 1 == self.at:
                self.away, self.struck = exchange.service, exchange.name
            if exchange.service != self.away:
                return None
            if exchange.service not in ("s3", "upstream"):
                self._count(exchange)
            return self.fault

    def call_over(self) -> None:
        with self._lock:
            self.away = ""

    def _count(self, exchange: Exchange) -> None:
        asked = (exchange.name, exchange.body)
        self.tries[asked] = self.tries.get(asked, 0) + 1


@dataclass(slots=True)
class Stalled(Script):
    """The first exchange of this name is never answered."""

    name: str
    struck: str = ""

    def arrived(self, exchange: Exchange) -> str | None:
        if self.struck or exchange.name != self.name:
            return None
        self.struck = exchange.name
        return STALL


@dataclass(slots=True)
class Gate(Script):
    """Holds every exchange of this name until it is opened; `waiting` is set once one is there."""

    name: str
    waiting: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def arrived(self, exchange: Exchange) -> str | None:
        if exchange.name == self.name:
            self.waiting.set()
            self.opened.wait(_PATIENCE_S)
        return None


@dataclass(slots=True)
class Jostle(Script):
    """Every exchange waits a random moment: many threads meet in ever new orders."""

    seed: int
    longest_s: float = 0.01
    stopped: threading.Event = field(default_factory=threading.Event)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def arrived(self, exchange: Exchange) -> str | None:
        self.stopped.wait(self._random.uniform(0, self.longest_s))
        return None


class Turns(Script):
    """Actors take turns: only one exchange is on its way at a time, and the seed says whose.

    An actor has a door of its own. `after` keeps one back until an exchange of that name was answered. With
    `lossy`, a write's answer may be lost, so that botocore repeats it while others go on.
    """

    def __init__(self, seed: int, *, lossy: float = 0.0, after: Mapping[str, str] | None = None) -> None:
        self.order: list[str] = []
        self._random = random.Random(seed)
        self._lossy = lossy
        self._after = dict(after or {})
        self._changed = threading.Condition()
        self._tickets: dict[int, str] = {}
        self._granted: set[int] = set()
        self._running: set[str] = set()
        self._errors: list[BaseException] = []

    def arrived(self, exchange: Exchange) -> str | None:
        # The sweep's reading of the index is a hint; taking turns over it would only make the schedules longer.
        if exchange.name == "dynamodb Query":
            return None
        with self._changed:
            self._tickets[exchange.number] = exchange.door
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: exchange.number in self._granted, _PATIENCE_S):
                raise Stuck(f"{exchange.door} never had its turn")
        return None

    def answered(self, exchange: Exchange) -> str | None:
        with self._changed:
            self._after = {actor: name for actor, name in self._after.items() if name != exchange.name}
            self._changed.notify_all()
            lost = exchange.name == "dynamodb PutItem" and self._random.random() < self._lossy
        if lost:
            self.order[-1] += "!"
        return DROP if lost else None

    def run(self, actions: Mapping[str, Callable[[], object]]) -> str:
        """Let every actor act, one exchange at a time; the order in which they went, one letter each."""
        pending = dict(actions)
        threads: list[threading.Thread] = []
        while True:
            with self._changed:
                for actor in [one for one in pending if one not in self._after]:
                    threads.append(self._start(actor, pending.pop(actor)))
                if not self._running and not self._tickets:
                    break
                if not self._changed.wait_for(self._somebody_waits, _PATIENCE_S):
                    raise Stuck(f"nobody moves: {self._running} run, {self._tickets} wait")
                self._grant()
        for thread in threads:
            thread.join(_PATIENCE_S)
        if self._errors:
            raise self._errors[0]
        return "".join(self.order)

    def _somebody_waits(self) -> bool:
        """Every actor that runs has asked for its turn, or has come to its end."""
        return self._running <= set(self._tickets.values())

    def _grant(self) -> None:
        if not self._tickets:
            return
        actor = self._random.choice(sorted(set(self._tickets.values())))
        number = min(one for one, door in self._tickets.items() if door == actor)
        del self._tickets[number]
        self._granted.add(number)
        self.order.append(actor[0])
        self._changed.notify_all()

    def _start(self, actor: str, action: Callable[[], object]) -> threading.Thread:
        def act() -> None:
            try:
                action()
            except BaseException as error:  # whatever it is, the test reports it
                self._errors.append(error)
            finally:
                with self._changed:
                    self._running.discard(actor)
                    self._changed.notify_all()

        self._running.add(actor)
        thread = threading.Thread(target=act, name=actor, daemon=True)
        thread.start()
        return thread
