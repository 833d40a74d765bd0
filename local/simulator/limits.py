"""HiAPI's limits, off unless switched on: requests per minute over POST and GET together, and tasks in flight.

The minute is simulated; `X-RateLimit-Reset` is the machine's unix time, as clients compare it with theirs.
"""

import math
import threading

from local.simulator.clock import SimulatedClock
from local.simulator.messages import Refused


class RateLimit:
    """One window for all requests, as long as a minute is set to be; safe to use from many threads."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0.0
        self._spent = 0

    def spend(self, limit: int | None, minute_s: float) -> dict[str, str]:
        """Count one request and return the headers that say how many are left; none without a limit.

        Raises `Refused` (429 rate_limit_exceeded) with the same headers when the minute is used up.
        """
        if limit is None:
            return {}
        with self._lock:
            self._turn_over(minute_s)
            self._spent += 1
            headers = self._headers(limit, minute_s)
            if self._spent > limit:
                raise _too_many("too many requests in this minute", headers)
            return headers

    def clear(self) -> None:
        """Begin a new minute."""
        with self._lock:
            self._window, self._spent = self._clock.now(), 0

    def _turn_over(self, minute_s: float) -> None:
        if self._clock.now() - self._window >= minute_s:
            self._window, self._spent = self._clock.now(), 0

    def _headers(self, limit: int, minute_s: float) -> dict[str, str]:
        left = self._clock.real_seconds(self._window + minute_s - self._clock.now())
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(limit - self._spent, 0)),
            "X-RateLimit-Reset": str(self._clock.wall() + math.ceil(minute_s if left is None else left)),
        }


def require_room(running: int, limit: int | None) -> None:
    """Raise `Refused` (429) when as many tasks run as may."""
    if limit is not None and running >= limit:
        raise _too_many(f"{running} tasks are running, at most {limit} may", {})


def _too_many(message: str, headers: dict[str, str]) -> Refused:
    refused = Refused(429, "rate_limit_exceeded", message)
    refused.headers = headers
    return refused
