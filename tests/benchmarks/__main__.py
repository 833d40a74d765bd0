"""`python -m tests.benchmarks`: measure everything, print it, and write docs/performance.md with its plots."""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.status import Status
from rich.table import Table

from tests.benchmarks.bench import Bench, prepare
from tests.benchmarks.burst import burst
from tests.benchmarks.cold_start import cold_start
from tests.benchmarks.costs import costs
from tests.benchmarks.figures import HEAD, Section
from tests.benchmarks.page import too_long, write_page
from tests.benchmarks.reconciling import reconciling
from tests.benchmarks.streaming import streaming
from tests.benchmarks.warm_path import warm_path
from tests.benchmarks.watching import watching
from tests.support.tools import ROOT

_WIDTH = 160
"""Of what is printed into a file."""

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


def main(arguments: list[str]) -> int:
    """Run the sections that are named, all without any; only a run of all writes the page. 1: something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("section", nargs="*", type=_section, help=f"measure only that, and write nothing: {', '.join(SECTIONS)}")
    wanted = parser.parse_args(arguments).section
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    began, load = time.monotonic(), os.getloadavg()[0]
    with console.status("preparing") as status:
        bench = prepare(ROOT / ".cache" / "benchmarks", _telling(console, status, began))
        sections = []
        for name in wanted or SECTIONS:
            sections.append(_measured(name, bench))
            show(console, sections[-1])
    minutes = (time.monotonic() - began) / 60
    if not wanted:
        write_page(ROOT / "docs", sections, load=load, minutes=minutes)
    missed = [one for section in sections for one in section.missed] + too_long(minutes)
    console.print(f"{minutes:.1f} minutes; goals missed: {'; '.join(missed) or 'none'}")
    return 1 if any(section.failed for section in sections) else 0


def _section(name: str) -> str:
    if name not in SECTIONS:
        raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(SECTIONS)}")
    return name


def _measured(name: str, bench: Bench) -> Section:
    """The section, or one that says why there is none: the others' page is written all the same."""
    try:
        return SECTIONS[name](bench)
    except Exception as error:
        traceback.print_exc()
        return not_measured(name, error)


def not_measured(name: str, error: Exception) -> Section:
    """The first line of what went wrong, without the folder of this machine; the rest went to standard error."""
    said = f"{type(error).__name__}: {error}".splitlines()[0].replace(str(ROOT), ".")
    return Section(title=name.replace("_", " ").capitalize(), about=f"Not measured in this run: {said}", failed=True)


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
    if section.failed:
        console.print(section.about, style="bold red")
    if section.figures:
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
