"""An owner's tasks from the listing index, walked back day by day: one partition is one owner's day."""

from collections.abc import Sequence
from dataclasses import dataclass

from darkroom.adapters.dynamo import Table
from darkroom.adapters.rows import day_of, owner_day
from darkroom.domain.ids import task_id, ulid_time
from darkroom.domain.task import Task
from darkroom.ports import ListQuery

_DAY_S = 86_400
_DAYS_A_CALL = 16
# Where rows are kept for ever, a list without `created_after` ends here.
_LONGEST_WALK_DAYS = 730
# Another machine's clock may be ahead of ours.
_SKEW_S = 300
# Sorts behind every id.
_LAST = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Ids, newest first; `last_seen` is None when the walk has reached its end."""

    ids: Sequence[str]
    last_seen: str | None


def days(query: ListQuery, *, now: float, kept_days: int | None) -> range:
    """The days to walk, newest first, counted from 1970; `kept_days` is None where rows are kept for ever."""
    newest = now + _SKEW_S
    if query.created_before is not None:
        newest = min(newest, query.created_before)
    if query.before is not None:
        newest = min(newest, ulid_time(query.before.removeprefix("task_")))
    # A task may have lived for some days before the time that its row is kept began.
    first_kept = now - (_LONGEST_WALK_DAYS if kept_days is None else kept_days + 5) * _DAY_S
    oldest = first_kept if query.created_after is None else query.created_after
    if kept_days is not None:
        # Nothing older is there: an old bound must not cost a query for each day since.
        oldest = max(oldest, first_kept)
    return range(int(newest // _DAY_S), int(oldest // _DAY_S) - 1, -1)


def find(table: Table, query: ListQuery, span: range) -> Found:
    """Up to `query.limit` ids from the days of `span`, by at most so many queries; a short page may have a next one."""
    ids: list[str] = []
    for day in span[:_DAYS_A_CALL]:
        ids += _of_day(table, query, day, limit=query.limit - len(ids))
        if len(ids) >= query.limit:
            return Found(ids=ids, last_seen=ids[-1])
    if len(span) <= _DAYS_A_CALL:
        return Found(ids=ids, last_seen=None)
    return Found(ids=ids, last_seen=_first_id_of(span[_DAYS_A_CALL - 1]))


def wanted(query: ListQuery, task: Task) -> bool:
    """Whether the task was made at or after `created_after` and before `created_before`."""
    after = query.created_after is None or query.created_after <= task.created_at
    return after and (query.created_before is None or task.created_at < query.created_before)


def _of_day(table: Table, query: ListQuery, day: int, *, limit: int) -> list[str]:
    values = {
        ":day": {"S": owner_day(query.owner, day_of(day * _DAY_S))},
        ":before": {"S": query.before or _LAST},
    }
    condition = "owner_day = :day AND listed_as < :before"
    return [row["pk"]["S"] for row in table.query(condition, values, limit=limit, index="listing", newest_first=True)]


def _first_id_of(day: int) -> str:
    """The smallest id of a day: where the next page starts when this one ended between two tasks."""
    return task_id(day * _DAY_S, b"")
