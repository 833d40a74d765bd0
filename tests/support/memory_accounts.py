"""Upstream accounts in memory, run beside the real ones by tests/contract/ports."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from darkroom.domain.admission import Account, Waiter
from darkroom.errors import AccountChanged
from darkroom.ports import SEEN_AT_ONCE, Accounts
from tests.support.boundaries import OnCall, boundaries, nothing_happens

OnSave = Callable[[Account, Account], None]


def nobody_watches(_before: Account, _after: Account) -> None:
    """No witness."""


@boundaries(Accounts, "accounts")
@dataclass(slots=True, kw_only=True)
class MemoryAccounts:
    """`Accounts` in dictionaries; `writes` counts the rows written or deleted, `on_save` sees each account that is written."""

    on_call: OnCall = nothing_happens
    on_save: OnSave = nobody_watches
    accounts: dict[str, Account] = field(default_factory=dict)
    queues: dict[str, dict[str, Waiter]] = field(default_factory=dict)
    writes: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, name: str, *, consistent: bool = False) -> Account:
        return self.accounts.get(name, Account(name=name))

    def see(self, name: str) -> tuple[Account, Sequence[Waiter]]:
        with self._lock:
            return self.accounts.get(name, Account(name=name)), self._after(name, "")[:SEEN_AT_ONCE]

    def save(self, before: Account, after: Account) -> None:
        with self._lock:
            if self.accounts.get(before.name, Account(name=before.name)).version != before.version:
                raise AccountChanged(before.name)
            self.writes += 1
            self.accounts[before.name] = after
            self.on_save(before, after)

    def release(self, name: str, key: str) -> Account:
        with self._lock:
            before = self.accounts.get(name, Account(name=name))
            self.writes += 1
            if (after := before.release(key)) is not before:
                self.accounts[name] = after
                self.on_save(before, after)
            return after

    def wait(self, name: str, waiter: Waiter) -> None:
        with self._lock:
            self.writes += 1
            queue = self.queues.setdefault(name, {})
            if waiter.refused_at or waiter.place not in queue:
                queue[waiter.place] = waiter

    def leave(self, name: str, waiter: Waiter) -> None:
        with self._lock:
            self.writes += 1
            self.queues.setdefault(name, {}).pop(waiter.place, None)

    def waiters(self, name: str, *, limit: int, behind: str = "") -> Sequence[Waiter]:
        with self._lock:
            return self._after(name, behind)[:limit]

    def waiting(self) -> list[Waiter]:
        """Everybody who waits anywhere, without a call that a crash could hit."""
        return [waiter for queue in self.queues.values() for waiter in queue.values()]

    def held(self) -> dict[str, float]:
        """Every slot that is held anywhere, likewise."""
        return {key: at for account in self.accounts.values() for key, at in account.holders.items()}

    def _after(self, name: str, place: str) -> list[Waiter]:
        return [waiter for at, waiter in sorted(self.queues.get(name, {}).items()) if at > place]
