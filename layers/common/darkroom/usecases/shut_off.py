"""Shut a model that fails, pause an account that is refused, and open either again."""

import json

from darkroom.domain.admission import Account, Limits, Parked
from darkroom.domain.breaker import ACCOUNT, Trouble, name_for, name_of, names_of, parts_of
from darkroom.domain.task import Request, Task, TaskError
from darkroom.errors import About, StoreError, UpstreamRefused
from darkroom.usecases.account import Admission, change_account, serve
from darkroom.usecases.breaker import Turned


def when_shut(task: Task, *, admission: Admission) -> Parked | None:
    """When a task may ask again whose model is known here to be shut; None: it is open."""
    shut = admission.memory.shut(admission.limits_of(task.upstream).account)
    until = max((shut[name].probe_at for name in names_of(task) if name in shut), default=None)
    return None if until is None else Parked(until=until)


def note_failure(task: Task, why: str, *, request: Request | None, admission: Admission) -> None:
    """The model did not answer, or cannot be had. After enough of that it is shut; where the row cannot be written, it is not.

    `request` is the task's, where it is known: without it each task counts as a request of its own.
    """
    name, asked = name_of(task), task.id if request is None else json.dumps(request.input, sort_keys=True, default=str)
    trouble = admission.memory.failed(name, task.owner, str(hash(asked)), admission.clock())
    if trouble is not None:
        _shut_off(task, name if trouble is Trouble.EVERYBODY else name_for(task), why, admission)


def note_answer(task: Task, *, admission: Admission) -> None:
    """The model answered: what is shut here is open again, and whoever waits is served."""
    limits, now = admission.limits_of(task.upstream), admission.clock()
    admission.memory.answered(name_of(task), task.owner, now)
    admission.memory.took(limits.account, now)
    known = admission.memory.shut(limits.account).keys() & {ACCOUNT, *names_of(task)}
    if known:
        open_again(limits, tuple(sorted(known)), admission=admission)


def note_end(task: Task, error: TaskError | None, *, admission: Admission) -> None:
    """A generation came to its end: one that failed because the model cannot be had is a failure of the model's."""
    if error is not None and error.code == "model_unavailable":
        note_failure(task, error.code, request=task.request, admission=admission)
    else:
        admission.memory.answered(name_of(task), task.owner, admission.clock())


def note_refusal(task: Task, error: UpstreamRefused, *, admission: Admission) -> bool:
    """The upstream refuses its key or credit: nobody but a probe is sent there, or only to this model. True: so it was before."""
    if error.about is About.ACCOUNT:
        return pause(task, error.reason, admission=admission)
    limits = admission.limits_of(task.upstream)
    name, good_at = name_of(task), admission.memory.good_at(limits.account)

    def deny(found: Account) -> tuple[Account, tuple[str, ...] | None]:
        after = found.denied(name, error.reason, now=admission.clock(), good_at=good_at)
        return after, None if after is found else tuple(
            one for one in (name, ACCOUNT) if one not in found.shut and one in after.shut
        )

    try:
        newly = change_account(limits.account, deny, admission, consistent=True)
    except StoreError:
        return False
    _turned(limits.account, newly or (), error.reason, admission, shut=True)
    return newly is None


def pause(task: Task, why: str, *, admission: Admission) -> bool:
    """The upstream refuses the account: nobody but a probe is sent there. True: it was paused already."""
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
        admission.memory.forget(*parts_of(name))
        admission.memory.tell(Turned(account=account, name=name, shut=shut, why=why))
