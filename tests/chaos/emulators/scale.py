"""How much is tried: a part of it in `make test`, all of it where DARKROOM_CHAOS is set, as `make chaos` does."""

import os
from collections.abc import Sequence
from typing import TypeVar

LONG = bool(os.environ.get("DARKROOM_CHAOS"))

TIMEOUT_S = 900 if LONG else 120
"""How long one test may take, on a machine that has much else to do."""

T = TypeVar("T")


def seeds(*, short: int, long: int) -> range:
    """Seeds for random runs."""
    return range(long if LONG else short)


def some(cases: Sequence[T], *, one_in: int, salt: str) -> list[T]:
    """All cases of a long run; of a short one every so manyth, starting elsewhere for another `salt`."""
    start = sum(salt.encode()) % one_in
    return list(cases) if LONG else list(cases)[min(start, len(cases) - 1) :: one_in]
