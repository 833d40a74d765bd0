"""When an upstream's model, or a whole account, is left alone, and when one task may try whether it is back; pure.

Times are Unix seconds. What is shut stands in the account's row; what a model answered is counted in memory.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from darkroom.domain.task import Task

ACCOUNT = ""
"""The name of a pause: it holds for every model of the account."""

REFUSALS = frozenset({"upstream_auth", "upstream_quota"})
"""Why something is shut that will not open by itself: a person has to do something about a key, a plan or a balance."""

WINDOW_S = 60.0
PROBE_AFTER_S = 30.0
PAUSE_S = 60.0
LONGEST_PAUSE_S = 900.0
_FAILURES = 5
_SHARE = 0.5
_OWNER = "#"


def name_of(task: Task) -> str:
    """What is counted and shut together."""
    return f"{task.upstream}/{task.model}"


def name_for(task: Task) -> str:
    """The same, shut for the task's owner alone."""
    return f"{name_of(task)}{_OWNER}{task.owner}"


def names_of(task: Task) -> tuple[str, str]:
    """All that keeps the task from its model while it is shut."""
    return name_of(task), name_for(task)


def parts_of(name: str) -> tuple[str, str | None]:
    """The upstream's model, "" for the whole account, and the owner for whom alone it is shut."""
    model, mark, owner = name.partition(_OWNER)
    return model, owner if mark else None


def in_words(name: str) -> str:
    """What is shut, and for whom, for a log line."""
    model, owner = parts_of(name)
    return (model or "all") if owner is None else f"{model} for {owner}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """Since when, why, and from when one task may try. `probe` is the slot of the last one that did, of `probes`."""

    since: float
    probe_at: float
    why: str
    probes: int = 0
    probe: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the upstream refuses the key or the credit for it."""
        return self.why in REFUSALS

    def lets(self, holder: str | None, now: float) -> bool:
        """Whether the task may go: the next probe is due, or it is the probe. `holder` is its slot, while it holds one.

        So a probe that gave its slot back, because it was refused, is none any more.
        """
        return now >= self.probe_at or (holder is not None and holder == self.probe)

    def probed(self, key: str, *, now: float, at: float) -> Self:
        """`key` goes as the probe at `at`; where it is the probe already, nothing changes.

        The next one is due by itself after a while, so that a probe that died costs nobody more than that.
        """
        if now < self.probe_at:
            return self
        after = min(LONGEST_PAUSE_S, PAUSE_S * 2 ** min(self.probes + 1, 10)) if self.is_refused else PROBE_AFTER_S
        return replace(self, probe=key, probes=self.probes + 1, probe_at=at + after)

    def unprobed(self, key: str, *, now: float) -> Self:
        """`key` was the probe and does not go after all: another one may, at once."""
        return self if key != self.probe else replace(self, probe="", probes=self.probes - 1, probe_at=now)


def shut_now(why: str, now: float) -> Shut:
    """What is shut from now on."""
    return Shut(since=now, probe_at=now + (PAUSE_S if why in REFUSALS else PROBE_AFTER_S), why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a model answered one owner. `request` tells the requests that failed apart; None: it did what it should."""

    at: float
    owner: str
    request: str | None = None


class Trouble(Enum):
    """For whom a model is in trouble."""

    OWNER = "owner"
    EVERYBODY = "everybody"


def trouble_of(outcomes: Sequence[Outcome], owner: str) -> Trouble | None:
    """Whether a model that answered so within the window is left alone, after it failed `owner` just now.

    Neither one request that makes it fail, sent again and again, nor one owner stops the others: it takes several requests, and
    for everybody several owners, at least half of all.
    """
    by_owner: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        by_owner[one.owner].append(one)
    failing = {name: failed for name, those in by_owner.items() if (failed := _failures(those))}
    theirs = [one for failed in failing.values() for one in failed]
    if len(failing) > 1 and len(failing) >= _SHARE * len(by_owner) and _is_enough(theirs):
        return Trouble.EVERYBODY
    return Trouble.OWNER if _is_enough(failing.get(owner, [])) else None


def _failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The failures of an owner; none where most of it went well."""
    failed = [one for one in outcomes if one.request is not None]
    return failed if len(failed) >= _SHARE * len(outcomes) else []


def _is_enough(failures: Sequence[Outcome]) -> bool:
    return len(failures) >= _FAILURES and len({one.request for one in failures}) > 1
