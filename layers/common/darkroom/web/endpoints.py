"""Every operation of the API, once: routing, 405 answers and the OpenAPI document all read this table."""

from collections.abc import Callable
from importlib import import_module

from darkroom.web import about, creating, images, offering, tasks, uploads
from darkroom.web.answers import Answer
from darkroom.web.call import Call, Endpoint
from darkroom.web.filters import PARAMETERS


def _admin(name: str) -> Callable[..., Answer]:
    """What only operators ask for, and seldom, is loaded when it is asked for: each cold start would pay for it."""

    def answer(call: Call, **parameters: str) -> Answer:
        asked: Callable[..., Answer] = getattr(import_module("darkroom.web.admin"), name)
        return asked(call, **parameters)

    return answer


_WRITE, _READ, _ADMIN, _ANY_KEY, _NO_KEY = "tasks:write", "tasks:read", "admin", "", None

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(method="POST", path="/v1/tasks", name="createTask", answer=creating.create, scope=_WRITE, repeatable=False),
    Endpoint(method="GET", path="/v1/tasks", name="listTasks", answer=tasks.list_tasks, scope=_READ, query=PARAMETERS),
    Endpoint(method="GET", path="/v1/tasks/{task_id}", name="readTask", answer=tasks.read, scope=_READ),
    Endpoint(method="POST", path="/v1/tasks/{task_id}/cancel", name="cancelTask", answer=tasks.cancel, scope=_WRITE),
    Endpoint(
        method="POST", path="/v1/tasks/{task_id}/retry", name="retryTask", answer=creating.retry, scope=_WRITE, repeatable=False
    ),
    Endpoint(method="GET", path="/v1/images/{image_id}", name="readImage", answer=images.redirect, scope=_READ),
    Endpoint(method="HEAD", path="/v1/images/{image_id}", name="headImage", answer=images.head, scope=_READ),
    Endpoint(method="POST", path="/v1/uploads", name="createUpload", answer=uploads.create_upload, scope=_WRITE),
    Endpoint(method="GET", path="/v1/models", name="listModels", answer=offering.list_models, scope=_ANY_KEY),
    Endpoint(method="GET", path="/v1/presets", name="listPresets", answer=offering.list_presets, scope=_ANY_KEY),
    Endpoint(method="POST", path="/v1/admin/keys", name="createKey", answer=_admin("create_key"), scope=_ADMIN, repeatable=False),
    Endpoint(method="GET", path="/v1/admin/keys", name="listKeys", answer=_admin("list_keys"), scope=_ADMIN),
    Endpoint(method="DELETE", path="/v1/admin/keys/{key_id}", name="revokeKey", answer=_admin("revoke_key"), scope=_ADMIN),
    Endpoint(method="GET", path="/v1/admin/upstreams", name="listUpstreams", answer=_admin("list_upstreams"), scope=_ADMIN),
    Endpoint(
        method="POST",
        path="/v1/admin/upstreams/{account_id}/resume",
        name="resumeUpstream",
        answer=_admin("resume_upstream"),
        scope=_ADMIN,
    ),
    Endpoint(method="POST", path="/v1/admin/reconcile", name="reconcile", answer=_admin("reconcile"), scope=_ADMIN),
    Endpoint(method="POST", path="/v1/admin/redrive", name="redrive", answer=_admin("redrive"), scope=_ADMIN),
    Endpoint(method="GET", path="/healthz", name="healthz", answer=about.healthz, scope=_NO_KEY, query=None),
    Endpoint(method="GET", path="/openapi.json", name="openapi", answer=about.openapi, scope=_NO_KEY, query=None),
    # Its own function, with its own rights, answers this one.
    Endpoint(
        method="POST",
        path="/v1/callbacks/{upstream}/{task_id}/{token}",
        name="receiveCallback",
        answer=None,
        scope=_NO_KEY,
        query=None,
    ),
)
