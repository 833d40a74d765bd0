"""What this environment remembers of its upstreams: how their models answered lately, and what is known to be shut."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from darkroom.domain.admission import Account
from darkroom.domain.breaker import ACCOUNT, WINDOW_S, Shut, is_too_bad

_MOST_OUTCOMES = 500
_MOST_NAMES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """Something was shut, or opened again: `name` is an upstream's model, or "" for the whole account."""

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
        self._outcomes: dict[str, deque[tuple[float, bool]]] = {}
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

    def answered(self, name: str, now: float) -> None:
        """The model did what it should, or said why not."""
        self._count(name, now, failed=False)

    def failed(self, name: str, now: float) -> bool:
        """The model did not answer, or cannot be had; True: it has failed so often that it should be left alone."""
        return self._count(name, now, failed=True)

    def forget(self, name: str) -> None:
        """It was shut or opened: what it answered before says nothing any more."""
        with self._lock:
            self._outcomes.pop(name, None)

    def _count(self, name: str, now: float, *, failed: bool) -> bool:
        with self._lock:
            if name not in self._outcomes and len(self._outcomes) >= _MOST_NAMES:
                self._outcomes.pop(next(iter(self._outcomes)))
            counted = self._outcomes.setdefault(name, deque(maxlen=_MOST_OUTCOMES))
            counted.append((now, failed))
            while counted[0][0] <= now - WINDOW_S:
                counted.popleft()
            return failed and is_too_bad([one for _, one in counted])
