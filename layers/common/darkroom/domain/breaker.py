"""When an upstream's model, or a whole account, is left alone, and when one task may try whether it is back; pure.

Times are Unix seconds. What is shut stands in the account's row; what a model answered is counted in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from darkroom.domain.task import Task

ACCOUNT = ""
"""The name of a pause: it holds for every model of the account."""

WINDOW_S = 60.0
PROBE_AFTER_S = 30.0
PAUSE_S = 60.0
LONGEST_PAUSE_S = 900.0
_FAILURES = 5
_SHARE = 0.5


def name_of(task: Task) -> str:
    """What is counted and shut together."""
    return f"{task.upstream}/{task.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """Since when, why, and from when one task may try. `probe` is the slot of the last one that did, of `probes`."""

    since: float
    probe_at: float
    why: str
    probes: int = 0
    probe: str = ""

    def lets(self, key: str, now: float) -> bool:
        """Whether the task may go: it is the probe, or the next one is due."""
        return now >= self.probe_at or key == self.probe

    def probed(self, key: str, *, now: float, at: float, pause: bool) -> Self:
        """`key` goes as the probe at `at`; where it is the probe already, nothing changes.

        The next one is due by itself after a while, so that a probe that died costs nobody more than that.
        """
        if now < self.probe_at:
            return self
        after = min(LONGEST_PAUSE_S, PAUSE_S * 2 ** min(self.probes + 1, 10)) if pause else PROBE_AFTER_S
        return replace(self, probe=key, probes=self.probes + 1, probe_at=at + after)


def shut_now(name: str, why: str, now: float) -> Shut:
    """What is shut from now on."""
    return Shut(since=now, probe_at=now + (PAUSE_S if name == ACCOUNT else PROBE_AFTER_S), why=why)


def is_too_bad(outcomes: Sequence[bool]) -> bool:
    """Whether a model that answered so within the window is left alone; True is a failure."""
    failures = sum(outcomes)
    return failures >= _FAILURES and failures >= _SHARE * len(outcomes)
