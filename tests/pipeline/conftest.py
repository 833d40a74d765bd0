"""One stack for all tests that do not end or bend it, and MiniStack."""

from collections.abc import Iterator

import pytest

from tests.pipeline.running import Up
from tests.support.aws import ministack, moto

__all__ = ["ministack", "moto"]


@pytest.fixture(scope="session")
def up() -> Iterator[Up]:
    """A running stack with the built-in simulator; tests tell their tasks apart by prompt."""
    with Up() as running:
        yield running
