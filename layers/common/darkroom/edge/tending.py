"""The upstreams' accounts, tended once a minute, and one line for each that has something to tell."""

from darkroom.domain.breaker import in_words
from darkroom.errors import StoreError
from darkroom.observe import count, gauge, say, tell_unforeseen
from darkroom.usecases.tend_account import Tended, tend_account
from darkroom.wiring import Services


def tend(services: Services) -> None:
    """Free what is held for nothing and serve whoever waits, account by account; a fault of one is told and left to the next."""
    waiting = 0
    for limits in services.limits():
        try:
            tended = tend_account(limits, admission=services.admission, tasks=services.tasks)
        except StoreError as error:
            say("account not tended", level="warning", account=limits.account, fault=str(error))
            continue
        except Exception as error:
            tell_unforeseen(error, during="tending", account=limits.account)
            continue
        for task_id, fault in tended.unreadable:
            tell_unforeseen(fault, during="tending", task_id=task_id)
        waiting += tended.waiting
        _tell(tended, services.clock())
    gauge("TasksWaiting", waiting)


def _tell(tended: Tended, now: float) -> None:
    account, limits = tended.account, tended.limits
    count("SlotsLeaked", tended.freed)
    learned = account.ceiling(now, limits) < limits.in_flight or account.rate(now, limits) < limits.per_minute
    if not (tended.waiting or tended.freed or learned or account.shut):
        return
    say(
        "account",
        level="warning" if learned or tended.freed or account.shut else "info",
        account=account.name,
        in_flight=len(account.holders),
        in_flight_limit=account.ceiling(now, limits),
        waiting=tended.waiting,
        requests=account.used(now, limits),
        requests_limit=account.rate(now, limits),
        freed=tended.freed,
        shut=", ".join(in_words(name) for name in account.shut),
        paused_s=round(max(0.0, account.not_before - now)),
    )
