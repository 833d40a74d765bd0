"""Whoever dies, wherever: the rest of the world goes on, and the five promises hold. `make chaos` tries every pair of deaths."""

import pytest

from tests.support.boundaries import boundaries
from tests.support.crashes import boundaries_of, double_crashes, single_crashes
from tests.support.memory import MemoryQueue
from tests.support.stories import STORIES, Story
from tests.support.world import World

ONE_DEATH_OF = 24
ONE_PAIR_OF = 2500
by_name = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@by_name
def test_a_process_may_die_at_any_boundary(story: Story) -> None:
    died = tried = 0

    for trial in single_crashes(story, one_in=ONE_DEATH_OF):
        trial.check()
        died += trial.counts["crashes"]
        tried += 1

    assert died == tried >= len(boundaries_of(story)) // ONE_DEATH_OF
    assert tried


@by_name
def test_a_second_process_may_die_while_the_world_recovers_from_the_first(story: Story) -> None:
    tried = 0

    for trial in double_crashes(story, one_in=ONE_PAIR_OF):
        trial.check()
        tried += 1

    assert tried


def test_every_port_is_killed_at_both_sides_of_what_it_does() -> None:
    reached = {one.partition(": ")[2] for story in STORIES for one in boundaries_of(story)}

    effects = {one for one in reached if not one.endswith((":done", ".chunk"))}
    assert {f"{one}:done" for one in effects} <= reached
    ports = {"tasks", "claims", "bucket", "downloads", "queue", "upstream", "accounts"}
    assert {one.partition(".")[0] for one in reached} == ports


class Announcing(World):
    """One more thing that a create talks to, which nobody has told the harness."""

    def __init__(self, **how: object) -> None:
        super().__init__(**how)  # type: ignore[arg-type]  # whatever a World takes
        self.announcements = Announcements(on_call=self._on_call)

    def create(self, **wish: object) -> object:  # type: ignore[override]  # passes it all on
        created = super().create(**wish)  # type: ignore[arg-type]  # whatever a World takes
        self.announcements.announce(created.task.id)
        return created


class Announces:
    """A port of tomorrow."""

    def announce(self, task_id: str) -> None: ...


@boundaries(Announces, "announcements")
class Announcements(MemoryQueue):
    """It is enough that the port's Protocol names the operation."""

    def announce(self, task_id: str) -> None:
        """Tell nobody."""


def test_a_new_boundary_is_covered_the_day_it_is_written() -> None:
    story = STORIES[0]

    before, after = boundaries_of(story), boundaries_of(story, world=Announcing)
    killed = [trial.what for trial in single_crashes(story, world=Announcing)]

    new = [one for one in after if one not in before]
    assert new == ["create: announcements.announce", "create: announcements.announce:done"]
    assert all(any(one in what for what in killed) for one in new)
