"""The page about scale says what the code's own constants, the budget and the list prices come to."""

import pytest

from tests.benchmarks import scale
from tests.support.tools import ROOT


def test_the_page_is_what_the_arithmetic_says() -> None:
    written = (ROOT / "docs" / "scale.md").read_text()

    assert written == scale.page(), "run `python -m tests.benchmarks.scale`"


def test_an_account_with_so_many_holders_is_one_write_unit_and_twice_as_many_are_more() -> None:
    assert scale.account_bytes(scale.HOLDERS) <= 1024 < scale.account_bytes(2 * scale.HOLDERS)


@pytest.mark.parametrize("lines", [scale.table, scale.sweeps, scale.functions, scale.upstream, scale.bill])
def test_every_line_says_how_it_was_reckoned(lines) -> None:
    assert all(one.what and one.reckoned and one.needed for one in lines())
