"""Ask no earlier than an upstream that is too busy wants to be asked again."""

from darkroom.domain.task import Task
from darkroom.errors import TaskChanged, UpstreamError
from darkroom.ports import Clock, Tasks
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import heed


def left_alone_until(error: UpstreamError, *, clock: Clock) -> float:
    """When the upstream may be asked again after this answer, in Unix seconds: at once, unless it said otherwise."""
    return clock() + (error.retry_after or 0.0)


def leave_alone(task: Task, error: UpstreamError, *, clock: Clock, tasks: Tasks, admission: Admission) -> Task:
    """The task as it is now: where the upstream asked for more patience than it had, its next look has moved back.

    A 429 is about the whole account, and heeded there too. Raises StorageUnavailable.
    """
    heed(task, error, admission=admission)
    until = left_alone_until(error, clock=clock)
    if not error.retry_after or task.next_check_at is None or until <= task.next_check_at:
        return task
    after = task.asked_to_wait(until=until)
    try:
        tasks.move(task, after)
    except TaskChanged:
        # Whoever was faster knows more than this silence says.
        return task
    return after
