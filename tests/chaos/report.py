"""One table in the end: what was tried, how often, and how often something gave way."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.progress import Progress
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Line:
    """So many `times` was this tried; None for a total of it that is not known apart."""

    what: str
    times: int
    broken: int | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """What gave way: what was tried, in words that lead back to it, and what happened."""

    tried: str
    happened: str


def table(parts: Mapping[str, Sequence[Line]], *, minutes: float, skipped: Iterable[str] = ()) -> Table:
    """All parts below each other."""
    made = Table(title=f"What was tried in {minutes:.0f} min", title_justify="left")
    made.add_column("tried")
    made.add_column("times", justify="right")
    made.add_column("broken", justify="right")
    for name, lines in parts.items():
        made.add_section()
        made.add_row(f"[bold]{name}[/]", "", "")
        for line in lines:
            broken = "" if line.broken is None else f"[red]{line.broken:,}[/]" if line.broken else "0"
            made.add_row(f"  {line.what}", f"{line.times:,}", broken)
    for reason in skipped:
        made.add_row(f"[yellow]not tried: {reason}[/]", "", "")
    return made


def announce(progress: Progress, what: str) -> None:
    """Say what is done next where no bar can be seen: in a log file."""
    if not progress.console.is_terminal:
        progress.console.print(what, markup=False, highlight=False)
