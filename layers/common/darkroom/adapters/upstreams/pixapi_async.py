"""Pixapi's asynchronous Images API: one POST makes a task, and its end is asked for; no callbacks, no idempotency key."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from darkroom.adapters.upstreams.bearer import Bearer
from darkroom.adapters.upstreams.bodies import frozen, require_no_route
from darkroom.adapters.upstreams.callbackless import NeverCallsBack
from darkroom.adapters.upstreams.connections import Http
from darkroom.adapters.upstreams.digest import LARGE_BODY, digest, unread_of
from darkroom.adapters.upstreams.once import raise_once
from darkroom.adapters.upstreams.openai_images import images_body
from darkroom.adapters.upstreams.pixapi_errors import complaint_of
from darkroom.adapters.upstreams.pixapi_tasks import KEY_FIELD, TASK_NAMES, read_news, task_id
from darkroom.adapters.upstreams.refusals import raise_for_look
from darkroom.domain.news import News
from darkroom.errors import OutcomeUnknown, UpstreamUnavailable
from darkroom.ports import Accepted, Promises, Secrets


class PixapiAsync(NeverCallsBack):
    """The gateway at `base_url` (origin, without `/v1`). The key is read for every request, so a rotation needs no deploy."""

    name = "pixapi"
    # A repeat is a second, charged task (Pixapi's MCP server, README). No callback, cancelling, rate limit or lifetime of a URL
    # is documented anywhere.
    promises = Promises()

    def __init__(
        self,
        *,
        base_url: str,
        secrets: Secrets,
        http: Http | None = None,
        now: Callable[[], float] = time.time,
        max_body: int = LARGE_BODY,
    ) -> None:
        self._base = base_url.rstrip("/") + "/v1"
        self._bearer = Bearer(field=KEY_FIELD, secrets=secrets, http=http, max_body=max_body)
        self._now = now

    def __repr__(self) -> str:
        return f"PixapiAsync({self._base!r})"

    def freeze(
        self,
        *,
        model: str,
        route: str | None,
        input: Mapping[str, Any],
        callback_url: str | None,  # noqa: ARG002  (the port's)
    ) -> bytes:
        """The bytes to send; nobody will call `callback_url`. Raises ConfigurationError for a route."""
        require_no_route(self.name, route)
        return frozen(images_body(model, input))

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:  # noqa: ARG002  (the port's)
        """POST `body` (Pixapi docs, async tasks), once: there is no idempotency key to send `key` as.

        Raises UpstreamUnavailable, UpstreamRefused or OutcomeUnknown.
        """
        return self._bearer.with_fresh_key(lambda secret, left: self._create(body, secret, left), timeout_s)

    def look(self, upstream_task_id: str, *, attempt: int, timeout_s: float) -> News:
        """GET the task (Pixapi docs, async tasks).

        Raises UpstreamUnavailable, UpstreamRefused, OutcomeUnknown or UpstreamTaskNotFound.
        """
        return self._bearer.with_fresh_key(lambda secret, left: self._detail(upstream_task_id, attempt, secret, left), timeout_s)

    def _create(self, body: bytes, secret: str, timeout_s: float) -> Accepted:
        url, headers = self._base + "/async/images/generations", {"Content-Type": "application/json"}
        asked = self._bearer.ask("POST", url, secret, timeout_s, headers, body)
        doc, answer = digest(asked)
        complaint = complaint_of(answer, doc)
        found = None
        if doc is not None and 200 <= answer.status < 300:
            # Beside an error a bare `id` may be the request's.
            found = task_id(doc, names=TASK_NAMES) if complaint.is_error else task_id(doc)
        if found is None:
            raise_once(answer, doc, complaint, now=self._now(), unread=unread_of(asked))
        return Accepted(upstream_task_id=found, request_id=complaint.request_id)

    def _detail(self, upstream_task_id: str, attempt: int, secret: str, timeout_s: float) -> News:
        # Dots too: a client would resolve ".." in a path.
        url = f"{self._base}/tasks/{quote(upstream_task_id, safe='', errors='replace').replace('.', '%2E')}"
        try:
            asked = self._bearer.ask("GET", url, secret, timeout_s, {})
        except OutcomeUnknown as error:
            raise UpstreamUnavailable(error.message) from error
        doc, answer = digest(asked)
        news = None
        if doc is not None and 200 <= answer.status < 300:
            news = read_news(doc, attempt=attempt, raw=answer.body, headers=answer.headers)
        if news is None:
            raise_for_look(answer, complaint_of(answer, doc), now=self._now())
        return news if news.upstream_task_id else replace(news, upstream_task_id=upstream_task_id)
