"""The requests that a sweep may make: reserved from the account's rate a few at a time, and what is left over is given back."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from darkroom.domain.admission import Limits
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import give_back, may_ask

MOST_AT_ONCE = 16
"""Requests that one write reserves."""

MayAsk = Callable[[str], bool]
"""Whether the upstream of that name may be asked something now; the request counts as made."""


@dataclass(slots=True)
class _Purse:
    limits: Limits
    left: int = 0
    granted_at: float = 0.0
    next: int = 1
    refused: bool = False


class Allowance:
    """One sweep's; safe to use from its threads. Each reservation is a write, so the second is for two, the third for four."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._purses: dict[str, _Purse] = {}
        self._lock = threading.Lock()

    def may_ask(self, upstream: str) -> bool:
        """A request from what is reserved, or from a new reservation; after a refusal the sweep asks this account no more."""
        limits = self._admission.limits_of(upstream)
        with self._lock:
            purse = self._purses.setdefault(limits.account, _Purse(limits))
            if purse.left == 0 and not purse.refused:
                self._fill(purse)
            if purse.left == 0:
                return False
            purse.left -= 1
            return True

    def close(self) -> None:
        """Give back what was not used."""
        for purse in self._purses.values():
            if purse.left:
                give_back(purse.limits, purse.granted_at, purse.left, admission=self._admission)
                purse.left = 0

    def _fill(self, purse: _Purse) -> None:
        purse.granted_at = self._admission.clock()
        purse.left = may_ask(purse.limits, purse.next, admission=self._admission)
        purse.refused = purse.left < purse.next
        purse.next = min(MOST_AT_ONCE, purse.next * 2)
