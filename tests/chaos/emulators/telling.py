"""A pytest plugin: tells each result to a file, one JSON line each, for the long run's progress bar and table."""

import json
import os
from typing import Any

import pytest

FILE = "DARKROOM_CHAOS_TELLS"
_PREFIX = "tried "


def pytest_configure(config: pytest.Config) -> None:
    # Only the process that hears of all results tells them.
    if FILE in os.environ and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Teller(os.environ[FILE]), "telling")


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
        tried = {name.removeprefix(_PREFIX): 0 for name, _ in report.user_properties if name.startswith(_PREFIX)}
        for name, times in report.user_properties:
            if name.startswith(_PREFIX):
                tried[name.removeprefix(_PREFIX)] += int(str(times))
        why = "" if report.passed else _why(report)
        self._tell(test=report.nodeid, outcome=report.outcome, tried=tried, why=why)

    def _tell(self, **facts: Any) -> None:
        with open(self._file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(facts) + "\n")


def _why(report: pytest.TestReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return report.longreprtext
