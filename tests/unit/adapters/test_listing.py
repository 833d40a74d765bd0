"""How far back a list walks: one query a day costs money, so no further than rows are kept."""

import pytest

from darkroom.adapters.listing import days
from darkroom.ports import ListQuery

DAY = 86_400
NOW = 20_000 * DAY + 500.0


@pytest.mark.parametrize(
    ("created_after", "kept_days", "oldest"),
    [
        (None, 35, 19_960),
        (0.0, 35, 19_960),
        (NOW - 3 * DAY, 35, 19_997),
        (None, None, 19_270),
        (NOW - 1000 * DAY, None, 19_000),
    ],
    ids=["no bound", "a bound before anything kept", "a near bound", "kept for ever", "kept for ever, an old bound"],
)
def test_a_list_walks_back_to_its_bound_but_not_behind_what_is_kept(
    created_after: float | None, kept_days: int | None, oldest: int
) -> None:
    query = ListQuery(owner="shop", limit=20, created_after=created_after)

    span = days(query, now=NOW, kept_days=kept_days)

    assert (span[0], span[-1]) == (20_000, oldest)
