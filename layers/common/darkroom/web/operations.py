"""What the OpenAPI document says about each operation beyond its path: bodies, headers, and how it can end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from darkroom.web import documents as doc
from darkroom.web.requests import KeyRequest, TaskRequest, UploadRequest

TASK_ID, IMAGE_ID = "task_01KBCDEFGHJKMNPQRSTVWXYZ01", "img_01KBCDEFGHJKMNPQRSTVWXYZ010100"

_CREATING = ("IdempotencyKey", "Prefer")
_TASK = ("ETag", "Cache-Control")
_OPEN = (*_TASK, "Retry-After")


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """An answer that was hoped for."""

    what: str
    body: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`problems` are codes beside those that every operation can end with; `parameters` name shared ones."""

    tag: str
    summary: str
    description: str
    good: Mapping[int, Good]
    problems: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    example: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Texts:
    replayed: str = "This Idempotency-Key named the task already, or its end was seen while waiting."
    accepted: str = "The task is stored. It may have failed already: its status says so."


_NO_BODY = ("malformed_json", "too_large", "unsupported_media_type", "invalid_request")
_SAID = _Texts()
_CREATED = ("Location", "Preference-Applied", "Idempotent-Replayed")

OPERATIONS: Mapping[str, Operation] = {
    "createTask": Operation(
        tag="tasks",
        summary="Create a task",
        description="Asks once for one picture. With an Idempotency-Key the same request can be sent again at any time for at "
        "least 24 hours: it answers with the same task in its current state, and nothing is generated or billed twice. All of it "
        "is validated by the model's own rules before anything is stored or sent.",
        good={
            200: Good(what=_SAID.replayed, body=doc.Task, headers=(*_OPEN, *_CREATED)),
            202: Good(what=_SAID.accepted, body=doc.Task, headers=(*_OPEN, *_CREATED)),
        },
        problems=(*_NO_BODY, "invalid_header", "idempotency_mismatch"),
        parameters=_CREATING,
        body=TaskRequest,
        example={
            "preset": "poster",
            "input": {"prompt": 'A launch poster with the headline "SUMMER DROP"', "aspect_ratio": "9:16"},
            "user": "u_123",
            "metadata": {"order": "8472"},
        },
    ),
    "listTasks": Operation(
        tag="tasks",
        summary="List your tasks",
        description="Newest first, and eventually consistent. A page may be short, or empty, and still have more: follow "
        "`next_cursor` until `has_more` is false.",
        good={200: Good(what="One page.", body=doc.TaskList, headers=("Cache-Control",))},
        parameters=("status", "user", "preset", "created_after", "created_before", "limit", "cursor"),
    ),
    "readTask": Operation(
        tag="tasks",
        summary="Read a task",
        description="`Prefer: wait=N` answers when the task has ended, or after N seconds at the latest.",
        good={
            200: Good(what="The task as it is.", body=doc.Task, headers=(*_OPEN, "Preference-Applied")),
            304: Good(what="You have this version.", headers=(*_TASK, "Preference-Applied")),
        },
        problems=("not_found",),
        parameters=("TaskId", "Prefer", "IfNoneMatch"),
    ),
    "cancelTask": Operation(
        tag="tasks",
        summary="Cancel a task",
        description="Before it is sent, at once. Afterwards the upstream may go on and bill it; the result is then dropped, and "
        "the task ends as canceled with the true `charged`.",
        good={
            200: Good(what="Canceled; nothing was sent.", body=doc.Task, headers=_TASK),
            202: Good(what="Noted; it will end as canceled.", body=doc.Task, headers=_OPEN),
        },
        problems=("not_found", "too_late", "already_terminal", *_NO_BODY),
        parameters=("TaskId",),
    ),
    "retryTask": Operation(
        tag="tasks",
        summary="Run an ended task again",
        description="A new task for the same request, checked by today's rules; it is generated and billed anew.",
        good={
            200: Good(what=_SAID.replayed, body=doc.Task, headers=(*_OPEN, *_CREATED)),
            202: Good(what=_SAID.accepted, body=doc.Task, headers=(*_OPEN, *_CREATED)),
        },
        problems=("not_found", "not_terminal", *_NO_BODY, "invalid_header", "idempotency_mismatch"),
        parameters=("TaskId", *_CREATING),
    ),
    "readImage": Operation(
        tag="images",
        summary="Get a picture",
        description="Redirects to a URL that needs no key and lives for 15 minutes. `Accept: application/json` gives the facts.",
        good={
            200: Good(what="The facts.", body=doc.Image, headers=("Cache-Control", "Vary")),
            302: Good(what="Where the bytes are.", headers=("Location", "Cache-Control", "Vary")),
        },
        problems=("not_found", "image_gone"),
        parameters=("ImageId",),
    ),
    "headImage": Operation(
        tag="images",
        summary="A picture's size, type and digest",
        description="Without a redirect and without the bytes.",
        good={
            200: Good(
                what="The facts, in headers.",
                headers=("Repr-Digest", "X-Image-Bytes", "X-Image-Width", "X-Image-Height", "Cache-Control"),
            )
        },
        problems=("not_found", "image_gone"),
        parameters=("ImageId",),
    ),
    "createUpload": Operation(
        tag="images",
        summary="Prepare the upload of a reference image",
        description="PUT the bytes to the `url` of the answer, with exactly its `headers` and without any key; then name the id "
        'in `input.images` of a task: `[{"upload": "upl_…"}]`. It is yours alone, takes its bytes once, and never changes after '
        "that. When a task names it, its first bytes are looked at: they must be of the type that was announced. Darkroom "
        "removes it by itself.",
        good={201: Good(what="Where the bytes go.", body=doc.Upload, headers=("Cache-Control",))},
        problems=_NO_BODY,
        body=UploadRequest,
        example={"content_type": "image/png", "size": 482113},
    ),
    "listModels": Operation(
        tag="catalogue",
        summary="List the models",
        description="With the JSON Schema of each route's input. A deployment may have models and presets of its own: this is "
        "what holds, and the schema of a create in this document knows only what is shipped.",
        good={200: Good(what="All of them.", body=doc.ModelList, headers=("Cache-Control",))},
    ),
    "listPresets": Operation(
        tag="catalogue",
        summary="List the presets",
        description="A preset names a purpose; which model serves it may change, with a new version. Only what the key may "
        "ask for is shown.",
        good={200: Good(what="All of them.", body=doc.PresetList, headers=("Cache-Control",))},
    ),
    "createKey": Operation(
        tag="admin",
        summary="Make an API key",
        description="The key is in this answer and nowhere else: only its hash is stored.",
        good={201: Good(what="The key, shown this once.", body=doc.NewKey, headers=("Cache-Control",))},
        problems=_NO_BODY,
        body=KeyRequest,
        example={"owner": "shop", "scopes": ["tasks:write", "tasks:read"], "name": "web shop, production"},
    ),
    "listKeys": Operation(
        tag="admin",
        summary="List the API keys",
        description="Revoked ones too; never the keys themselves.",
        good={200: Good(what="All of them.", body=doc.KeyList, headers=("Cache-Control",))},
    ),
    "revokeKey": Operation(
        tag="admin",
        summary="Revoke an API key",
        description="It may work for another minute where it is cached.",
        good={204: Good(what="It is revoked.", headers=("Cache-Control",))},
        problems=("not_found",),
        parameters=("KeyId",),
    ),
    "listUpstreams": Operation(
        tag="admin",
        summary="See the upstreams' accounts",
        description="How crowded each account is: tasks in flight, tasks that wait for a slot, requests of the last minute, and "
        "the limits that hold now: for a while after the upstream has answered 429 they are lower than the configured ones.",
        good={200: Good(what="All of them.", body=doc.UpstreamAccountList, headers=("Cache-Control",))},
    ),
    "resumeUpstream": Operation(
        tag="admin",
        summary="Use an account and all its models again",
        description="Ends a pause, and whatever of its models is shut, at once; nothing to end is no error. Otherwise the next "
        "probe that goes well does it. Returns the account as it is then.",
        good={200: Good(what="The account.", body=doc.UpstreamAccount, headers=("Cache-Control",))},
        problems=("not_found", *_NO_BODY),
        parameters=("AccountId",),
    ),
    "reconcile": Operation(
        tag="admin",
        summary="Look at overdue tasks now",
        description="What happens every minute anyway.",
        good={200: Good(what="What the sweep did.", body=doc.Reconciled, headers=("Cache-Control",))},
        problems=_NO_BODY,
    ),
    "redrive": Operation(
        tag="admin",
        summary="Bring dead letters back",
        description="Jobs that failed too often are tried again.",
        good={200: Good(what="How many.", body=doc.Redriven, headers=("Cache-Control",))},
        problems=_NO_BODY,
    ),
    "healthz": Operation(
        tag="about",
        summary="Is it running?",
        description="Asks nothing of table, bucket or upstream.",
        good={200: Good(what="It is.", body=doc.Health, headers=("Cache-Control",))},
    ),
    "openapi": Operation(
        tag="about",
        summary="This document",
        description="OpenAPI 3.1.",
        good={200: Good(what="The document.", headers=("Cache-Control",))},
    ),
}


@dataclass(frozen=True, slots=True)
class CallbackEnds:
    """How a delivery can end; its function has a notation of its own."""

    good: Mapping[int, tuple[str, type[BaseModel]]] = field(
        default_factory=lambda: {
            200: ("Taken, or of no use to us: do not deliver it again.", doc.CallbackAnswer),
            401: ("The signature is missing or wrong.", doc.CallbackProblem),
            404: ("No such address: the token is wrong, or there is no such task.", doc.CallbackProblem),
            413: ("More than 1 MiB.", doc.CallbackProblem),
            503: ("Our storage is away: deliver it again.", doc.CallbackRetry),
        }
    )
