"""Put what lives only for a while into a frozen request, just before it is sent."""

import base64
from collections.abc import Callable
from dataclasses import replace

from darkroom.domain.attempts import Alternative
from darkroom.domain.pictures import sniff
from darkroom.domain.task import Request, Task
from darkroom.domain.uploads import filled, upload_key, waits_for
from darkroom.errors import StorageUnavailable
from darkroom.ports import Bucket, CallbackUrl, Tasks, Upstream

_REUSED_S = 900
_ALWAYS_S = 30 * 86_400
_LEAST_S = 3600


def prepare_request(
    task: Task,
    request: Request,
    *,
    tasks: Tasks,
    bucket: Bucket,
    upstream_of: Callable[[str], Upstream],
    callback_url: CallbackUrl,
) -> Request:
    """`request` with its uploads in the place of their stand-ins; a first attempt without any, as it is and for nothing.

    A further attempt sends bytes of its own. They are made, and kept, by whoever sends it first: each of its repeats sends them.

    Addresses differ each time they are made and die with the role's session, so the bytes that hold them are kept before they
    are sent. Whatever repeats a sending finds them, and so does the next sending of a task that was not accepted, as long as they
    are young; one that had to wait longer gets fresh ones. Embedded files come from objects that never change: no need to keep
    them.
    """
    body = request.body if task.attempt == 1 else _frozen_anew(task, request, upstream_of(task.upstream), callback_url)
    good_for_s = _ALWAYS_S
    if waits_for(body, as_data=False):
        body, good_for_s = filled(body, lambda upload: _address(task, upload, bucket), as_data=False), _REUSED_S
    if body is not request.body:
        body = tasks.keep_sent(task, body, good_for_s=good_for_s)
    if waits_for(body, as_data=True):
        body = filled(body, lambda upload: _data_uri(task, upload, bucket), as_data=True)
    return request if body is request.body else replace(request, body=body)


def _frozen_anew(task: Task, request: Request, upstream: Upstream, callback_url: CallbackUrl) -> bytes:
    """What the task's present attempt sends, by the way that was planned for it."""
    url = None
    if request.origin is not None and upstream.promises.calls_back:
        url = callback_url(request.origin, upstream=upstream.name, task_id=task.id, attempt=task.attempt)
    way = _way(task, request)
    return upstream.freeze(model=way.wire_model, route=way.route, input=way.input, callback_url=url)


def _way(task: Task, request: Request) -> Alternative:
    if task.alternative:
        return request.alternatives[task.alternative - 1]
    return Alternative(
        upstream=task.upstream,
        model=task.model,
        route=task.route,
        wire_model=request.wire_model or task.model,
        input=request.input,
    )


def _address(task: Task, upload: str, bucket: Bucket) -> str:
    # Repeats end with the task's deadline, which counts from the sending: the last one may use what is as old as can be.
    return bucket.presign(upload_key(task.owner, upload), expires_s=max(_LEAST_S, task.timeout_s + _REUSED_S))


def _data_uri(task: Task, upload: str, bucket: Bucket) -> str:
    try:
        with bucket.read(upload_key(task.owner, upload)) as chunks:
            content = b"".join(chunks)
    except KeyError as error:
        raise StorageUnavailable(f"bucket: {upload}, which {task.id} was made with, is gone") from error
    picture = sniff(content)
    kind = picture.content_type if picture else "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
