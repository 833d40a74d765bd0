"""The table at the end of a long run says what was really tried."""

import io
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.chaos.in_memory import TRIALS, InMemory
from tests.chaos.under_pytest import UnderPytest
from tests.support.campaigns import campaigns
from tests.support.stories import STORIES

TESTS = """
import pytest
from hypothesis import given, settings, strategies as st
from tests.chaos.emulators.counting import counted

def test_that_counts(counted):
    counted("kills")
    counted("kills", 2)

@settings(max_examples=40)
@given(st.text())
def test_that_makes_up_inputs(text):
    assert text is not None

def test_that_fails():
    assert "this promise" == "was broken"

@pytest.mark.skip("no emulator")
def test_that_is_skipped():
    pass
"""


def silent() -> Progress:
    return Progress(console=Console(file=io.StringIO()))


def test_what_tests_count_is_summed_and_their_failures_and_skips_are_told(tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(TESTS)

    part = UnderPytest("some", [str(file)])
    with silent() as progress:
        part.run(progress, jobs=1)

    tried = {line.what: (line.times, line.broken) for line in part.tried}
    assert tried == {"tests": (3, 1), "kills": (3, None), "inputs made up by hypothesis": (40, None)}
    assert ["test_that_fails" in one.tried and "was broken" in one.happened for one in part.violations] == [True]
    assert part.skipped == {"Skipped: no emulator"}


def test_a_run_that_cannot_even_begin_is_a_violation(tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text("import a_module_that_is_not_there\n")

    part = UnderPytest("some", [str(file)])
    with silent() as progress:
        part.run(progress, jobs=1)

    assert part.violations


def test_each_campaign_has_a_line_in_the_table() -> None:
    assert list(TRIALS) == [campaign.name for campaign in campaigns()]


def test_the_lines_of_the_campaigns_are_what_was_tried() -> None:
    memory = InMemory(share=16, only="six faults")

    with silent() as progress:
        memory.run(progress, jobs=1)

    lines = {line.what: line for line in memory.tried}
    assert lines[TRIALS["six faults"]].times >= len(STORIES)
    assert lines["faults of a service"].times > lines[TRIALS["six faults"]].times
    assert all(line.times > 100 and line.broken == 0 for line in memory.promises if line.what[0] in "123")
