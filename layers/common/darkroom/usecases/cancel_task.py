"""Cancel tells the truth: at once while nothing was sent, a wish afterwards, too late from storing on."""

from enum import StrEnum

from darkroom.domain.task import NOT_SENT, Phase, Task
from darkroom.errors import TaskChanged
from darkroom.ports import Clock, Tasks
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import hand_on

_TRIES = 5


class Cancel(StrEnum):
    """What became of the wish."""

    CANCELED = "canceled"
    REQUESTED = "requested"
    TOO_LATE = "too_late"
    ALREADY_TERMINAL = "already_terminal"


def cancel_task(task: Task, *, clock: Clock, tasks: Tasks, admission: Admission) -> tuple[Cancel, Task]:
    """Cancel the freshly read `task`; raises TaskChanged when it never stands still, StorageUnavailable."""
    current = task
    for _ in range(_TRIES):
        outcome, after = _decide(current, clock())
        if after is None:
            return outcome, current
        try:
            tasks.move(current, after)
        except TaskChanged:
            current = tasks.get(task.id) or current
        else:
            if outcome is Cancel.CANCELED:
                hand_on(current, admission=admission)
            return outcome, after
    raise TaskChanged(f"{task.id} moved {_TRIES} times while it was being canceled")


def _decide(task: Task, now: float) -> tuple[Cancel, Task | None]:
    if task.is_terminal:
        return Cancel.ALREADY_TERMINAL, None
    if task.phase is Phase.STORING:
        return Cancel.TOO_LATE, None
    if task.phase in NOT_SENT:
        return Cancel.CANCELED, task.canceled(now, charged="no", by="cancel")
    return Cancel.REQUESTED, None if task.cancel_requested else task.cancel_asked()
