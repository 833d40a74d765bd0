"""Wait here instead of failing there: take a slot at the upstream, hand it on, and mend what a crash left behind.

No wake-up is lost. Whoever finds no slot writes its row and then looks at the account once more; whoever frees a slot in a full
account looks at the queue once more after that is written: one of the two sees the other. A crash in between is the tending's.

Contention on an account's row delays a task and never fails it: after a few lost races a new task joins the queue, and whoever
gets through serves everybody who waits in one write.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from darkroom.domain.admission import Account, Limits, Parked, Slot, Waiter, behind
from darkroom.domain.breaker import ACCOUNT, name_of
from darkroom.domain.task import IN_FLIGHT, NOT_SENT, SENDING, Phase, Task
from darkroom.errors import AccountChanged, StorageUnavailable, StoreError, UpstreamError
from darkroom.ports import Accounts, Clock, Job, Queue, Tasks
from darkroom.usecases.breaker import Memory, Turned

_Outcome = TypeVar("_Outcome")
_TRIES = 8
_FEW_TRIES = 4
SETTLED_S = 60.0
"""A holder younger than this may belong to a task whose row is just being written."""

_EARLY_S = 0.5
_TOO_MANY = 429
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """An account after its tending: how many tasks wait (at most MOST_COUNTED are counted), how many slots were freed."""

    account: Account
    limits: Limits
    waiting: int
    freed: int = 0


# -- one task ------------------------------------------------------------------------------------------


def take_slot(task: Task, *, admission: Admission, consistent: bool = False) -> Slot | Parked | None:
    """A slot for a task that is about to be sent; None: it has to wait in the queue. Asking again changes nothing."""
    limits = admission.limits_of(task.upstream)

    def ask(account: Account) -> tuple[Account, Slot | Parked | None]:
        return account.ask(task.submission_key, now=admission.clock(), limits=limits, model=name_of(task))

    try:
        return _change(limits.account, ask, admission, tries=_FEW_TRIES, consistent=consistent)
    except StoreError:
        # Too crowded, or away for a moment: nothing is lost by waiting.
        return None


def join_queue(task: Task, *, admission: Admission) -> None:
    """Let a task wait whose row says so, and look at the account once more: a slot may have come free meanwhile.

    Where this fails, the task's own next look does it again.
    """
    limits = admission.limits_of(task.upstream)
    try:
        admission.accounts.wait(limits.account, _waiter(task))
        _serve(limits, admission)
    except StoreError:
        return


def may_send(task: Task, *, admission: Admission) -> bool | Parked:
    """Whether a task that was not sent yet has its slot, and may POST now; otherwise it is seen to that its turn comes.

    Where its model is shut it is in nobody's way any more; it is for the caller to write down when it asks again.
    """
    limits = admission.limits_of(task.upstream)
    account = admission.accounts.get(limits.account, consistent=True)
    admission.memory.saw(account)
    at = account.holders.get(task.submission_key)
    if at is None or account.shut:
        slot = take_slot(task, admission=admission, consistent=bool(account.shut))
        if isinstance(slot, Parked):
            hand_on(task, admission=admission)
            return slot
        if slot is None:
            join_queue(task, admission=admission)
            return False
        if at is None and task.phase is Phase.WAITING:
            admission.accounts.leave(limits.account, _waiter(task))
        at = slot.at
    at = max(at, account.not_before)
    if admission.clock() >= at - _EARLY_S:
        return True
    send_when(task.id, task.attempt, at, admission=admission)
    return False


def send_when(task_id: str, attempt: int, at: float, *, admission: Admission) -> bool:
    """Have the worker submit the task at the Unix time `at`; False when the queue is away: the next tending sends it then."""
    try:
        admission.queue.send(Job(do="submit", task_id=task_id, attempt=attempt), delay_s=max(0.0, at - admission.clock()))
    except StorageUnavailable:
        return False
    return True


def hand_on(task: Task, *, admission: Admission) -> None:
    """The task needs its slot no more: give it to whoever is next. `task` is as it was before, so that a queue forgets it.

    Twice is fine. Where this fails, the next tending does it.
    """
    limits = admission.limits_of(task.upstream)
    try:
        if task.phase in NOT_SENT:
            admission.accounts.leave(limits.account, _waiter(task))
        _serve(limits, admission, freed=(task.submission_key,))
    except StoreError:
        return


def put_back(task: Task, error: UpstreamError, *, admission: Admission) -> None:
    """The upstream was too busy for this task, whose row says that it waits: it joins the queue again, in its old place.

    Where its model was shut meanwhile it only gives its slot back; its row says when it asks again.
    """
    _heed(task.upstream, error, admission, gives_back=task.submission_key)
    if when_shut(task, admission=admission) is None:
        join_queue(task, admission=admission)
    else:
        hand_on(task, admission=admission)


def heed(task: Task, error: UpstreamError, *, admission: Admission) -> None:
    """A request about a task was answered 429: nobody asks before the upstream wants to be asked. The task keeps its slot."""
    if error.status == _TOO_MANY:
        _heed(task.upstream, error, admission, gives_back=None)


def may_ask(limits: Limits, wanted: int = 1, *, admission: Admission) -> int:
    """How many requests beside the POSTs of new tasks may go out now; they count as gone."""
    try:
        return _change(limits.account, lambda account: account.look(wanted, now=admission.clock(), limits=limits), admission)
    except StoreError:
        return 0


def give_back(limits: Limits, granted_at: float, count: int, *, admission: Admission) -> None:
    """So many requests were granted at that time and are not made: others may have them."""
    try:
        _change(limits.account, lambda account: (account.unlook(int(granted_at), count), None), admission)
    except StoreError:
        # They are thought to have been made for the rest of the minute.
        return


# -- what is shut --------------------------------------------------------------------------------------


def when_shut(task: Task, *, admission: Admission) -> Parked | None:
    """When a task may ask again whose model is known here to be shut; None: it is open."""
    shut = admission.memory.shut(admission.limits_of(task.upstream).account).get(name_of(task))
    return Parked(until=shut.probe_at) if shut else None


def note_failure(task: Task, why: str, *, admission: Admission) -> None:
    """The model did not answer, or cannot be had. After enough of that it is shut; where the row cannot be written, it is not."""
    name, now = name_of(task), admission.clock()
    if admission.memory.failed(name, now):
        admission.memory.forget(name)
        _shut_off(task, name, why, admission)


def note_answer(task: Task, *, admission: Admission) -> None:
    """The model answered: what is shut here is open again, and whoever waits is served."""
    name, limits = name_of(task), admission.limits_of(task.upstream)
    admission.memory.answered(name, admission.clock())
    known = admission.memory.shut(limits.account).keys() & {ACCOUNT, name}
    if known:
        open_again(limits, tuple(sorted(known)), admission=admission)


def pause(task: Task, why: str, *, admission: Admission) -> bool:
    """The upstream refuses the account (401, 402, 403): nobody but a probe is sent there. True: it was paused already."""
    limits = admission.limits_of(task.upstream)
    was_paused = ACCOUNT in admission.memory.shut(limits.account)
    return was_paused or not _shut_off(task, ACCOUNT, why, admission)


def open_again(limits: Limits, names: tuple[str, ...] | None = None, *, admission: Admission) -> tuple[str, ...]:
    """Open what is shut of `names` (None: all of it), serve whoever waits; what was opened. Where that fails, a probe does it."""

    def opened(account: Account) -> tuple[Account, tuple[str, ...]]:
        shut = tuple(name for name in account.shut if names is None or name in names)
        return account.opened(*shut), shut

    try:
        done = _change(limits.account, opened, admission, consistent=True)
        _turned(limits.account, done, "", admission, shut=False)
        if done:
            _serve(limits, admission)
    except StoreError:
        return ()
    return done


def _shut_off(task: Task, name: str, why: str, admission: Admission) -> bool:
    """Whether it was open until now."""
    account = admission.limits_of(task.upstream).account

    def shut_off(found: Account) -> tuple[Account, bool]:
        return found.shut_off(name, why, now=admission.clock()), name not in found.shut

    try:
        was_open = _change(account, shut_off, admission, consistent=True)
    except StoreError:
        return True
    _turned(account, (name,) if was_open else (), why, admission, shut=True)
    return was_open


def _turned(account: str, names: tuple[str, ...], why: str, admission: Admission, *, shut: bool) -> None:
    for name in names:
        admission.memory.forget(name)
        admission.memory.tell(Turned(account=account, name=name, shut=shut, why=why))


# -- one account ---------------------------------------------------------------------------------------


def tend_account(limits: Limits, *, admission: Admission, tasks: Tasks) -> Tended:
    """Once a minute: free the slots that nobody uses any more, send lost messages again, serve whoever waits.

    Raises StoreError: the next tending does it.
    """
    account, first = admission.accounts.see(limits.account)
    old = [key for key, at in account.holders.items() if admission.clock() >= at + SETTLED_S]
    leaked = tuple(key for key in old if not _is_used(key, limits, tasks, admission))
    if first is None and not leaked:
        return Tended(account=account, limits=limits, waiting=0)
    _serve(limits, admission, freed=leaked)
    return see_account(limits, admission=admission, freed=len(leaked))


def see_account(limits: Limits, *, admission: Admission, freed: int = 0) -> Tended:
    """The account as it is now."""
    account, first = admission.accounts.see(limits.account)
    waiting = len(admission.accounts.waiters(limits.account, limit=MOST_COUNTED)) if first else 0
    return Tended(account=account, limits=limits, waiting=waiting, freed=freed)


def _is_used(key: str, limits: Limits, tasks: Tasks, admission: Admission) -> bool:
    """Whether the holder's task still needs its slot; one that should have been sent long ago is sent again."""
    task_id, _, attempt = key.rpartition(":")
    task = tasks.get(task_id)
    if task is None or task.attempt != int(attempt) or admission.limits_of(task.upstream).account != limits.account:
        return False
    if task.phase in NOT_SENT:
        send_when(task.id, task.attempt, admission.clock(), admission=admission)
    return uses_slot(task)


def uses_slot(task: Task) -> bool:
    """Whether a slot of this task's is in use, or is about to be."""
    return task.phase in IN_FLIGHT | SENDING | NOT_SENT


def _serve(limits: Limits, admission: Admission, *, freed: tuple[str, ...] = ()) -> None:
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


def _promoted(
    account: Account, first: Waiter | None, now: float, limits: Limits, admission: Admission
) -> tuple[Account, list[tuple[Waiter, Slot]]]:
    served: list[tuple[Waiter, Slot]] = []
    if first is None or account.free(now, limits) <= 0:
        return account, served
    for waiter in _in_turn(account.turn, first, limits, admission):
        account, slot = account.ask(waiter.key, now=now, limits=limits, turn=waiter.owner)
        if not isinstance(slot, Slot):
            break
        served.append((waiter, slot))
        if account.free(now, limits) <= 0:
            break
    return account, served


def _in_turn(turn: str, first: Waiter, limits: Limits, admission: Admission) -> Iterator[Waiter]:
    """Whoever waits: one of each owner in turn, beginning behind the owner who was served last. `first` stands first."""
    last: dict[str, Waiter] = {}
    served_all: set[str] = set()

    def next_one(place: str) -> Waiter | None:
        return next(iter(admission.accounts.waiters(limits.account, limit=1, behind=place)), None)

    while True:
        waiter = next_one(behind(turn)) or (first if not last else next_one(""))
        if waiter is None:
            return
        turn = waiter.owner
        if (seen := last.get(turn)) is not None:
            waiter = next_one(seen.place)
        if waiter is not None and waiter.owner == turn:
            last[turn] = waiter
            yield waiter
        elif (served_all := served_all | {turn}) >= last.keys():
            return


def _call(waiter: Waiter, slot: Slot, limits: Limits, admission: Admission) -> None:
    # The message before the row: a crash in between calls the same task twice, which changes nothing.
    if send_when(waiter.task_id, waiter.attempt, slot.at, admission=admission):
        admission.accounts.leave(limits.account, waiter)


def _heed(upstream: str, error: UpstreamError, admission: Admission, *, gives_back: str | None) -> None:
    limits = admission.limits_of(upstream)

    def put_off(account: Account) -> tuple[Account, None]:
        now, limited = admission.clock(), error.status == _TOO_MANY
        return account.put_off(gives_back, now=now, retry_after=error.retry_after, limited=limited, limits=limits), None

    try:
        _change(limits.account, put_off, admission)
    except StoreError:
        return


def _change(
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


def _make_way(attempt: int, admission: Admission) -> None:
    admission.sleep(admission.jitter() * 0.02 * 2 ** min(attempt, 5))


def _waiter(task: Task) -> Waiter:
    return Waiter(owner=task.owner, task_id=task.id, attempt=task.attempt)
