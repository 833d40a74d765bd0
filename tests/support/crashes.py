"""Kill whoever reaches a boundary, at each boundary in turn, and let the rest of the world go on."""

from collections import Counter
from collections.abc import Iterator

from tests.support.knife import Knife
from tests.support.life import Life
from tests.support.sampling import sample
from tests.support.stories import Story, last_words
from tests.support.trials import Trial
from tests.support.witness import NEVER_LOST
from tests.support.world import World


def boundaries_of(story: Story, *, world: type[World] = World) -> list[str]:
    """Every boundary that the story reaches when nobody dies: found by watching, so a new one is in it by itself."""
    return _live(story.begin(world=world)).knife.reached


def single_crashes(story: Story, *, one_in: int = 1, world: type[World] = World) -> Iterator[Trial]:
    """Live the story once for each of its boundaries, or for a sample of them."""
    for at in sample(range(len(boundaries_of(story, world=world))), one_in=one_in, salt=story.name):
        yield _crash(story, (at,), world)[0]


def double_crashes(story: Story, *, one_in: int = 1, world: type[World] = World) -> Iterator[Trial]:
    """Live the story for pairs of boundaries, or a sample: a second process dies while the world recovers from the first death.

    The second is one that the recovery itself reaches. `one_in` picks about one pair of that many.
    """
    stride = round(one_in**0.5)
    for first in sample(range(len(boundaries_of(story, world=world))), one_in=stride, salt=f"first {story.name}"):
        _, reached = _crash(story, (first,), world)
        for second in sample(range(first + 1, len(reached)), one_in=stride, salt=f"second {story.name} {first}"):
            yield _crash(story, (first, second), world)[0]


def _crash(story: Story, at: tuple[int, ...], world: type[World]) -> tuple[Trial, list[str]]:
    life = _live(story.begin(Knife(at=at), world=world))
    reached = life.knife.reached
    words = last_words(life)
    life.witness.that(NEVER_LOST, bool(words) and words <= story.ends, f"it ended {sorted(words)}")
    what = " and ".join(f"{one} ({reached[one]})" if one < len(reached) else f"{one}" for one in at)
    counts = Counter(crashes=life.knife.kills, boundaries=len(reached))
    return Trial(what=f"{story.name}; killed at {what}", witness=life.witness, counts=counts), reached


def _live(life: Life) -> Life:
    life.run_to_rest()
    return life
