"""What follows when an attempt has failed: another one, or the end. Every failure, however it is heard of, is decided here."""

from darkroom.domain.attempts import Alternative
from darkroom.domain.task import Task, TaskError


def after_failure(
    task: Task,
    error: TaskError,
    *,
    now: float,
    by: str,
    upstream_task_id: str | None = None,
    instead: Alternative | None = None,
    wait_s: float = 0.0,
) -> Task:
    """The task after its present attempt failed with `error`; a later `attempt` than before means that it goes on.

    `instead` is the preset's next model, given only by whoever knows that the upstream refused before any work. Otherwise the
    same is tried again (not before `wait_s` seconds) where the adapter states both: nothing was charged, and a new try makes
    sense. A task that is to be canceled goes nowhere.
    """
    if task.cancel_requested or error.charged != "no":
        return task.failed(now, error, by=by, upstream_task_id=upstream_task_id)
    if instead is not None:
        return task.again(now, error, instead=instead)
    if error.retryable == "later" and task.retries_left > 0:
        return task.again(now, error, wait_s=wait_s)
    return task.failed(now, error, by=by, upstream_task_id=upstream_task_id)
