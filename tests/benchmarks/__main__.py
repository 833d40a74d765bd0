"""`python -m tests.benchmarks`: measure everything, print it, and write docs/performance.md with its plots."""

import os
import sys
import time
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.status import Status
from rich.table import Table

from tests.benchmarks.bench import Bench, prepare
from tests.benchmarks.burst import burst
from tests.benchmarks.cold_start import cold_start
from tests.benchmarks.costs import costs
from tests.benchmarks.figures import HEAD, Section
from tests.benchmarks.page import write_page
from tests.benchmarks.reconciling import reconciling
from tests.benchmarks.streaming import streaming
from tests.benchmarks.warm_path import warm_path
from tests.benchmarks.watching import watching
from tests.support.tools import ROOT

SECTIONS: Mapping[str, Callable[[Bench], Section]] = {
    "cold_start": cold_start,
    "warm_path": warm_path,
    "costs": costs,
    "watching": watching,
    "streaming": streaming,
    "reconciling": reconciling,
    "burst": burst,
}
"""Name → benchmark; a new one needs a line here."""


def main(wanted: list[str]) -> int:
    """Run the `wanted` sections, all without any; only a run of all writes the page."""
    console = Console()
    began, load = time.monotonic(), os.getloadavg()[0]
    with console.status("preparing") as status:
        bench = prepare(ROOT / ".cache" / "benchmarks", _telling(console, status, began))
        sections = []
        for name in wanted or SECTIONS:
            sections.append(SECTIONS[name](bench))
            show(console, sections[-1])
    if not wanted:
        write_page(ROOT / "docs", sections, load=load)
    missed = [figure.name for section in sections for figure in section.missed]
    console.print(f"{(time.monotonic() - began) / 60:.1f} minutes; goals missed: {', '.join(missed) or 'none'}")
    return 0


def _telling(console: Console, status: Status, began: float) -> Callable[[str], None]:
    """Says what happens now: on a terminal in its last line, elsewhere in a line of its own."""

    def tell(what: str) -> None:
        status.update(what)
        if not console.is_terminal:
            console.print(f"{time.monotonic() - began:4.0f} s  {what}")

    return tell


def show(console: Console, section: Section) -> None:
    """Print a section's tables."""
    table = Table(title=section.title, title_justify="left")
    for number, head in enumerate(HEAD):
        table.add_column(head, justify="left" if number == 0 else "right")
    for figure in section.figures:
        table.add_row(*figure.cells(), style="bold red" if figure.verdict == "MISSED" else None)
    console.print(table)
    for rows in section.tables:
        more = Table()
        for number, head in enumerate(rows[0]):
            more.add_column(head, justify="left" if number == 0 else "right")
        for row in rows[1:]:
            more.add_row(*row)
        console.print(more)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
