"""What needs pytest: real emulators, real processes and sockets, and the attacks on every door; counted by their tests."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from tests.chaos.report import Line, Violation, announce
from tests.chaos.telling import FILE
from tests.support.tools import ROOT

EMULATORS = ("tests/chaos/emulators",)
PARSERS = tuple(
    f"tests/unit/{name}.py"
    for name in (
        "web/test_cursors",
        "web/test_bodies",
        "domain/test_pictures",
        "adapters/test_data_uris",
        "adapters/upstreams/test_hiapi_callbacks",
        "adapters/upstreams/test_hiapi_create",
        "adapters/upstreams/test_hiapi_look",
    )
)
ATTACKS = ("tests/security", "tests/pipeline/test_openapi.py", *PARSERS)
"""What goes through the doors, and what makes up bytes for a parser of its own."""

_EVERY = 50


@dataclass(slots=True)
class UnderPytest:
    """The tests of some folders in their long version; `only` is pytest's -k."""

    name: str
    folders: Sequence[str]
    only: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)

    def run(self, progress: Progress, *, jobs: int) -> None:
        """Run them all, with one bar."""
        with tempfile.TemporaryDirectory(prefix="darkroom-chaos-") as base:
            tells, log = Path(base) / "tells", Path(base) / "log"
            tells.touch()
            with log.open("wb") as output:
                process = subprocess.Popen(self._command(jobs), cwd=ROOT, env=_environment(tells), stdout=output, stderr=output)
                try:
                    self._show(progress, process, tells)
                finally:
                    process.terminate()
                    process.wait()
            if not self.outcomes or (process.returncode and not self.violations):
                self.violations.append(Violation(self.name, log.read_text(errors="replace")[-4000:]))

    @property
    def tried(self) -> list[Line]:
        """Its tests, and what they have counted."""
        tests = Line("tests", self.outcomes.total() - self.outcomes["skipped"], len(self.violations))
        return [tests, *(Line(what, times) for what, times in sorted(self.counts.items()))]

    def _command(self, jobs: int) -> list[str]:
        chosen = ["-k", self.only] if self.only else []
        plugins = ["-p", "tests.chaos.telling"]
        share = ["-n", str(jobs), "--dist", "worksteal"]
        return [sys.executable, "-m", "pytest", *self.folders, *plugins, *share, *chosen, "--show-capture=no", "--tb=short"]

    def _show(self, progress: Progress, process: subprocess.Popen[bytes], tells: Path) -> None:
        announce(progress, self.name)
        bar = progress.add_task(f"{self.name}: collecting", total=None)
        for told in _told(process, tells):
            if "total" in told:
                progress.update(bar, total=told["total"])
            else:
                self._take(told)
                self._update(progress, bar)

    def _update(self, progress: Progress, bar: TaskID) -> None:
        if self.outcomes.total() % _EVERY == 0:
            announce(progress, f"{self.name}: {self.outcomes.total()} tests, {len(self.violations)} broken")
        broken = f" [red]{len(self.violations)} broken[/]" if self.violations else ""
        progress.update(bar, completed=self.outcomes.total(), description=f"{self.name}{broken}")

    def _take(self, told: dict[str, Any]) -> None:
        self.outcomes[told["outcome"]] += 1
        self.counts.update(told["tried"])
        if told["outcome"] == "failed":
            self.violations.append(Violation(told["test"], told["why"]))
        elif told["outcome"] == "skipped":
            self.skipped.add(told["why"])


def _environment(tells: Path) -> dict[str, str]:
    return os.environ | {"DARKROOM_CHAOS": "1", FILE: str(tells), "PYTHONPATH": str(ROOT)}


def _told(process: subprocess.Popen[bytes], tells: Path) -> Iterator[dict[str, Any]]:
    with tells.open(encoding="utf-8") as lines:
        begun = ""
        while True:
            ended = process.poll() is not None
            # The last line may still be being written.
            *whole, begun = (begun + lines.read()).split("\n")
            yield from map(json.loads, whole)
            if ended:
                return
            time.sleep(0.2)
