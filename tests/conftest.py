"""Which tests the coverage gate counts."""

from pathlib import Path

import pytest

COUNTED = {"unit", "functions", "contract"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Counting lines doubles the time of what runs thousands of lives, and sees nothing in other processes."""
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] not in COUNTED:
            item.add_marker(pytest.mark.no_cover)
