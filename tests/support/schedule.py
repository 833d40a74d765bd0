"""A deterministic stage for races: each actor is a thread, only one runs, and at every boundary a choice says who goes on."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Choice = Callable[[int, Sequence[str], str], str]
"""Who goes on: the step's number, who could, and who is running now (perhaps no longer among them)."""


def at_random(seed: int) -> Choice:
    """Anybody, anytime."""
    dice = random.Random(seed)
    return lambda _step, ready, _now: dice.choice(ready)


def seldom(seed: int, *, chance: float = 0.1) -> Choice:
    """Long stretches of one actor, with few interruptions: finds what needs an actor to come far before another begins."""
    dice = random.Random(seed)

    def choose(_step: int, ready: Sequence[str], now: str) -> str:
        return now if now in ready and dice.random() > chance else dice.choice(ready)

    return choose


def switching(*at: int) -> Choice:
    """Nobody is interrupted but at these steps: there the next one in line goes on."""

    def choose(step: int, ready: Sequence[str], now: str) -> str:
        if now in ready and step not in at:
            return now
        others = [name for name in ready if name > now]
        return others[0] if others else ready[0]

    return choose


@dataclass(slots=True)
class _Actor:
    name: str
    do: Callable[[], Any]
    ready: Callable[[], bool]
    go: threading.Lock = field(default_factory=threading.Lock)
    finished: bool = False
    value: Any = None
    error: BaseException | None = None


class Stage:
    """Runs its actors to their ends, one step at a time. `point` is the hook at which the baton changes hands."""

    def __init__(self, choose: Choice) -> None:
        self._choose = choose
        self._actors: dict[str, _Actor] = {}
        self._here = threading.local()
        self._over = threading.Lock()
        self.steps = 0
        self.switches = 0

    def enter(self, name: str, do: Callable[[], Any], *, ready: Callable[[], bool] = lambda: True) -> None:
        """Put somebody on the stage; without `ready` they may begin at any time."""
        self._actors[name] = _Actor(name, do, ready)

    def actor(self) -> str:
        """Who runs in this thread."""
        return getattr(self._here, "name", "the stage")

    def point(self, _boundary: str) -> None:
        """Somebody may be interrupted here."""
        me = self._actors.get(self.actor())
        if me is not None:
            self._pass_on(me)

    def run(self) -> None:
        """Everybody to their end; an error that an actor raised is kept in `errors`."""
        threads = [threading.Thread(target=self._live, args=(actor,), daemon=True) for actor in self._actors.values()]
        self._over.acquire()
        for actor, thread in zip(self._actors.values(), threads, strict=True):
            actor.go.acquire()
            thread.start()
        self._next("").go.release()
        # Acquired again when the last one has finished.
        self._over.acquire()
        for thread in threads:
            thread.join()

    @property
    def values(self) -> dict[str, Any]:
        """What each actor came to."""
        return {actor.name: actor.value for actor in self._actors.values()}

    @property
    def errors(self) -> dict[str, BaseException]:
        return {actor.name: actor.error for actor in self._actors.values() if actor.error is not None}

    def _live(self, me: _Actor) -> None:
        me.go.acquire()
        self._here.name = me.name
        try:
            me.value = me.do()
        except BaseException as error:
            me.error = error
        me.finished = True
        if all(actor.finished for actor in self._actors.values()):
            self._over.release()
        else:
            self._next(me.name).go.release()

    def _pass_on(self, me: _Actor) -> None:
        then = self._next(me.name)
        if then is not me:
            self.switches += 1
            then.go.release()
            me.go.acquire()

    def _next(self, now: str) -> _Actor:
        waiting = [actor for actor in self._actors.values() if not actor.finished]
        ready = [actor.name for actor in waiting if actor.ready()] or [actor.name for actor in waiting]
        self.steps += 1
        return self._actors[self._choose(self.steps, sorted(ready), now)]
