"""What a process has one of, whichever of its threads asks first."""

from collections.abc import Callable
from functools import cache, wraps
from threading import RLock
from typing import TypeVar

_Made = TypeVar("_Made")
_MAKING = RLock()


def once(make: Callable[[], _Made]) -> Callable[[], _Made]:
    """`make`, called once: threads that come together would each make one under functools.cache alone."""
    made = cache(make)

    @wraps(make)
    def get() -> _Made:
        with _MAKING:
            return made()

    return get
