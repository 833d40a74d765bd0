"""What fails once, for a while, for most of a day, as foreseen or not: retried, or healed afterwards; no promise is broken."""

import pytest

from darkroom.errors import StorageUnavailable
from darkroom.ports import Job
from tests.support.life import RECEIVES, Life
from tests.support.outages import (
    FOREVER,
    Outage,
    fault_at,
    lasting_outages,
    passing_faults,
    passing_surprises,
    short_outages,
    surprise_at,
)
from tests.support.stories import STORIES, SUBMISSION_UNKNOWN, Story, last_words
from tests.support.world import World

by_name = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@by_name
def test_a_fault_that_passes_changes_no_end(story: Story) -> None:
    for trial in passing_faults(story, one_in=36):
        trial.check()


@by_name
def test_a_service_that_fails_several_times_breaks_no_promise(story: Story) -> None:
    for trial in short_outages(story, one_in=24):
        trial.check()


@by_name
def test_a_service_that_stays_away_for_hours_keeps_nothing_open_that_does_not_need_it(story: Story) -> None:
    for trial in lasting_outages(story, seconds=4 * 3600, one_in=48):
        trial.check()


@by_name
def test_an_error_that_no_code_expects_is_contained_wherever_it_is_raised(story: Story) -> None:
    for trial in passing_surprises(story, one_in=48):
        trial.check()


@by_name
def test_what_raises_for_hours_keeps_nothing_open_that_does_not_need_it(story: Story) -> None:
    for trial in lasting_outages(story, seconds=4 * 3600, one_in=48, fault=surprise_at):
        trial.check()


def test_an_upstream_that_refuses_one_owner_for_hours_is_asked_ever_more_rarely() -> None:
    outage = Outage(boundary="upstream.submit", calls=FOREVER, fault=fault_at)
    life = Life(World(), knife=outage)

    life.at(0, life.order)
    life.run(until=life.world.now + 4 * 3600)

    # Nothing is shut for the only owner by one request that fails: the task itself has to wait longer each time.
    assert 10 < outage.faults < 100
    assert len(life.sent) < 150


def test_the_end_of_a_task_hangs_on_nothing_but_its_own_row() -> None:
    story = next(one for one in STORIES if one.name == "no answer to the POST can be read")
    life = story.begin(Outage(boundary="tasks.evidence:done", calls=FOREVER, fault=surprise_at))

    life.run(until=life.world.now + 3600)

    assert last_words(life) == {SUBMISSION_UNKNOWN}


def test_a_message_that_can_never_be_worked_ends_among_the_dead_letters_and_comes_back_from_there() -> None:
    outage = Outage(boundary="bucket.read", calls=FOREVER, fault=fault_at)
    life = Life(World(), knife=outage)
    life.world.delays = ()
    life.at(0, life.order)
    life.run(until=life.world.now + 4 * 3600)
    dead = len(life.world.queue.dead)

    outage.calls, life.world.delays = 0, (0.0,)
    moved = life.world.queue.redrive(limit=1000)
    life.run_to_rest()

    life.witness.check()
    assert dead == moved > 0
    assert last_words(life) == {"succeeded"}


def test_a_failing_message_is_delivered_as_often_as_the_queue_allows_and_no_oftener() -> None:
    outage = Outage(boundary="tasks.get", calls=FOREVER, fault=fault_at)
    life = Life(World(), knife=outage)

    life.at(0, lambda: life.work(Job(do="store", task_id="task_" + "0" * 26, attempt=1)))
    life.run()

    assert outage.faults == RECEIVES
    assert len(life.world.queue.dead) == 1


def test_a_table_that_is_away_is_told_to_the_client_and_its_repeat_makes_the_one_task() -> None:
    life = Life(World(), knife=Outage(boundary="tasks.add:done", fault=fault_at))

    first = life.process("create", lambda: life.world.create(key="order-1"))
    again = life.process("create", lambda: life.world.create(key="order-1"))

    assert isinstance(first.error, StorageUnavailable)
    assert again.value.replayed
    assert len(life.world.tasks.tasks) == 1
