"""How much is tried: a part of it in `make test`, all of it by `python -m tests.chaos.emulators`."""

import os
from collections.abc import Sequence
from typing import TypeVar

LONG = os.environ.get("DARKROOM_CHAOS") == "long"

T = TypeVar("T")


def seeds(*, short: int, long: int) -> range:
    """Seeds for random runs."""
    return range(long if LONG else short)


def some(cases: Sequence[T], *, one_in: int, salt: str) -> list[T]:
    """All cases of a long run; of a short one every so manyth, starting elsewhere for another `salt`."""
    start = sum(salt.encode()) % one_in
    return list(cases) if LONG else list(cases)[min(start, len(cases) - 1) :: one_in]
