"""What was tried, counted where it is tried: the table at the end of a long run is made of it."""

from collections.abc import Callable
from typing import Protocol

import pytest

from tests.chaos.telling import TRIED


class Counted(Protocol):
    """`counted("kills", 3)`."""

    def __call__(self, what: str, times: int = 1) -> None: ...


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Counted:
    """Adds to the run's counts."""

    def add(what: str, times: int = 1) -> None:
        record_property(f"{TRIED}{what}", times)

    return add
