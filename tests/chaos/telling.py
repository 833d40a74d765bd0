"""A pytest plugin for the long run: makes up more inputs, and tells each result and what it counted to a file, as JSON lines."""

import json
import os
import re
from typing import Any

import pytest
from hypothesis import settings

FILE = "DARKROOM_CHAOS_TELLS"
TRIED = "tried "
"""What the names of those properties of a test begin with that are counts of what it tried."""

_EXAMPLES = re.compile(r"(\d+) passing, (\d+) failing")


def pytest_configure(config: pytest.Config) -> None:
    if FILE not in os.environ:
        return
    settings.register_profile("chaos", max_examples=500, derandomize=False, database=None)
    settings.load_profile("chaos")
    config.pluginmanager.register(_Examples(), "examples")
    # Only the process that hears of all results tells them.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Teller(os.environ[FILE]), "telling")


class _Examples:
    """Counts what hypothesis made up for a test."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
        if call.when == "call":
            told = _EXAMPLES.findall(getattr(item, "hypothesis_statistics", ""))
            if made := sum(int(number) for both in told for number in both):
                item.user_properties.append((f"{TRIED}inputs made up by hypothesis", made))


class _Teller:
    def __init__(self, file: str) -> None:
        self._file = file

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Each worker has collected them all."""
        self._tell(total=len(ids))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.items:
            self._tell(total=len(session.items))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        tried = {name.removeprefix(TRIED): 0 for name, _ in report.user_properties if name.startswith(TRIED)}
        for name, times in report.user_properties:
            if name.startswith(TRIED):
                tried[name.removeprefix(TRIED)] += int(str(times))
        why = "" if report.passed else _why(report)
        self._tell(test=report.nodeid, outcome=report.outcome, tried=tried, why=why)

    def _tell(self, **facts: Any) -> None:
        with open(self._file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(facts) + "\n")


def _why(report: pytest.TestReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return report.longreprtext
