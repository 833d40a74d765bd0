"""The long version: every boundary and fault, many orders, both emulators; a bar, a table, and status 1 on a violation.

python -m tests.chaos.emulators [--jobs 2] [--only races] [--stop]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.emulators.telling import FILE

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@dataclass(slots=True)
class Results:
    """What has been told so far."""

    tried: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: dict[str, str] = field(default_factory=dict)
    skips: set[str] = field(default_factory=set)

    def take(self, told: dict[str, Any]) -> None:
        """Add one test's result."""
        self.outcomes[told["outcome"]] += 1
        self.tried.update(told["tried"])
        if told["outcome"] == "failed":
            self.violations[told["test"]] = told["why"]
        elif told["outcome"] == "skipped":
            self.skips.add(told["why"])


def main() -> int:
    """Run it all; the exit status."""
    options = _options()
    console, results, began = Console(), Results(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="darkroom-chaos-") as folder:
        tells, log = Path(folder) / "tells", Path(folder) / "log"
        tells.touch()
        with log.open("wb") as output:
            process = subprocess.Popen(_command(options), cwd=ROOT, env=_environment(tells), stdout=output, stderr=output)
            try:
                _show(console, process, tells, results)
            finally:
                process.terminate()
                process.wait()
        status = process.returncode
        if not results.outcomes or (status and not results.violations):
            console.print(log.read_text(errors="replace")[-4000:], markup=False, highlight=False)
    for test, why in results.violations.items():
        console.print(f"[bold red]{test}[/]")
        console.print(why, markup=False, highlight=False)
    console.print(_table(results, time.monotonic() - began))
    return 1 if status or results.violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.emulators", description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--jobs", type=int, default=2, help="processes that run tests side by side (default: 2)")
    parser.add_argument("--only", default="", metavar="EXPRESSION", help="pytest's -k: a part of the tests, by name")
    parser.add_argument("--stop", action="store_true", help="end with the first violation")
    return parser.parse_args()


def _command(options: argparse.Namespace) -> list[str]:
    chosen = ["-k", options.only] if options.only else []
    stop = ["-x"] if options.stop else []
    plugins = ["-p", "tests.chaos.emulators.telling"]
    share = ["-n", str(options.jobs), "--dist", "loadfile"]
    return [sys.executable, "-m", "pytest", str(HERE), *plugins, *share, *chosen, *stop, "--show-capture=no", "--tb=short"]


def _environment(tells: Path) -> dict[str, str]:
    return os.environ | {"DARKROOM_CHAOS": "long", FILE: str(tells), "PYTHONPATH": str(ROOT)}


def _show(console: Console, process: subprocess.Popen[bytes], tells: Path, results: Results) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("collecting", total=None)
        for told in _told(process, tells):
            if "total" in told:
                progress.update(bar, total=told["total"], description="breaking it")
                continue
            results.take(told)
            broken = f" [red]{len(results.violations)} violations[/]" if results.violations else ""
            progress.update(bar, advance=1, description=f"breaking it: {results.tried.total()} attempts{broken}")


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


def _table(results: Results, seconds: float) -> Table:
    told = ", ".join(f"{count} {outcome}" for outcome, count in results.outcomes.items())
    table = Table(title=f"Real emulators, real processes: {told or 'nothing run'} in {seconds:.0f} s")
    table.add_column("tried")
    table.add_column("times", justify="right")
    for what, times in sorted(results.tried.items()):
        table.add_row(what, str(times))
    table.add_section()
    table.add_row("violations", f"[red]{len(results.violations)}[/]" if results.violations else "0")
    for reason in sorted(results.skips):
        table.add_row(f"not run: {reason}", "")
    return table


if __name__ == "__main__":
    sys.exit(main())
