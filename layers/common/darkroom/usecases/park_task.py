"""What a task does whose model is shut: its preset's next model may serve at once, or it asks again when a probe is due."""

from darkroom.domain.admission import Parked
from darkroom.domain.again import after_failure
from darkroom.domain.task import Task, TaskError
from darkroom.errors import TaskChanged
from darkroom.ports import Tasks
from darkroom.usecases.account import Admission
from darkroom.usecases.begin_attempt import have_it_sent

_SPREAD_S = 5.0


def ask_again_at(parked: Parked, admission: Admission) -> float:
    """When it asks again: a little later than it may, so that a crowd does not come at once."""
    return parked.until + admission.jitter() * _SPREAD_S


def ask_behind_them_at(parked: Parked, admission: Admission) -> float:
    """When it asks again after it tried in vain: behind the others that wait for the model."""
    return ask_again_at(parked, admission) + _SPREAD_S


def park_task(task: Task, parked: Parked, *, admission: Admission, tasks: Tasks) -> Task:
    """The task, which is in nobody's way any more, with its new time or its next attempt; a later `attempt` is being sent.

    Raises StorageUnavailable: its own next look does it again.
    """
    after = _elsewhere(task, admission, tasks) or task.asked_to_wait(until=ask_again_at(parked, admission))
    try:
        tasks.move(task, after)
    except TaskChanged:
        return task
    if after.attempt != task.attempt:
        have_it_sent(after, admission.queue)
    return after


def _elsewhere(task: Task, admission: Admission, tasks: Tasks) -> Task | None:
    # What was sent once may be at work behind a proxy that said no: it is not sent elsewhere.
    if task.first_sent_at is not None or task.cancel_requested:
        return None
    request = task.request or tasks.request_of(task)
    instead = next(iter(request.alternatives[task.alternative :]), None)
    if instead is None:
        return None
    message = "the model is left alone for a moment: it has failed too often"
    reason = TaskError(code="upstream_unavailable", message=message, retryable="later", charged="no")
    return after_failure(task, reason, now=admission.clock(), by="create", instead=instead)
