"""HiAPI's asynchronous task API: one POST makes a task, its end comes as a signed callback or is asked for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from darkroom.adapters.upstreams import hiapi_callbacks
from darkroom.adapters.upstreams.bearer import Bearer
from darkroom.adapters.upstreams.bodies import frozen
from darkroom.adapters.upstreams.complaints import Complaint, read_complaint
from darkroom.adapters.upstreams.connections import Http
from darkroom.adapters.upstreams.digest import LARGE_BODY, digest
from darkroom.adapters.upstreams.hiapi_errors import PROCESSING, raise_for_create
from darkroom.adapters.upstreams.hiapi_tasks import ID_NAMES, read_news, task_id
from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.reading import mapping, object_or_none
from darkroom.adapters.upstreams.refusals import raise_for_look
from darkroom.domain.news import News
from darkroom.errors import OutcomeUnknown, UpstreamUnavailable
from darkroom.ports import Accepted, Heard, Promises, Secrets

KEY_FIELD = "hiapi_api_key"
# Of an account, looks included; some plans allow more (HiAPI docs, rate limits).
IN_FLIGHT, PER_MINUTE = 10, 60
WEBHOOK_FIELDS = ("hiapi_webhook_secret", "hiapi_webhook_secret_previous")


class HiApi:
    """The gateway at `base_url` (origin, without `/v1`). The key is read for every request, so a rotation needs no deploy."""

    name = "hiapi"
    # The gateway forgets a key after about 24 h, and the same request would then be a new, billed task (HiAPI's SDKs, README).
    # Outputs live for about 7 days (HiAPI docs, async-api/detail).
    promises = Promises(
        collapses_repeats_for_s=23 * 3600,
        calls_back=True,
        in_flight=IN_FLIGHT,
        per_minute=PER_MINUTE,
        signs_callbacks=True,
        can_cancel=False,
        outputs_kept_s=7 * 86_400,
    )

    def __init__(
        self,
        *,
        base_url: str,
        secrets: Secrets,
        http: Http | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._tasks_url = base_url.rstrip("/") + "/v1/tasks"
        self._secrets = secrets
        self._bearer = Bearer(field=KEY_FIELD, secrets=secrets, http=http)
        # A task that has ended may hold its pictures themselves.
        self._looks = Bearer(field=KEY_FIELD, secrets=secrets, http=http, max_body=LARGE_BODY)
        self._now = now

    def __repr__(self) -> str:
        return f"HiApi({self._tasks_url!r})"

    def freeze(self, *, model: str, route: str | None, input: Mapping[str, Any], callback_url: str | None) -> bytes:
        """The same bytes for the same request, always: the gateway hashes them (HiAPI's SDKs). No route means the default one."""
        body: dict[str, Any] = {"model": model, "input": input}
        if route not in (None, "", "default"):
            body["route"] = route
        if callback_url:
            body["callback"] = {"url": callback_url, "when": "final"}
        return frozen(body)

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:
        """POST `body` under the idempotency key `key` (HiAPI docs, async-api/create).

        Raises UpstreamUnavailable, UpstreamRefused or OutcomeUnknown. `timeout_s` bounds it all, the second try with a
        changed key included.
        """
        return self._bearer.with_fresh_key(lambda secret, left: self._create(body, key, secret, left), timeout_s)

    def look(self, upstream_task_id: str, *, attempt: int, timeout_s: float) -> News:
        """GET the task (HiAPI docs, async-api/detail).

        Raises UpstreamUnavailable, UpstreamRefused, OutcomeUnknown or UpstreamTaskNotFound.
        """
        return self._bearer.with_fresh_key(lambda secret, left: self._detail(upstream_task_id, attempt, secret, left), timeout_s)

    def hear(self, headers: Mapping[str, str], raw: bytes, *, attempt: int, now: float) -> Heard:
        """Read a callback; raises SignatureRejected, and StorageUnavailable when the webhook secrets cannot be read."""
        secrets = [secret for secret in (self._secrets.get(field).strip() for field in WEBHOOK_FIELDS) if secret]
        return hiapi_callbacks.hear(headers, raw, secrets=secrets, attempt=attempt, now=now)

    # -- one request each ---------------------------------------------------------------------------

    def _create(self, body: bytes, key: str, secret: str, timeout_s: float) -> Accepted:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        answer = self._bearer.ask("POST", self._tasks_url, secret, timeout_s, headers, body)
        doc = object_or_none(answer.body) if answer.complete else None
        complaint = read_complaint(answer, doc)
        accepted = _accepted(answer, doc or {}, complaint)
        if accepted is None:
            raise_for_create(answer, complaint, now=self._now())
        return accepted

    def _detail(self, upstream_task_id: str, attempt: int, secret: str, timeout_s: float) -> News:
        # Dots too: a client would resolve ".." in a path.
        url = f"{self._tasks_url}/{quote(upstream_task_id, safe='', errors='replace').replace('.', '%2E')}"
        try:
            asked = self._looks.ask("GET", url, secret, timeout_s, {})
        except OutcomeUnknown as error:
            raise UpstreamUnavailable(error.message) from error
        doc, answer = digest(asked)
        news = None
        if doc is not None and 200 <= answer.status < 300:
            news = read_news(doc, attempt=attempt, by="poll", raw=answer.body, headers=answer.headers)
        if news is None:
            raise_for_look(answer, read_complaint(answer, doc), now=self._now())
        return news if news.upstream_task_id else replace(news, upstream_task_id=upstream_task_id)


def _accepted(answer: Answer, doc: Mapping[str, Any], complaint: Complaint) -> Accepted | None:
    """The task that the answer names, if it is an answer that means acceptance."""
    if complaint.word == PROCESSING:
        # The first request with this key is still running; some answers name its task (HiAPI skills).
        found, replayed = _named_task(doc, also=mapping(doc.get("error"))), True
    elif 200 <= answer.status < 300:
        found = _named_task(doc, only_documented=complaint.is_error)
        replayed = answer.headers.get("idempotent-replay", "").strip().lower() == "true"
    else:
        return None
    return Accepted(upstream_task_id=found, replayed=replayed, request_id=complaint.request_id) if found else None


def _named_task(doc: Mapping[str, Any], *, also: Mapping[str, Any] | None = None, only_documented: bool = False) -> str | None:
    """Beside an error only `data.taskId` counts: a task that is named there exists, and looking at it will tell."""
    data = mapping(doc.get("data"))
    if only_documented:
        return task_id(data, names=ID_NAMES[:1])
    return task_id(data) or task_id(doc, names=ID_NAMES) or task_id(also or {}, names=ID_NAMES)
