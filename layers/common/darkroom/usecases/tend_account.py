"""Mend once a minute what a crash left behind in an account, and see how it is."""

from dataclasses import dataclass, replace

from darkroom.domain import ids
from darkroom.domain.admission import Account, Limits
from darkroom.domain.task import NOT_SENT, TAIL_S, Task
from darkroom.errors import StoreError
from darkroom.ports import SEEN_AT_ONCE, Tasks
from darkroom.usecases.account import MOST_COUNTED, Admission, send_when, serve
from darkroom.usecases.admit_task import uses_slot

SETTLED_S = 60.0
"""A task younger than this may have its row just being written; a message may be on its way for so long."""

ROW_S = 1.0
"""Writing a row takes less: between the slot that is taken for a task and the task's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """An account after its tending: how many tasks wait (at most MOST_COUNTED are counted), how many slots were freed.

    `unreadable`: holders whose row cannot be read, by task id, with the error. Each keeps its slot for a day.
    """

    account: Account
    limits: Limits
    waiting: int
    freed: int = 0
    unreadable: tuple[tuple[str, Exception], ...] = ()


def tend_account(limits: Limits, *, admission: Admission, tasks: Tasks) -> Tended:
    """Once a minute: free the slots that nobody uses any more, send lost messages again, serve whoever waits.

    Raises StoreError: the next tending does it.
    """
    account, first = admission.accounts.see(limits.account)
    old = [(key, at) for key, at in account.holders.items() if admission.clock() >= min(at, _born(key)) + SETTLED_S]
    found = {key: _task_of(key, tasks) for key, _ in old}
    fresh = [key for key, at in old if found[key] is None and admission.clock() < at + SETTLED_S]
    if fresh:
        # An order that is repeated takes up the id that its first request died with.
        admission.sleep(ROW_S)
        found |= {key: _task_of(key, tasks) for key in fresh}
    leaked = tuple(key for key, at in old if not _is_used(key, at, found[key], limits, admission))
    unreadable = tuple((_task_id(key), one) for key, one in found.items() if isinstance(one, Exception))
    if not first and not leaked:
        return Tended(account=account, limits=limits, waiting=0, unreadable=unreadable)
    serve(limits, admission, freed=leaked)
    return replace(see_account(limits, admission=admission, freed=len(leaked)), unreadable=unreadable)


def see_account(limits: Limits, *, admission: Admission, freed: int = 0) -> Tended:
    """The account as it is now."""
    account, first = admission.accounts.see(limits.account)
    if len(first) >= SEEN_AT_ONCE:
        first = admission.accounts.waiters(limits.account, limit=MOST_COUNTED)
    return Tended(account=account, limits=limits, waiting=len(first), freed=freed)


def _task_id(key: str) -> str:
    return key.partition(":")[0]


def _born(key: str) -> float:
    return ids.created_at(_task_id(key))


def _task_of(key: str, tasks: Tasks) -> Task | Exception | None:
    """The holder's task, or why its row cannot be read: that must not keep the others from being tended. Raises StoreError."""
    try:
        return tasks.get(_task_id(key))
    except StoreError:
        raise
    except Exception as error:
        return error


def _is_used(key: str, at: float, task: Task | Exception | None, limits: Limits, admission: Admission) -> bool:
    """Whether the holder's task still needs its slot; one that should have been sent long ago is sent again."""
    if isinstance(task, Exception):
        return admission.clock() < at + TAIL_S
    attempt = int(key.rpartition(":")[2])
    if task is None or task.attempt != attempt or admission.limits_of(task.upstream).account != limits.account:
        return False
    if task.phase in NOT_SENT and admission.clock() >= at + SETTLED_S:
        send_when(task.id, task.attempt, admission.clock(), admission=admission)
    return uses_slot(task)
