"""What a list of tasks is asked for: filters, limits and where the page starts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.callback_token import SigningKey
from darkroom.domain.task import Status, Task
from darkroom.ports import ListQuery
from darkroom.web.cursors import read_cursor
from darkroom.web.problems import InputFault, Problem

PARAMETERS = frozenset({"status", "user", "preset", "created_after", "created_before", "limit", "cursor"})
MOST, USUAL = 100, 20

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_STATUSES = tuple(status.value for status in Status)
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The store's part of the question, and the part that is answered here."""

    query: ListQuery
    status: str | None
    user: str | None
    preset: str | None

    def fit(self, task: Task) -> bool:
        """Whether the task is wanted; a preset without a version means any version of it."""
        if self.status not in (None, task.status.value) or self.user not in (None, task.user):
            return False
        return self.preset is None or self.preset in (task.preset, (task.preset or "").partition("@")[0])


def read_filters(parameters: dict[str, str], *, owner: str, keys: Callable[[], Sequence[SigningKey]], now: float) -> Filters:
    """The filters in a query; raises Problem invalid_query that names every parameter that cannot be used."""
    read = _Reader(parameters)
    limit, status = read.limit(), read.status()
    after, before = read.time("created_after"), read.time("created_before")
    user, preset = read.text("user"), read.text("preset")
    read.refuse()
    cursor = parameters.get("cursor")
    query = ListQuery(
        owner=owner,
        limit=limit,
        before=None if cursor is None else read_cursor(keys(), cursor, owner=owner),
        created_after=None if after is None else max(after, 0.0),
        # Nothing is made in the future: nobody needs to look there.
        created_before=None if before is None else min(before, now + _DAY_S),
    )
    return Filters(query=query, status=status, user=user, preset=preset)


class _Reader:
    """Reads one parameter at a time and collects what is wrong."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self._given = parameters
        self._faults: list[InputFault] = []

    def text(self, name: str) -> str | None:
        value = self._given.get(name)
        if value == "":
            self._complain(name, "must not be empty")
        return value

    def limit(self) -> int:
        text = self._given.get("limit", str(USUAL))
        number = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else 0
        if not 1 <= number <= MOST:
            self._complain("limit", f"must be a whole number from 1 to {MOST}")
        return number

    def status(self) -> str | None:
        value = self._given.get("status")
        if value is not None and value not in _STATUSES:
            self._complain("status", f"must be one of {', '.join(_STATUSES)}")
        return value

    def time(self, name: str) -> float | None:
        text = self._given.get(name)
        if text is None:
            return None
        try:
            if _RFC3339.fullmatch(text):
                return datetime.fromisoformat(text.upper()).timestamp()
        except (ValueError, OverflowError):
            pass
        self._complain(name, "must be an RFC 3339 time such as 2026-01-31T12:00:00Z (write a + as %2B)")
        return None

    def refuse(self) -> None:
        if self._faults:
            raise Problem("invalid_query", "the query cannot be used", faults=self._faults)

    def _complain(self, name: str, detail: str) -> None:
        self._faults.append(InputFault("parameter", name, detail))
