"""Counts the instructions of pieces of work, those inside `re`, `json` and `str` too, to see how they grow with their input.

Cachegrind counts one process. It starts Python once, which imports what the work needs; each piece is then done by a fork of it.
Counts of the same work are the same on every run, so that small inputs show what large ones would cost.
"""

import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KIB = 1024
MOST_GROWTH = 2.5
"""Of what twice the input costs more: 2 is linear, 4 is the square."""

_NOISE = 0.05
"""Of the whole: what the collector of garbage and the growing of tables add at one size and not at another."""

_BEFORE_THE_FIRST_BYTE = 50_000_000
_TOTAL = re.compile(r"^summary: (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`does` is called with what `given` makes of a size in bytes, and ends as `ends` says: the name of an error, or "" for none.

    `does` is importable by its name: a function, or a partial of one. `answer`: its input may have a megabyte. `most_per_byte`
    instructions are spent on each byte, all in all. `smaller`: only such a part of each size is given, where a byte costs much.
    """

    name: str
    does: Callable[[Any], object]
    given: Callable[[int], Any]
    ends: str = ""
    answer: bool = False
    most_per_byte: int = 5_000
    smaller: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """What a piece of work has cost: instructions by the size of its input; None where it was given up. `ended`: how, by size."""

    work: Work
    instructions: dict[int, int | None]
    ended: dict[int, str]

    @property
    def complaint(self) -> str:
        """Why this is not linear, or too dear; "" when it is fine."""
        costs = ", ".join(f"{size // KIB} KiB: {_millions(found)}" for size, found in self.instructions.items())
        wrong = {ended for ended in self.ended.values() if ended != self.work.ends}
        if wrong:
            return f"{self.work.name}: ended with {', '.join(map(repr, wrong))}, not with {self.work.ends!r} ({costs})"
        found = list(self.instructions.values())
        if None in found or growth(found) > MOST_GROWTH:
            return f"{self.work.name}: is not linear ({costs})"
        most = self.work.most_per_byte
        # Some of it does not depend on the size.
        dear = any(one > _BEFORE_THE_FIRST_BYTE + most * size for size, one in self.instructions.items() if one)
        return f"{self.work.name}: costs more than {most} instructions for each byte ({costs})" if dear else ""


def growth(costs: Sequence[int | None]) -> float:
    """How much more the second doubling of an input costs than the first: 2 where it is linear, 0 where nothing grows."""
    one, two, four = (cost or 0 for cost in costs)
    first, second = two - one, four - two - _NOISE * four
    return 0.0 if second <= 0 else second / max(first, 1)


def count(works: Sequence[Work], sizes: Callable[[Work], Sequence[int]], folder: Path, *, give_up_s: int = 60) -> list[Counted]:
    """Count each of `works` at its sizes. A piece that takes `give_up_s` seconds of processor time is given up, and with it what
    is larger.
    """
    if shutil.which("valgrind") is None:
        # It needs pytest, which the counted process would import too.
        from tests.support.tools import missing

        missing("valgrind counts the instructions and is not there: on Debian, apt install valgrind")
    pieces = [(work, size // work.smaller) for work in works for size in sizes(work)]
    for number, (work, size) in enumerate(pieces):
        (folder / f"{number}.in").write_bytes(pickle.dumps(work.given(size)))
    # The smallest input of each is worked once before any fork: imports and compiled patterns are nobody's cost.
    todo = [(works.index(work), work.does) for work, _ in pieces]
    (folder / "todo").write_bytes(pickle.dumps((todo, [(work.does, work.given(64)) for work in works], give_up_s)))
    ended = {number: (outcome, _read(folder, pid)) for number, pid, outcome in _served(folder)}
    idle = ended[-1][1]
    counted = {work.name: Counted(work, {}, {}) for work in works}
    for number, (work, size) in enumerate(pieces):
        # What was given up has told nothing.
        outcome, cost = ended.get(number, (work.ends, None))
        counted[work.name].ended[size] = outcome
        counted[work.name].instructions[size] = None if cost is None else max(0, cost - idle)
    return list(counted.values())


def _served(folder: Path) -> Iterator[tuple[int, str, str]]:
    command = ["valgrind", "-q", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={folder}/%p.out"]
    env = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'common'}"}
    served = [sys.executable, "-m", "tests.support.counted_process", str(folder)]
    done = subprocess.run([*command, *served], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the counted process gave {done.returncode}:\n{done.stdout}\n{done.stderr}"
    for line in done.stdout.splitlines():
        number, pid, outcome = line.split(" ", 2)
        yield int(number), pid, outcome


def _read(folder: Path, pid: str) -> int:
    found = _TOTAL.search((folder / f"{pid}.out").read_text())
    assert found is not None, f"no count of process {pid}"
    return int(found[1])


def _millions(found: int | None) -> str:
    return "given up" if found is None else f"{found / 1e6:.2f} M"
