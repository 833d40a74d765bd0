"""Does each piece of work in a fork of its own; run under a counter by tests/support/instructions.py. Argument: the folder."""

import os
import pickle
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    """Do all that `todo` lists, and tell for each its number, its process and how it ended."""
    todo, warm, give_up_s = pickle.loads((folder / "todo").read_bytes())  # noqa: S301  (our own)
    for does, smallest in warm:
        with suppress(Exception):
            does(smallest)
    _ended(-1, lambda: None, give_up_s)
    given_up = set()
    for number, (work, does) in enumerate(todo):
        given = folder / f"{number}.in"
        if work not in given_up and not _ended(number, partial(_done, does, given), give_up_s):
            given_up.add(work)


def _done(does: Callable[[Any], Any], given: Path) -> None:
    does(pickle.loads(given.read_bytes()))  # noqa: S301  (our own)


def _ended(number: int, work: Callable[[], Any], give_up_s: int) -> bool:
    """Whether it came to its end, in a process of its own."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    resource.setrlimit(resource.RLIMIT_CPU, (give_up_s, give_up_s))
    try:
        work()
        outcome = ""
    except Exception as error:
        outcome = type(error).__name__
    os.write(1, f"{number} {os.getpid()} {outcome}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
