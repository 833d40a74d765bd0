"""Break it, over the in-memory ports: every boundary, every fault, thousands of orders, thousands of made-up lives.

python -m tests.chaos [--share 10] [--jobs 2] ends with what was tried and with each promise; status 1 when one was broken.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.support.campaigns import Campaign, campaigns, run_piece
from tests.support.trials import Tally

PROMISES = {
    1: ("never paid twice by accident", "{posts} POSTs and every bill"),
    2: ("never lost", "{writes} rows as they were written, {ends} ends"),
    3: ("one end", "{ends} ends, {downloads} downloads, every object's bytes"),
    4: ("never fooled", "{forgeries} forgeries, the truth behind every end"),
    5: ("never rude", "{looks} looks and {posts} POSTs"),
}


@dataclass(slots=True)
class Results:
    """What came of each campaign."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def take(self, campaign: Campaign, piece: Tally, seconds: float) -> None:
        tally = self.tallies.setdefault(campaign.name, Tally())
        tally.merge(piece)
        self.seconds[campaign.name] = self.seconds.get(campaign.name, 0.0) + seconds

    @property
    def all(self) -> Tally:
        """Everything together."""
        whole = Tally()
        for tally in self.tallies.values():
            whole.merge(tally)
        return whole


def main() -> int:
    """Run it all; the exit status."""
    options = _options()
    console, results = Console(), Results()
    _run(options.share, results, console, jobs=options.jobs)
    whole = results.all
    for what, complaint in whole.broken[:20]:
        console.print(f"[bold red]promise {complaint.promise}[/]", end=" ")
        console.print(f"{what}\n  {complaint.what}", markup=False, highlight=False)
    console.print(_tried(results), _kept(whole))
    return 1 if whole.broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Try to break the five promises.")
    parser.add_argument("--share", type=int, default=1, metavar="N", help="try one of N where there are very many (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side (default: 2)")
    return parser.parse_args()


def _run(share: int, results: Results, console: Console, *, jobs: int) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Threads and forks do not go together.
    pool = ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn"))
    with Progress(*columns, console=console) as progress, pool:
        for number, campaign in enumerate(campaigns(share=share)):
            bar = progress.add_task(campaign.name, total=len(campaign.pieces))
            futures = [pool.submit(run_piece, share, number, piece) for piece in range(len(campaign.pieces))]
            for future in futures:
                results.take(campaign, *future.result())
                progress.advance(bar)


def _tried(results: Results) -> Table:
    table = Table(title="What was tried")
    for name in ("campaign", "runs", "of", "deaths", "faults", "switches", "seconds", "broken"):
        table.add_column(name, justify="left" if name in ("campaign", "of") else "right")
    for name, tally in results.tallies.items():
        counts = tally.counts
        what = "made-up lives" if counts["lives"] else "schedules" if counts["schedules"] else "stories"
        numbers = [str(counts[one]) if counts[one] else "" for one in ("crashes", "faults", "switches")]
        table.add_row(name, str(tally.trials), what, *numbers, f"{results.seconds[name]:.0f}", str(len(tally.broken)))
    return table


def _kept(whole: Tally) -> Table:
    table = Table(title=f"The five promises, in {whole.trials} runs")
    for name in ("promise", "watched", "checks", "result"):
        table.add_column(name, justify="right" if name == "checks" else "left")
    broken = Counter(complaint.promise for _, complaint in whole.broken)
    for number, (promise, watched) in PROMISES.items():
        result = f"[red]broken {broken[number]} times[/]" if broken[number] else "kept"
        table.add_row(f"{number}. {promise}", watched.format_map(whole.counts), str(whole.checks[number]), result)
    return table


if __name__ == "__main__":
    sys.exit(main())
