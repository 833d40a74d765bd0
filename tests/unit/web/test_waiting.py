"""The wait for a task's end."""

from darkroom.domain.task import Task
from darkroom.web.waiting import Waiting
from tests.support.tasks import a_task, submitted, succeeded

OPEN, DONE = submitted(a_task()), succeeded(a_task())


class Time:
    """Sleeping is what makes it go on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def test_a_task_that_has_ended_needs_no_wait_and_no_place() -> None:
    time = Time()

    seen = Waiting(places=0).for_end(DONE, seconds=5, clock=time, sleep=time.sleep, read=lambda _: None)

    assert (seen, time.naps) == (DONE, [])


def test_the_gaps_widen_and_the_last_read_is_at_the_end_of_the_wait() -> None:
    time = Time()
    reads: list[str] = []

    def read(task_id: str) -> Task:
        reads.append(task_id)
        return OPEN

    seen = Waiting().for_end(OPEN, seconds=6.5, clock=time, sleep=time.sleep, read=read)

    assert (seen, time.naps, len(reads)) == (OPEN, [0.5, 1.0, 2.0, 2.0, 1.0], 5)


def test_the_end_is_seen_at_the_next_read() -> None:
    time = Time()
    answers = [OPEN, DONE]

    seen = Waiting().for_end(OPEN, seconds=60, clock=time, sleep=time.sleep, read=lambda _: answers.pop(0))

    assert (seen, time.naps) == (DONE, [0.5, 1.0])


def test_a_task_that_vanishes_is_shown_as_it_last_was() -> None:
    time = Time()

    assert Waiting().for_end(OPEN, seconds=1, clock=time, sleep=time.sleep, read=lambda _: None) is OPEN


def test_a_place_is_free_again_after_a_wait_even_after_a_failed_one() -> None:
    time, waiting = Time(), Waiting(places=1)

    def fail(_: str) -> Task:
        raise RuntimeError

    for _ in range(2):
        try:
            waiting.for_end(OPEN, seconds=1, clock=time, sleep=time.sleep, read=fail)
        except RuntimeError:
            continue
    nested = waiting.for_end(
        OPEN,
        seconds=1,
        clock=time,
        sleep=time.sleep,
        read=lambda _: waiting.for_end(OPEN, seconds=1, clock=time, sleep=time.sleep, read=lambda _: OPEN),
    )

    assert nested is OPEN
