"""Look at every task whose time has come: ask, re-send, hand to the worker, or end what will not end by itself."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from darkroom.errors import ConfigurationError, StoreError
from darkroom.ports import Clock, Tasks
from darkroom.usecases.look_at_task import Look

ROUNDS = 2
"""So many looks one after the other end within a sweep, however slow the upstream is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One sweep: how many tasks were due, looked at, moved; how old the oldest was, in seconds; each look that did something."""

    overdue: int
    looked_at: int
    moved: int
    oldest_overdue_s: float
    looks: tuple[Look, ...] = ()

    def count(self, outcome: str) -> int:
        return sum(look.outcome == outcome for look in self.looks)


def reconcile_tasks(
    *,
    clock: Clock,
    tasks: Tasks,
    look: Callable[[str, bool], Look],
    limit: int,
    until: float,
    threads: int,
) -> Report:
    """Look at up to `limit` overdue tasks, oldest first, starting none after `until`; the rest stays due for the next sweep.

    `look(task_id, crowded)` passes over a task that the index offers and whose row says that it is not due. A sweep is crowded
    that might not get round to all it is offered: those that it looks at then leave the front of the index, and nobody starves
    behind them.
    Raises StorageUnavailable when the sweep itself finds no table. A look that raises, whatever it is, spoils no other: this is
    the one place where a sweep contains errors.
    """
    offered = tasks.overdue(clock(), limit=limit)
    crowded = len(offered) > ROUNDS * threads

    def one(task_id: str) -> Look:
        if clock() >= until:
            return Look(outcome="left", task_id=task_id)
        try:
            return look(task_id, crowded)
        except StoreError as error:
            return Look(outcome="storage_error", task_id=task_id, fault=str(error))
        except ConfigurationError as error:
            # Its upstream is no longer set up.
            return Look(outcome="misconfigured", task_id=task_id, fault=str(error))
        except Exception as error:
            return Look(outcome="unforeseen", task_id=task_id, unforeseen=error)

    looks: list[Look] = []
    if offered:
        with ThreadPoolExecutor(max_workers=min(threads, len(offered))) as pool:
            looks = list(pool.map(one, offered))
    return Report(
        overdue=sum(look.outcome != "not_due" for look in looks),
        looked_at=sum(look.looked for look in looks),
        moved=sum(look.moved for look in looks),
        oldest_overdue_s=max((look.overdue_s for look in looks), default=0.0),
        looks=tuple(looks),
    )
