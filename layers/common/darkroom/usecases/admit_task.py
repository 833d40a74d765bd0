"""Wait here instead of failing there: take a slot at the upstream, hand it on, and mend what a crash left behind.

No wake-up is lost. Whoever finds no slot writes its row and then looks at the account once more; whoever frees a slot in a full
account looks at the queue once more after that is written: one of the two sees the other. A crash in between is the tending's.

Contention on an account's row delays a task and never fails it: after a few lost races a new task joins the queue, and whoever
gets through serves everybody who waits in one write.
"""

from darkroom.domain.admission import Account, Limits, Parked, Slot, is_late
from darkroom.domain.breaker import ACCOUNT, names_of
from darkroom.domain.task import IN_FLIGHT, NOT_SENT, SENDING, Phase, Task
from darkroom.errors import About, StoreError, UpstreamError, UpstreamRefused
from darkroom.usecases.account import Admission, change_account, give_slot, send_when, serve, waiter_of
from darkroom.usecases.shut_off import pause, when_shut

_FEW_TRIES = 4
_EARLY_S = 0.5
_CROWDED_S = 2.0
_YOUNG_S = 60.0
_TOO_MANY = 429
_FORBIDDEN = 403


def take_slot(task: Task, *, admission: Admission, consistent: bool = False) -> Slot | Parked | None:
    """A slot for a task that is about to be sent; None: it has to wait in the queue. Asking again changes nothing.

    A paused account is tried by those who wait for it; where nobody does, by this task.
    """
    limits = admission.limits_of(task.upstream)

    def ask(account: Account) -> tuple[Account, Slot | Parked | None]:
        return account.ask(task.submission_key, now=admission.clock(), limits=limits, turn=turn, names=names_of(task))

    try:
        paused = ACCOUNT in admission.memory.shut(limits.account)
        turn = task.owner if paused and not admission.accounts.see(limits.account)[1] else None
        return change_account(limits.account, ask, admission, tries=_FEW_TRIES, consistent=consistent)
    except StoreError:
        # Too crowded, or away for a moment: nothing is lost by waiting.
        return None


def join_queue(task: Task, *, admission: Admission, refused: bool = False) -> None:
    """Let a task wait whose row says so, and look at the account once more: a slot may have come free meanwhile.

    `refused`: it tried whether its paused account is back; the others try before it does so again.

    Where nobody could look, the task calls itself a little later, in its first minute: in an account with room nobody else may do
    it. After that the tending does, every minute, and its own next look: a table that stays away must not fill the queue.
    """
    limits = admission.limits_of(task.upstream)
    try:
        admission.accounts.wait(limits.account, waiter_of(task, refused_at=admission.clock() if refused else 0.0))
    except StoreError:
        return
    try:
        serve(limits, admission)
    except StoreError:
        now = admission.clock()
        if now < task.created_at + _YOUNG_S:
            send_when(task.id, task.attempt, now + _CROWDED_S * (1 + admission.jitter()), admission=admission)


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
            admission.accounts.leave(limits.account, waiter_of(task))
        at = slot.at
    if is_late(at, admission.clock()):
        at = _on_time(task, limits, admission)
    at = max(at, account.not_before)
    if admission.clock() >= at - _EARLY_S:
        return True
    send_when(task.id, task.attempt, at, admission=admission)
    return False


def _on_time(task: Task, limits: Limits, admission: Admission) -> float:
    """A message may come late: its task's second is then another one. Raises StoreError."""

    def renew(account: Account) -> tuple[Account, float]:
        now = admission.clock()
        held = task.submission_key in account.holders
        return account.on_time(task.submission_key, now=now, limits=limits) if held else (account, now)

    return change_account(limits.account, renew, admission, consistent=True)


def hand_on(task: Task, *, admission: Admission) -> None:
    """The task needs its slot no more: give it to whoever is next. `task` is as it was before, so that a queue forgets it.

    Twice is fine. Where this fails, the next tending does it.
    """
    limits = admission.limits_of(task.upstream)
    try:
        if task.phase in NOT_SENT:
            admission.accounts.leave(limits.account, waiter_of(task))
        give_slot(task.submission_key, limits, admission)
    except StoreError:
        return


def called_in_vain(task: Task, *, admission: Admission) -> None:
    """The task's turn came though it needs none: it was called twice, or it has ended. It leaves the queue, in which a lost
    answer may have kept it, and gives back a slot that it does not use.

    Who cannot leave keeps the slot until the next tending: given back, it would be called with it again at once.
    """
    limits = admission.limits_of(task.upstream)
    try:
        admission.accounts.leave(limits.account, waiter_of(task))
        if not uses_slot(task):
            give_slot(task.submission_key, limits, admission)
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


def put_behind(task: Task, *, admission: Admission) -> None:
    """The upstream refused the probe `task`, whose slot was given back, as it refused those before it: others try first now.

    The row of one whose model is shut says when it asks again; it does not stand in the queue.
    """
    if when_shut(task, admission=admission) is None:
        join_queue(task, admission=admission, refused=True)


def heed(task: Task, error: UpstreamError, *, admission: Admission) -> None:
    """What an answer about a task says of its account: 429 puts it off, a refused key or credit pauses it.

    The task keeps its slot. A 403 may be about this task alone: it was made under another account's key.
    """
    if isinstance(error, UpstreamRefused) and error.about is About.ACCOUNT and error.status not in (None, _FORBIDDEN):
        pause(task, error.reason, admission=admission)
    elif error.status == _TOO_MANY:
        _heed(task.upstream, error, admission, gives_back=None)


def may_ask(limits: Limits, wanted: int = 1, *, admission: Admission) -> int:
    """How many requests beside the POSTs of new tasks may go out now; they count as gone."""
    try:
        return change_account(
            limits.account, lambda account: account.look(wanted, now=admission.clock(), limits=limits), admission
        )
    except StoreError:
        return 0


def give_back(limits: Limits, granted_at: float, count: int, *, admission: Admission) -> None:
    """So many requests were granted at that time and are not made: others may have them."""
    try:
        change_account(limits.account, lambda account: (account.unlook(int(granted_at), count), None), admission)
    except StoreError:
        # They are thought to have been made for the rest of the minute.
        return


def uses_slot(task: Task) -> bool:
    """Whether a slot of this task's is in use, or is about to be."""
    return task.phase in IN_FLIGHT | SENDING | NOT_SENT


def _heed(upstream: str, error: UpstreamError, admission: Admission, *, gives_back: str | None) -> None:
    limits = admission.limits_of(upstream)

    def put_off(account: Account) -> tuple[Account, None]:
        now, limited = admission.clock(), error.status == _TOO_MANY
        return account.put_off(gives_back, now=now, retry_after=error.retry_after, limited=limited, limits=limits), None

    try:
        change_account(limits.account, put_off, admission)
    except StoreError:
        return
