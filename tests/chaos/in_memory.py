"""Over the ports in memory: every boundary, every fault, thousands of orders, thousands of made-up lives."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from rich.progress import Progress

from tests.chaos.report import Line, Violation, announce
from tests.support.campaigns import Campaign, campaigns, run_piece
from tests.support.meetings import RACES
from tests.support.stories import STORIES
from tests.support.trials import Tally

# What one trial of a campaign is.
TRIALS = {
    "one death": f"boundaries of {len(STORIES)} stories, a process killed at each",
    "two deaths": "pairs of boundaries (one of four), a second process killed while the world recovers",
    "one fault": "calls of a port, each failing once",
    "six faults": "operations of a port, each failing six times in a row",
    "30 hours without": "operations of a port, each failing for 30 hours",
    "one surprise": "calls of a port, each raising once what no code expects",
    "30 hours of surprises": "operations of a port, each raising what no code expects for 30 hours",
    "one or two interruptions": f"schedules of {len(RACES)} races with one or two interruptions",
    "any order": "schedules by the dice, half of them over a table that loses answers",
    "made-up lives": "lives made up by hypothesis",
}
PROMISES = {
    1: "1. never paid twice by accident",
    2: "2. never lost",
    3: "3. one end",
    4: "4. never fooled",
    5: "5. never rude",
}
_TOLD = 20


@dataclass(slots=True)
class InMemory:
    """The campaigns whose name has `only` in it, one of `share` where there are very many."""

    share: int = 1
    only: str = ""
    tallies: dict[str, Tally] = field(default_factory=dict)

    def run(self, progress: Progress, *, jobs: int) -> None:
        """Try it all, with a bar for each campaign."""
        # Threads and forks do not go together.
        with ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn")) as pool:
            for number, campaign in enumerate(campaigns(share=self.share)):
                if self.only in campaign.name:
                    self._run(number, campaign, pool, progress)

    def _run(self, number: int, campaign: Campaign, pool: ProcessPoolExecutor, progress: Progress) -> None:
        name = f"in memory: {campaign.name}"
        announce(progress, name)
        bar = progress.add_task(name, total=len(campaign.pieces))
        tally = self.tallies[campaign.name] = Tally()
        futures = [pool.submit(run_piece, self.share, number, piece) for piece in range(len(campaign.pieces))]
        for future in futures:
            tally.merge(future.result())
            progress.advance(bar)

    @property
    def tried(self) -> list[Line]:
        """What the campaigns were, each with its own count of trials, and what happened in all of them together."""
        lines = [Line(TRIALS[name], tally.trials, len(tally.broken)) for name, tally in self.tallies.items()]
        counts = self._whole.counts
        lives = self.tallies.get("made-up lives", Tally())
        together = {
            "steps of those lives": lives.counts["steps"],
            "deaths of a process, all together": counts["crashes"],
            "faults of a service": counts["faults"],
            "switches from one actor to another": counts["switches"],
            "forged callbacks": counts["forgeries"],
            "requests to the upstream": counts["posts"] + counts["looks"],
            "downloads": counts["downloads"],
            "rows looked at as they were written": counts["writes"],
            "ends of tasks": counts["ends"],
        }
        return lines + [Line(what, times) for what, times in together.items()]

    @property
    def promises(self) -> list[Line]:
        """How often each promise was held against what happened."""
        whole = self._whole
        broken = Counter(complaint.promise for _, complaint in whole.broken)
        return [Line(f"{promise}: checks", whole.checks[number], broken[number]) for number, promise in PROMISES.items()]

    @property
    def violations(self) -> Iterator[Violation]:
        """The first of them, in words that reproduce them."""
        for what, complaint in self._whole.broken[:_TOLD]:
            yield Violation(f"promise {complaint.promise}: {what}", complaint.what)

    @property
    def _whole(self) -> Tally:
        whole = Tally()
        for tally in self.tallies.values():
            whole.merge(tally)
        return whole
