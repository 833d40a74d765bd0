"""What this environment remembers of its upstreams: how their models answered lately, and what is known to be shut."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from darkroom.domain.admission import Account
from darkroom.domain.breaker import ACCOUNT, WINDOW_S, Outcome, Shut, Trouble, trouble_of

_MOST_OUTCOMES = 500
_MOST_NAMES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """Something was shut, or opened again: `name` is an upstream's model, also with an owner, or "" for the whole account."""

    account: str
    name: str
    shut: bool
    why: str

    @property
    def is_pause(self) -> bool:
        return self.name == ACCOUNT


Tell = Callable[[Turned], None]


def tell_nobody(_turned: Turned) -> None:
    """Nobody wants to know."""


class Memory:
    """One environment's; safe to use from its threads, and of bounded size. `tell` hears what this environment shuts or opens."""

    def __init__(self, tell: Tell = tell_nobody) -> None:
        self.tell = tell
        self._outcomes: dict[str, deque[Outcome]] = {}
        self._good_at: dict[str, float] = {}
        self._seen: dict[str, Account] = {}
        self._lock = threading.Lock()

    def saw(self, account: Account) -> None:
        """The account's row was read or written."""
        self._seen[account.name] = account

    def seen(self, account: str) -> Account | None:
        """The account as it was when its row was last seen; None: not yet."""
        return self._seen.get(account)

    def shut(self, account: str) -> Mapping[str, Shut]:
        """What was shut when the account's row was last seen."""
        return seen.shut if (seen := self.seen(account)) else {}

    def took(self, account: str, now: float) -> None:
        """The upstream took a request, or said what is wrong with it: the account is in order."""
        self._good_at[account] = now

    def good_at(self, account: str) -> float:
        """When the upstream last took a request of this environment's; 0: never."""
        return self._good_at.get(account, 0.0)

    def answered(self, name: str, owner: str, now: float) -> None:
        """The model did what it should, or said why not."""
        self._count(name, Outcome(at=now, owner=owner))

    def failed(self, name: str, owner: str, request: str, now: float) -> Trouble | None:
        """The model did not answer, or cannot be had: for whom it has failed so often that it should be left alone.

        `request` tells requests apart.
        """
        return trouble_of(self._count(name, Outcome(at=now, owner=owner, request=request)), owner)

    def forget(self, name: str, owner: str | None = None) -> None:
        """It was shut or opened, for everybody or for one owner: what it answered before says nothing any more."""
        with self._lock:
            counted = self._outcomes.pop(name, None)
            if counted and owner is not None:
                self._outcomes[name] = deque((one for one in counted if one.owner != owner), maxlen=_MOST_OUTCOMES)

    def _count(self, name: str, outcome: Outcome) -> list[Outcome]:
        """What the model answered within the window, with this."""
        with self._lock:
            if name not in self._outcomes and len(self._outcomes) >= _MOST_NAMES:
                self._outcomes.pop(next(iter(self._outcomes)))
            counted = self._outcomes.setdefault(name, deque(maxlen=_MOST_OUTCOMES))
            counted.append(outcome)
            while counted[0].at <= outcome.at - WINDOW_S:
                counted.popleft()
            return list(counted)
