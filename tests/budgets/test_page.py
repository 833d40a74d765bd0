"""A run of the benchmarks that could not measure everything writes its page all the same, and says so there."""

from pathlib import Path

from tests.benchmarks.__main__ import not_measured
from tests.benchmarks.figures import Figure, Section
from tests.benchmarks.page import write_page
from tests.support.tools import ROOT


def test_a_section_that_failed_stands_on_the_page_and_with_the_missed_goals(tmp_path: Path) -> None:
    failed = not_measured("cold_start", RuntimeError(f"{ROOT}/built is gone\nand more"))
    good = Section(title="Warm path", about="One task.", figures=[Figure(name="units", ours=9, goal=7)])

    write_page(tmp_path, [failed, good], load=0.3, minutes=4.6)

    page = (tmp_path / "performance.md").read_text()
    assert "## Cold start\n\nNot measured in this run: RuntimeError: ./built is gone\n" in page
    assert "* Cold start: not measured\n* Warm path: units\n" in page
    assert "It took 5 minutes." in page


def test_nothing_that_was_not_measured_is_taken_for_met(tmp_path: Path) -> None:
    write_page(tmp_path, [not_measured("burst", TimeoutError())], load=0.0, minutes=0.0)

    assert "Every goal is met" not in (tmp_path / "performance.md").read_text()
