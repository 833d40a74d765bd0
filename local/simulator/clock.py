"""Simulated time, and the agenda of what happens when it gets there.

What HiAPI does on its own (generating, redelivering, forgetting keys, expiring URLs) runs on simulated time: the
machine's, multiplied by a scale, plus jumps. What it writes on the wire is the machine's own time, so that a
receiver's tolerance window keeps its meaning. A scale of 0 freezes simulated time; then only jumps move it.
"""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

Call = Callable[[], None]

logger = logging.getLogger(__name__)


class SimulatedClock:
    """Seconds since the simulator began, `scale` of them for each second of the machine."""

    def __init__(
        self,
        *,
        scale: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        if scale < 0:
            raise ValueError("time scale must be 0 (frozen) or more")
        self.scale = scale
        self._monotonic = monotonic
        self._wall = wall
        self._began = monotonic()
        self._jumped = 0.0

    def now(self) -> float:
        """Simulated seconds since the start."""
        return (self._monotonic() - self._began) * self.scale + self._jumped

    def wall(self) -> int:
        """Unix seconds, as HiAPI writes them on the wire."""
        return int(self._wall())

    def wall_ms(self) -> int:
        """Unix milliseconds, for ids that sort by time."""
        return int(self._wall() * 1000)

    def jump(self, seconds: float) -> None:
        """Move simulated time forward at once; it never goes back."""
        if seconds < 0:
            raise ValueError("simulated time only moves forward")
        self._jumped += seconds

    def real_seconds(self, simulated: float) -> float | None:
        """How long to wait for that much simulated time; None means until the next jump."""
        if simulated <= 0:
            return 0.0
        return simulated / self.scale if self.scale else None


class Agenda:
    """Makes each call once simulated time reaches it, in order, on one thread; calls must be quick."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self._due: list[tuple[float, int, Call]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="agenda", daemon=True)

    def start(self) -> None:
        """Begin to make calls."""
        self._thread.start()

    def stop(self) -> None:
        """Make no further call."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def at(self, when: float, call: Call) -> None:
        """Make this call at simulated time `when`, or as soon as possible if that has passed."""
        with self._changed:
            heapq.heappush(self._due, (when, next(self._order), call))
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything that was to come."""
        with self._changed:
            self._due.clear()

    def jump(self, seconds: float) -> None:
        """Move the clock forward and make the calls that this makes due."""
        with self._changed:
            self.clock.jump(seconds)
            self._changed.notify_all()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except Exception:
                # The agenda outlives a faulty call: one broken delivery must not silence all others.
                logger.exception("a scheduled call failed")

    def _next(self) -> Call | None:
        with self._changed:
            while not self._stopped:
                if self._due and self._due[0][0] <= self.clock.now():
                    return heapq.heappop(self._due)[2]
                self._changed.wait(self._patience())
        return None

    def _patience(self) -> float | None:
        return self.clock.real_seconds(self._due[0][0] - self.clock.now()) if self._due else None
