"""One sweep of the reconciler, with what it found told once: used by the schedule and by the admin route."""

from darkroom.domain.task import Phase, Task
from darkroom.edge.quoting import unquoted
from darkroom.edge.tending import tend
from darkroom.errors import StorageUnavailable
from darkroom.observe import count, discreet, gauge_seconds, say, tell_next_attempt, tell_unforeseen
from darkroom.usecases.allowance import Allowance
from darkroom.usecases.look_at_task import Look, look_at_task
from darkroom.usecases.reconcile_tasks import Report, reconcile_tasks
from darkroom.wiring import Services

LIMIT = 2000
THREADS = 10
"""A look takes some 4 ms of a core, 12 ms of what 512 MB buy: with a gateway of 100 ms nine threads fill that; more get into each
other's way, and at 300 ms ten look at 2,000 tasks a minute."""

RESERVE_S = 12.0
"""A look that has begun may take this long, with all that it waits for."""

_WAIT_S = 10.0
"""Of these for an answer of its upstream."""

_ACCOUNT_TROUBLE = frozenset({"upstream_auth", "upstream_quota"})
_OURS = frozenset({"storage_error", "misconfigured"})


@discreet
def sweep(services: Services, *, remaining_s: float) -> Report:
    """Look at every overdue task; what does not fit in `remaining_s` is left for the next sweep, oldest first.

    The upstreams' accounts are tended first, so that a leaked slot or a lost call waits for no look.
    """
    until = services.clock() + remaining_s - RESERVE_S
    tend(services)
    allowance = services.allowance()
    report = reconcile_tasks(
        clock=services.clock,
        tasks=services.tasks,
        look=lambda task_id, crowded: _look(task_id, services, allowance, crowded=crowded),
        limit=LIMIT,
        until=until,
        threads=THREADS,
    )
    _tell(report, services)
    allowance.close()
    return report


def _look(task_id: str, services: Services, allowance: Allowance, *, crowded: bool) -> Look:
    return look_at_task(
        task_id,
        lease=services.new_lease(),
        clock=services.clock,
        jitter=services.jitter,
        tasks=services.tasks,
        queue=services.queue,
        upstream_of=services.upstream,
        prepare=services.prepare,
        admission=services.admission,
        may_ask=allowance.may_ask,
        timing=services.settings.timing,
        crowded=crowded,
        timeout_s=_WAIT_S,
    )


def _tell(report: Report, services: Services) -> None:
    count("ReconcileTicks")
    gauge_seconds("OldestOverdueSeconds", report.oldest_overdue_s)
    count("LooksMade", report.looked_at)
    count("TasksRecovered", report.count("recovered"))
    count("CallbacksMissed", sum(look.missed_callback for look in report.looks))
    count("UpstreamRefusedUs", sum(look.refused in _ACCOUNT_TROUBLE for look in report.looks))
    count("ResendsNotReplayed", sum(look.not_replayed for look in report.looks))
    count("UpstreamContradictions", sum(look.contradicts for look in report.looks))
    say(
        "sweep",
        overdue=report.overdue,
        looked_at=report.looked_at,
        moved=report.moved,
        no_request_free=report.count("no_request_free"),
        oldest_overdue_s=round(report.oldest_overdue_s),
    )
    for look in report.looks:
        if look.unforeseen is not None:
            tell_unforeseen(look.unforeseen, during="look", task_id=look.task_id)
        if look.outcome not in ("not_due", "working", "waiting", "left", "no_request_free", "unforeseen"):
            _tell_contained(look, services)


def _tell_contained(look: Look, services: Services) -> None:
    """Tell of one look; a line that cannot be told hides no other."""
    try:
        _tell_look(look, services)
    except Exception as error:
        tell_unforeseen(error, during="telling of a look", task_id=look.task_id)


def _tell_look(look: Look, services: Services) -> None:
    task = look.after
    expired = task is not None and task.phase is Phase.EXPIRED and look.moved
    say(
        "look",
        level="warning" if expired or look.not_replayed or look.contradicts or look.outcome in _OURS else "info",
        outcome=look.outcome,
        task_id=look.task_id,
        phase=task.phase.value if task else None,
        attempt=task.attempt if task else None,
        fault=unquoted(look.fault, task, services.tasks),
        refused=look.refused,
        not_replayed=look.not_replayed,
        upstream_task_id=task.upstream_task_id if task else None,
        **_ticket(task, services, expired=expired),
    )
    if task is not None and look.again:
        tell_next_attempt(task)
    if task is not None and task.is_terminal and look.moved:
        count(f"Tasks{task.status.value.capitalize()}")


def _ticket(task: Task | None, services: Services, *, expired: bool) -> dict[str, str | None]:
    """What a support ticket about an expired task needs: the upstream's last body and its request id."""
    if task is None or not expired:
        return {}
    return {
        "error": unquoted(task.error.message if task.error else None, task, services.tasks),
        "upstream_request_id": task.error.upstream_request_id if task.error else None,
        "upstream_last_body": unquoted(_last_body(task, services), task, services.tasks),
    }


def _last_body(task: Task, services: Services) -> str | None:
    try:
        evidence = services.tasks.evidence(task.id)
    except StorageUnavailable:
        # The work of this sweep is done; what can still be told is told.
        return None
    return evidence.body if evidence else None
