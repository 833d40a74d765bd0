"""How much of what is exhaustive is tried: all of it in `make chaos`, elsewhere a sample whose seed is printed.

The seed is the commit, so that each commit tries another part and a run can be repeated. DARKROOM_SEED=N chooses another one.
"""

import os
import random
import subprocess
from collections.abc import Sequence
from typing import TypeVar

from tests.support.tools import ROOT

LONG = bool(os.environ.get("DARKROOM_CHAOS"))
"""Whether everything is to be tried, as `make chaos` does."""

SEED = "DARKROOM_SEED"

T = TypeVar("T")


def choose_seed() -> int:
    """The seed of this run; all processes of one run have the same, through the environment."""
    if SEED not in os.environ:
        head = subprocess.run(["git", "rev-parse", "--short=8", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        # A tree without git, such as an unpacked archive, always tries the same part.
        os.environ[SEED] = str(int(head.stdout.strip() or "0", 16))
    return int(os.environ[SEED])


def sample(cases: Sequence[T], *, one_in: int, salt: str) -> list[T]:
    """Pick one case of `one_in`, and at least one, in their order; all of them in a long run or for `one_in=1`.

    One is drawn from each run of `one_in` neighbours, so that the picks lie evenly. `salt` makes draws of one seed differ.
    """
    if LONG or one_in == 1:
        return list(cases)
    draw = random.Random(f"{choose_seed()} {salt}")
    runs = [cases[at : at + one_in] for at in range(0, len(cases) - len(cases) % one_in, one_in)] or [cases]
    return [draw.choice(run) for run in runs if run]
