"""No input and no answer costs more than linear time: the instructions of every reader are counted at three sizes.

`make test` counts a sample at small sizes, `make chaos` everything at 64, 128 and 256 KiB, and answers at up to 1 MiB.
"""

from itertools import chain
from pathlib import Path

import pytest

from tests.security.linear import catalogue, domain, squares, web
from tests.support.instructions import KIB, Counted, count
from tests.support.sampling import LONG

AREAS = {"web": web.WORKS, "catalogue": catalogue.WORKS, "domain": domain.WORKS}
TINY, SMALL, FULL, ANSWER = ((size, 2 * size, 4 * size) for size in (KIB // 4, 4 * KIB, 64 * KIB, 256 * KIB))
SAMPLE = (
    "body: a name given twice",
    "body: many names",
    "body: escapes",
    "Prefer: escapes",
    "redact: addresses in queries",
    "address: marks, turned",
    "input of Nano-Banana-Pro, default: wrong image_input",
    "input: unknown fields of a preset",
    "images: too many of its own",
)


pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counted]:
    """The sample, and what is known to be quadratic: in one process, because starting it is what takes time."""
    sample = [work for work in chain(*AREAS.values()) if work.name in SAMPLE]
    known = [*squares.SQUARES, *squares.OTHERS]
    found = count([*sample, *known], lambda work: TINY if work in known else SMALL, tmp_path_factory.mktemp("sample"))
    return {one.work.name: one for one in found}


@pytest.mark.parametrize("name", SAMPLE)
def test_twice_a_small_input_costs_at_most_twice(counted: dict[str, Counted], name: str) -> None:
    assert counted[name].complaint == ""


@pytest.mark.skipif(not LONG, reason="set DARKROOM_CHAOS, as `make chaos` does: it takes minutes")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("area", AREAS)
def test_twice_the_input_costs_at_most_twice(area: str, tmp_path: Path) -> None:
    found = count(AREAS[area], lambda work: ANSWER if work.answer else FULL, tmp_path)

    assert [one.complaint for one in found if one.complaint] == []


# -- it can fail ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [work.name for work in squares.SQUARES])
def test_a_square_is_seen_wherever_its_work_is_done(counted: dict[str, Counted], name: str) -> None:
    assert "is not linear" in counted[name].complaint


def test_what_is_linear_is_let_through(counted: dict[str, Counted]) -> None:
    assert counted["read once"].complaint == ""


def test_another_end_than_the_one_foreseen_is_told(counted: dict[str, Counted]) -> None:
    assert "ended with 'LookupError', not with ''" in counted["raising"].complaint


def test_a_dear_byte_is_told(counted: dict[str, Counted]) -> None:
    assert "costs more than" in counted["dear"].complaint


def test_what_is_given_up_is_not_linear() -> None:
    given_up = Counted(squares.SQUARES[0], {4 * KIB: 10, 8 * KIB: None, 16 * KIB: None}, {4 * KIB: ""})

    assert "given up" in given_up.complaint
