"""Which tests each make verb runs, what the coverage gate counts, and what a run cost, suite by suite."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path

import pytest

from tests.support.sampling import SEED, choose_seed

TESTS = Path(__file__).parent

FAST = ("unit", "functions", "contract", "net")
"""What `make test-fast` runs, without MiniStack: no test here starts a process but moto's."""

REST = (
    "chaos/emulators",
    "lambda_runtime",
    "contract/upstreams/test_official_client.py",
    "pipeline/test_bursts.py",
    "pipeline/test_deployed.py",
    "pipeline/test_five_ways.py",
    "pipeline/test_models.py",
    "pipeline/test_openapi.py",
    "pipeline/test_queue.py",
    "pipeline/test_restart.py",
    "pipeline/test_stories.py",
    "pipeline/test_up.py",
    "pipeline/test_uploads.py",
    "security/test_fuzzing.py",
    "security/test_real_logs.py",
    "template/test_build.py",
    "template/test_checkov.py",
    "template/test_events.py",
    "template/test_sam.py",
)
"""What `make test` leaves to `make test-rest`: real processes killed, both layers built, made-up requests by the thousand."""

COUNTED = {"unit", "functions", "contract"}
WAITING = {"pipeline", "chaos", "security"}
"""Much of their time they wait for processes and clocks."""

_CPU = "cpu_s"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `--suite` choose; without it everything that is named is run."""
    parser.addoption("--suite", choices=("all", "fast", "core", "rest"), default="all", help="the part that a make verb runs")


def pytest_configure(config: pytest.Config) -> None:
    """Agree on the seed before the workers start, and gather what they report."""
    choose_seed()
    config.pluginmanager.register(Costs(), "costs")


def pytest_report_header() -> str:
    """Tell the seed, which repeats this run's samples."""
    return f"sampled with {SEED}={choose_seed()}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is in another suite, without importing it."""
    suite = config.getoption("--suite")
    if suite == "all" or not collection_path.is_relative_to(TESTS) or collection_path.is_dir():
        return None
    return True if _is_in(collection_path, str(suite)) is False else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count no lines where that doubles the time (thousands of lives) or sees nothing (other processes).

    Files that wait take turns with files that compute, so that neither is left alone at the end.
    """
    if config.getoption("--suite") == "fast":
        items[:] = [item for item in items if not item.get_closest_marker("ministack")]
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
        if _folder(item.nodeid) not in COUNTED:
            item.add_marker(pytest.mark.no_cover)
    waiting = [tests for file, tests in files.items() if _folder(file) in WAITING]
    computing = [tests for file, tests in files.items() if _folder(file) not in WAITING]
    items[:] = chain.from_iterable(chain.from_iterable(zip_longest(waiting, computing, fillvalue=[])))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure the processor time of each test: this process's, and that of the processes that ended meanwhile."""
    before = _cpu_s()
    result = yield
    item.config.stash.setdefault(_SPENT, Counter())[_folder(item.nodeid)] += _cpu_s() - before
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker hand its figures to the process that tells them."""
    if hasattr(session.config, "workeroutput"):
        spent = session.config.stash.get(_SPENT, Counter())
        session.config.workeroutput[_CPU] = {**spent, "": _cpu_s() - sum(spent.values())}


class Costs:
    """What a run cost: tests and processor seconds of each suite."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.tests: Counter[str] = Counter()
        self.spent: Counter[str] = Counter()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Add up what a worker has used."""
        self.spent.update(getattr(node, "workeroutput", {}).get(_CPU, {}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count each test once, whatever came of it."""
        self.tests[_folder(report.nodeid)] += report.when == "call" or (report.when == "setup" and report.outcome != "passed")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Tell them."""
        if hasattr(config, "workerinput"):
            return
        own = config.stash.get(_SPENT, Counter())
        self.spent.update({**own, "": _cpu_s() - sum(own.values()) if own else time.process_time()})
        terminalreporter.section("what it cost")
        for suite in sorted(self.tests):
            terminalreporter.write_line(f"{suite:<16} {self.tests[suite]:>6,} tests {self.spent[suite]:>7.0f} s of processor")
        terminalreporter.write_line(f"{'start, imports':<16} {'':>12} {self.spent['']:>7.0f} s of processor")
        terminalreporter.write_line(
            f"{'together':<16} {self.tests.total():>6,} tests {self.spent.total():>7.0f} s of processor, "
            f"{time.monotonic() - self.began:.0f} s on the clock"
        )


_SPENT = pytest.StashKey[Counter[str]]()


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _folder(nodeid: str) -> str:
    parts = nodeid.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 else parts[0]


def _is_in(path: Path, suite: str) -> bool:
    name = path.relative_to(TESTS).as_posix()
    if suite == "fast":
        return name.startswith(tuple(f"{folder}/" for folder in FAST)) or path.name in ("conftest.py", "__init__.py")
    return name.startswith(REST) == (suite == "rest") or path.name == "conftest.py"
