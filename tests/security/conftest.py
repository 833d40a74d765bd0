"""The whole pipeline in this process, for attackers."""

from collections.abc import Iterator

import pytest

from tests.security.canaries import Watched, watching
from tests.security.delivering import finished, nothing_changes
from tests.security.stack import Door, Stack, stack_of


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    return stack_of(monkeypatch)


@pytest.fixture
def watched(stack: Stack, capfd: pytest.CaptureFixture[str]) -> Iterator[Watched]:
    with watching(stack, capfd) as one:
        yield one


@pytest.fixture
def door(stack: Stack) -> Door:
    """Where the callback of a task goes whose picture is ready."""
    return finished(stack)


@pytest.fixture
def unmoved(stack: Stack, door: Door) -> Iterator[None]:
    """Whatever the test does: nothing is written, nobody is asked, nothing is fetched."""
    with nothing_changes(stack):
        yield
