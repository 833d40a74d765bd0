"""Shut a model that fails, pause an account that is refused, and open either again."""

from darkroom.domain.admission import Account, Limits, Parked
from darkroom.domain.breaker import ACCOUNT, name_of
from darkroom.domain.task import Task, TaskError
from darkroom.errors import StoreError
from darkroom.usecases.account import Admission, change_account, serve
from darkroom.usecases.breaker import Turned


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


def note_end(task: Task, error: TaskError | None, *, admission: Admission) -> None:
    """A generation came to its end: one that failed because the model cannot be had is a failure of the model's."""
    if error is not None and error.code == "model_unavailable":
        note_failure(task, error.code, admission=admission)
    else:
        admission.memory.answered(name_of(task), admission.clock())


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
        done = change_account(limits.account, opened, admission, consistent=True)
        _turned(limits.account, done, "", admission, shut=False)
        if done:
            serve(limits, admission)
    except StoreError:
        return ()
    return done


def _shut_off(task: Task, name: str, why: str, admission: Admission) -> bool:
    """Whether it was open until now."""
    account = admission.limits_of(task.upstream).account

    def shut_off(found: Account) -> tuple[Account, bool]:
        return found.shut_off(name, why, now=admission.clock()), name not in found.shut

    try:
        was_open = change_account(account, shut_off, admission, consistent=True)
    except StoreError:
        return True
    _turned(account, (name,) if was_open else (), why, admission, shut=True)
    return was_open


def _turned(account: str, names: tuple[str, ...], why: str, admission: Admission, *, shut: bool) -> None:
    for name in names:
        admission.memory.forget(name)
        admission.memory.tell(Turned(account=account, name=name, shut=shut, why=why))
