"""What was tried and what came of it: the common currency of crash, outage and race tests and of the long run's table."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.witness import Complaint, Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run: what was tried, in words that reproduce it, and its witness; `counts` goes into the table."""

    what: str
    witness: Witness
    counts: Counter[str]

    def check(self) -> None:
        """Raises Broken."""
        self.witness.check(self.what)


@dataclass(slots=True)
class Tally:
    """The sum of many trials."""

    trials: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    checks: Counter[int] = field(default_factory=Counter)
    broken: list[tuple[str, Complaint]] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        self.trials += 1
        self.counts += trial.counts + trial.witness.counts
        self.checks += trial.witness.checks
        self.broken += [(trial.what, complaint) for complaint in trial.witness.complaints]

    def merge(self, other: "Tally") -> None:
        """Add what another one has summed up."""
        self.trials += other.trials
        self.counts += other.counts
        self.checks += other.checks
        self.broken += other.broken

    def of(self, trials: Iterator[Trial]) -> "Tally":
        """Try them all."""
        for trial in trials:
            self.add(trial)
        return self
