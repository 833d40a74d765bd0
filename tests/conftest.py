"""Which tests the coverage gate counts, and in which order several processes take the files."""

from itertools import chain, zip_longest
from pathlib import Path

import pytest

COUNTED = {"unit", "functions", "contract"}
WAITING = {"pipeline", "chaos", "security"}
"""Much of their time they wait for processes and clocks."""


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no lines where that doubles the time (thousands of lives) or sees nothing (other processes).

    Files that wait take turns with files that compute, so that neither is left alone at the end.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
        if _folder(item) not in COUNTED:
            item.add_marker(pytest.mark.no_cover)
    waiting = [tests for tests in files.values() if _folder(tests[0]) in WAITING]
    computing = [tests for tests in files.values() if _folder(tests[0]) not in WAITING]
    items[:] = chain.from_iterable(chain.from_iterable(zip_longest(waiting, computing, fillvalue=[])))
