"""One account's row: change it, serve whoever waits for its slots, and call those whose turn has come.

No wake-up is lost. Whoever finds no slot writes its row and then looks at the account once more; whoever frees a slot in a full
account looks at the queue once more after that is written: one of the two sees the other. A crash in between is the tending's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from darkroom.domain.admission import Account, Limits, Slot, Waiter, behind
from darkroom.domain.breaker import ACCOUNT
from darkroom.domain.task import Task
from darkroom.errors import AccountChanged, StorageUnavailable
from darkroom.ports import SEEN_AT_ONCE, Accounts, Clock, Job, Queue
from darkroom.usecases.breaker import Memory

_Outcome = TypeVar("_Outcome")
_TRIES = 8

MOST_COUNTED = 500
"""A longer queue is counted no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The accounts' rows, what each upstream allows, and the queue that tells a task that its turn has come.

    `sleep` takes seconds, and `jitter` spreads those who lost a race. `memory` is this environment's.
    """

    accounts: Accounts
    limits_of: Callable[[str], Limits]
    queue: Queue
    clock: Clock
    sleep: Callable[[float], None]
    jitter: Callable[[], float]
    memory: Memory = field(default_factory=Memory)


def change_account(
    name: str,
    change: Callable[[Account], tuple[Account, _Outcome]],
    admission: Admission,
    *,
    tries: int = _TRIES,
    consistent: bool = False,
) -> _Outcome:
    """Apply `change` to the account's row; whoever loses the race reads again. Raises AccountChanged when it never wins."""
    for attempt in range(tries):
        account = admission.accounts.get(name, consistent=consistent or attempt > 0)
        after, outcome = change(account)
        admission.memory.saw(after)
        if after is account:
            return outcome
        try:
            admission.accounts.save(account, after)
        except AccountChanged:
            _make_way(attempt, admission)
        else:
            return outcome
    raise AccountChanged(f"the account {name} changed {tries} times while it was being changed")


def serve(limits: Limits, admission: Admission, *, freed: tuple[str, ...] = ()) -> None:
    """Free slots and give every free one to whoever is next, in one write."""
    for attempt in range(_TRIES):
        account, first = admission.accounts.see(limits.account)
        admission.memory.saw(account)
        now = admission.clock()
        after, served = _promoted(account.release(*freed), first, now, limits, admission)
        if after is not account:
            try:
                admission.accounts.save(account, after)
            except AccountChanged:
                _make_way(attempt, admission)
                continue
        for waiter, slot in served:
            _call(waiter, slot, limits, admission)
        # Somebody may have seen the account full and gone to wait, between our look at the queue and our write.
        if after is account or account.free(now, limits) > 0 or after.free(now, limits) <= 0:
            return
    raise AccountChanged(f"the account {limits.account} changed {_TRIES} times while its queue was being served")


def give_slot(key: str, limits: Limits, admission: Admission) -> None:
    """A slot is free: give it to whoever is next. Where there was room before, nobody waits for a slot, and one write is all.

    What this environment saw last only says which way is the cheaper one. Whoever came to wait although there was room, in a
    crowd or while the upstream wanted to be left alone, calls itself or is called by the tending.
    """
    seen, now = admission.memory.seen(limits.account), admission.clock()
    if seen is not None and not seen.is_quiet(now, limits):
        serve(limits, admission, freed=(key,))
        return
    after = admission.accounts.release(limits.account, key)
    admission.memory.saw(after)
    if not after.is_quiet(now, limits, freed=1):
        serve(limits, admission)


def send_when(task_id: str, attempt: int, at: float, *, admission: Admission) -> bool:
    """Have the worker submit the task at the Unix time `at`; False when the queue is away: the next tending sends it then."""
    try:
        admission.queue.send(Job(do="submit", task_id=task_id, attempt=attempt), delay_s=max(0.0, at - admission.clock()))
    except StorageUnavailable:
        return False
    return True


def waiter_of(task: Task, *, refused_at: float = 0.0) -> Waiter:
    return Waiter(owner=task.owner, task_id=task.id, attempt=task.attempt, refused_at=refused_at)


def _promoted(
    account: Account, first: Sequence[Waiter], now: float, limits: Limits, admission: Admission
) -> tuple[Account, list[tuple[Waiter, Slot]]]:
    served: list[tuple[Waiter, Slot]] = []
    if not first or account.free(now, limits) <= 0:
        return account, served
    paused = ACCOUNT in account.shut
    in_turn = _in_turn(account.turn, first, limits, admission)
    for waiter in (_next_probe(account, first, limits, admission),) if paused else in_turn:
        account, slot = account.ask(waiter.key, now=now, limits=limits, turn=waiter.owner)
        if not isinstance(slot, Slot):
            break
        served.append((waiter, slot))
        if account.free(now, limits) <= 0:
            break
    return account, served


def _next_probe(account: Account, first: Sequence[Waiter], limits: Limits, admission: Admission) -> Waiter:
    """Who tries whether the paused account is back: in turn, one that was not refused yet; else the one refused longest ago."""
    waiting = first if len(first) < SEEN_AT_ONCE else admission.accounts.waiters(limits.account, limit=MOST_COUNTED)
    untried = [one for one in waiting if not one.refused_at]
    if not untried:
        return min(waiting, key=lambda one: one.refused_at)
    return next((one for one in untried if one.place > behind(account.turn)), untried[0])


def _in_turn(turn: str, first: Sequence[Waiter], limits: Limits, admission: Admission) -> Iterator[Waiter]:
    """Whoever waits: one of each owner in turn, beginning behind the owner who was served last. `first` were seen: the
    beginning of the queue, or all of it."""
    last: dict[str, Waiter] = {}
    served_all: set[str] = set()

    def next_one(place: str) -> Waiter | None:
        seen = next((one for one in first if one.place > place), None)
        if seen is not None or len(first) < SEEN_AT_ONCE:
            return seen
        return next(iter(admission.accounts.waiters(limits.account, limit=1, behind=place)), None)

    while True:
        found = next_one(behind(turn)) or first[0]
        turn = found.owner
        seen = last.get(turn)
        waiter = found if seen is None else next_one(seen.place)
        if waiter is not None and waiter.owner == turn:
            last[turn] = waiter
            yield waiter
        elif (served_all := served_all | {turn}) >= last.keys():
            return


def _call(waiter: Waiter, slot: Slot, limits: Limits, admission: Admission) -> None:
    # The message before the row: a crash in between calls the same task twice, which changes nothing.
    if send_when(waiter.task_id, waiter.attempt, slot.at, admission=admission):
        admission.accounts.leave(limits.account, waiter)


def _make_way(attempt: int, admission: Admission) -> None:
    admission.sleep(admission.jitter() * 0.02 * 2 ** min(attempt, 5))
