"""GET /v1/tasks, GET /v1/tasks/{id} and POST /v1/tasks/{id}/cancel."""

from darkroom.observe import count
from darkroom.usecases.cancel_task import Cancel, cancel_task
from darkroom.web.answers import PRIVATE, Answer, list_answer
from darkroom.web.bodies import expect_no_body
from darkroom.web.call import Call
from darkroom.web.conditional import etag, is_known
from darkroom.web.cursors import write_cursor
from darkroom.web.filters import read_filters
from darkroom.web.problems import Problem
from darkroom.web.showing import own_task, task_answer, task_content, waited


def read(call: Call, task_id: str) -> Answer:
    """One task; waits for its end if that is preferred."""
    task, preference = waited(call, own_task(call, task_id))
    if is_known(call.request.headers.get("if-none-match", ""), etag(task.version)):
        return Answer(status=304, headers={**PRIVATE, "ETag": etag(task.version), **preference})
    return task_answer(call, task, 200, preference)


def list_tasks(call: Call) -> Answer:
    """One page of the caller's tasks, newest first; filtering may make it short although more follow."""
    services, owner = call.services, call.caller.owner
    filters = read_filters(call.query, owner=owner, keys=services.signing_keys, now=services.clock())
    page = services.tasks.list(filters.query)
    data = [task_content(call, task, evidence=False) for task in page.tasks if filters.fit(task)]
    if page.last_seen is None:
        return list_answer(data)
    return list_answer(data, write_cursor(services.signing_keys()[0], owner=owner, last_seen=page.last_seen))


def cancel(call: Call, task_id: str) -> Answer:
    """Cancel what can still be canceled, and say truly what that means."""
    expect_no_body(call.request)
    services = call.services
    outcome, task = cancel_task(own_task(call, task_id), clock=services.clock, tasks=services.tasks, admission=services.admission)
    match outcome:
        case Cancel.CANCELED:
            count("TasksCanceled")
            return task_answer(call, task, 200)
        case Cancel.REQUESTED:
            return task_answer(call, task, 202)
        case Cancel.TOO_LATE:
            raise Problem("too_late", "the picture was made and is being stored; it will be kept")
        case Cancel.ALREADY_TERMINAL:
            raise Problem("already_terminal", f"the task has ended already: {task.status.value}")
