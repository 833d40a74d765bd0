"""Begin an attempt: have it sent, and write down that it is being sent when everything that it sends is ready."""

from darkroom.domain.task import Request, Task, Timing
from darkroom.errors import StorageUnavailable
from darkroom.ports import Clock, Job, Prepare, Queue, Tasks, Upstream


def have_it_sent(task: Task, queue: Queue) -> None:
    """Ask a worker to send the task's present attempt."""
    try:
        queue.send(Job(do="submit", task_id=task.id, attempt=task.attempt))
    except StorageUnavailable:
        # The row is safe and has a time at which the reconciler sends the job again.
        return


def begin_attempt(
    task: Task, *, clock: Clock, tasks: Tasks, upstream: Upstream, prepare: Prepare, timing: Timing
) -> tuple[Task, Request]:
    """The unsent `task`, which has its slot, in phase submitting, and its request as it is to be sent.

    Raises TaskChanged: somebody else sends it, or it has ended. Raises StorageUnavailable.
    """
    asked = task.request or tasks.request_of(task)
    # The first attempt's bytes are frozen already, with an address for the callback or without.
    called_back = None if task.attempt == 1 else asked.origin is not None and upstream.promises.calls_back
    now = clock()
    sending = task.submitting(now, callback_expected=called_back, look_by=now + timing.waiting_check_s)
    # Ready before the row says "submitting": from then on nobody knows whether it was sent.
    request = prepare(sending, asked)
    tasks.move(task, sending)
    return sending, request
