"""Write what was found as a page of the documentation: docs/performance.md, and its plots beside it."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.figures import HEAD, Section
from tests.support.tools import lambda_python, run

MOST_MINUTES = 15
_INTRODUCTION = """# What it costs, measured

Written by `make bench` on {date}; do not edit. Machine: {machine}, {processors} processors, with a load of {load} when it began;
Python {python}. It took {minutes} minutes.

Counts (units, requests, instructions, bytes) repeat exactly or to four digits and are what goals are set for. Times depend on the
machine and on what else it does: they are told, and judged only beside an ideal or a plain program of the same run. Exact counts
are also kept by tests/budgets in every test run. A goal that is missed says so.
"""


def write_page(folder: Path, sections: Sequence[Section], *, load: float, minutes: float) -> None:
    """Replace performance.md below `folder`, and the plots in performance/.

    `load` is how busy the machine was before, `minutes` is how long everything took.
    """
    plots = folder / "performance"
    plots.mkdir(exist_ok=True)
    parts = [_introduction(load, minutes), _missed(sections, minutes), *map(_section, sections)]
    (folder / "performance.md").write_text("\n".join(parts))
    for plot in (plot for section in sections for plot in section.plots):
        (plots / plot.file).write_text(plot.svg)


def _introduction(load: float, minutes: float) -> str:
    python = run(lambda_python(), "-c", "import platform; print(platform.python_version())").strip()
    machine = f"{platform.system()} {platform.machine()}"
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    told = {"load": f"{load:.1f}", "minutes": f"{minutes:.0f}"}
    return _INTRODUCTION.format(date=date, machine=machine, processors=os.cpu_count() or 1, python=python, **told)


def too_long(minutes: float) -> list[str]:
    """What is missed where the whole run took longer than it may."""
    return [f"the run took {minutes:.0f} minutes instead of {MOST_MINUTES}"] if minutes > MOST_MINUTES else []


def _missed(sections: Sequence[Section], minutes: float) -> str:
    missed = [f"* {one}" for one in [*(one for section in sections for one in section.missed), *too_long(minutes)]]
    return "\n".join(["**Goals missed:**", "", *missed, ""]) if missed else "Every goal is met.\n"


def _section(section: Section) -> str:
    parts = [f"## {section.title}", "", section.about, ""]
    if section.figures:
        parts += [*_table([HEAD, *(figure.cells() for figure in section.figures)]), ""]
    for rows in section.tables:
        parts += [*_table(rows), ""]
    for plot in section.plots:
        parts += [f"![{plot.title}](performance/{plot.file})", ""]
    for note in section.notes:
        parts += [note, ""]
    return "\n".join(parts)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    line = "|" + "|".join("---" if number == 0 else "---:" for number in range(len(head))) + "|"
    return [_row(head), line, *map(_row, body)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
