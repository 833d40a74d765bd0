"""One of each for a process, however many threads ask for the first one together."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from darkroom.adapters.once import once

THREADS = 8


def test_threads_that_come_together_share_what_one_of_them_makes() -> None:
    together, made = threading.Barrier(THREADS), []

    @once
    def slow() -> object:
        time.sleep(0.05)
        made.append(object())
        return made[-1]

    def ask(_: int) -> object:
        together.wait()
        return slow()

    with ThreadPoolExecutor(THREADS) as threads:
        assert set(threads.map(ask, range(THREADS))) == set(made)
    assert len(made) == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    faults = [OSError("not yet")]

    @once
    def made() -> str:
        if faults:
            raise faults.pop()
        return "made"

    with pytest.raises(OSError, match="not yet"):
        made()
    assert made() == "made"
