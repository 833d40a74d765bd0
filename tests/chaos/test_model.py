"""Made-up lives: whatever happens in whatever order, the promises hold after each step and everything ends."""

from tests.support.model import made_up_lives

LIVES = 120


def test_no_made_up_life_breaks_a_promise() -> None:
    tally = made_up_lives(LIVES, steps=30, always_the_same=True)

    assert tally.trials >= LIVES
    assert tally.counts["ends"] > 0
    assert min(tally.counts[what] for what in ("crashes", "faults", "forgeries", "posts", "looks", "downloads")) > 0
