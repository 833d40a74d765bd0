"""The page about scale says what the code's own constants, the budget and the list prices come to."""

import pytest

from tests.benchmarks import scale
from tests.support.tools import ROOT


def test_the_page_is_what_the_arithmetic_says() -> None:
    written = (ROOT / "docs" / "scale.md").read_text()

    assert written == scale.page(), "run `python -m tests.benchmarks.scale`"


@pytest.mark.parametrize("lines", [scale.table, scale.sweeps, scale.functions, scale.upstream, scale.bill])
def test_every_line_says_how_it_was_reckoned(lines) -> None:
    assert all(one.what and one.reckoned and one.needed for one in lines())
