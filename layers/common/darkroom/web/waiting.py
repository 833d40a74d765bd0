"""`Prefer: wait`: hold a request until its task has ended, for a bounded time and a bounded number of callers."""

import threading
from collections.abc import Callable
from itertools import chain, repeat

from darkroom.domain.task import Task
from darkroom.errors import StorageUnavailable

MOST_WAITERS = 8
"""Per environment; a waiting request holds a thread locally and a whole environment in Lambda."""

_GAPS_S = (0.5, 1.0)
_LAST_GAP_S = 2.0
_TOO_SHORT_S = 0.01


class Waiting:
    """The places for waiting requests in one environment."""

    def __init__(self, places: int = MOST_WAITERS) -> None:
        self._places = threading.BoundedSemaphore(places)

    def for_end(
        self,
        task: Task,
        *,
        seconds: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        read: Callable[[str], Task | None],
    ) -> Task | None:
        """The task when it ended or the time was up, as last seen; None when no place to wait was free."""
        if task.is_terminal:
            return task
        if not self._places.acquire(blocking=False):
            return None
        try:
            return _watch(task, clock() + seconds, clock=clock, sleep=sleep, read=read)
        finally:
            self._places.release()


def _watch(
    task: Task, until: float, *, clock: Callable[[], float], sleep: Callable[[float], None], read: Callable[[str], Task | None]
) -> Task:
    seen = task
    for gap in chain(_GAPS_S, repeat(_LAST_GAP_S)):
        left = until - clock()
        if seen.is_terminal or left < _TOO_SHORT_S:
            break
        sleep(min(gap, left))
        try:
            seen = read(task.id) or seen
        except StorageUnavailable:
            # What we know is still an answer.
            break
    return seen
