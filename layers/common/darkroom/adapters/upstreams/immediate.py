"""What upstreams have in common whose POST answers with the end itself: no task to look at, no key, no callback."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from darkroom.adapters.upstreams.bearer import Bearer
from darkroom.adapters.upstreams.bodies import frozen, require_no_route, with_extra_body
from darkroom.adapters.upstreams.callbackless import NeverCallsBack
from darkroom.adapters.upstreams.complaints import Complaint
from darkroom.adapters.upstreams.connections import Http
from darkroom.adapters.upstreams.digest import LARGE_BODY, digest, unread_of
from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.once import complaint_of, raise_once
from darkroom.adapters.upstreams.reading import text
from darkroom.adapters.upstreams.refusals import RAW_CAP
from darkroom.domain.news import News, Says
from darkroom.domain.redact import redact, redact_bytes
from darkroom.domain.task import Output, TaskError
from darkroom.errors import UpstreamTaskNotFound
from darkroom.ports import Accepted, Promises, Secrets

ANSWERS_WITHIN_S = 600.0
"""Synchronous generations take minutes; a client of Pixapi's waits ten (a third party's, in Go). Ours has to fit a Lambda run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an answer brought: images, or the error that says why there is none; `missing` says what else could not be read."""

    images: tuple[Output, ...] = ()
    missing: tuple[str, ...] = ()
    error: TaskError | None = None


class Immediate(NeverCallsBack, ABC):
    """`Upstream` over one synchronous endpoint of the gateway at `base_url` (origin, without `/v1`).

    `merge_extra_body`: give the fields of an `extra_body` to the top level instead of sending it as a field of its own.
    """

    promises: ClassVar[Promises]
    path: ClassVar[str]
    key_field: ClassVar[str]

    def __init__(
        self,
        *,
        base_url: str,
        secrets: Secrets,
        http: Http | None = None,
        now: Callable[[], float] = time.time,
        max_body: int = LARGE_BODY,
        merge_extra_body: bool = False,
    ) -> None:
        self._url = base_url.rstrip("/") + self.path
        self._bearer = Bearer(field=self.key_field, secrets=secrets, http=http, max_body=max_body)
        self._now = now
        self._merge_extra_body = merge_extra_body

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    @abstractmethod
    def body_of(self, model: str, input: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request for `input`."""

    @abstractmethod
    def result_of(self, doc: Mapping[str, Any]) -> Result | None:
        """What a success holds; None when it is none of this endpoint's."""

    def complaint_of(self, answer: Answer, doc: Mapping[str, Any] | None) -> Complaint:
        """What an answer complains about."""
        return complaint_of(answer, doc)

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
        return frozen(with_extra_body(self.body_of(model, input), merged=self._merge_extra_body))

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:  # noqa: ARG002  (the port's)
        """POST `body`, once (there is no idempotency key to send `key` as), and wait minutes for the end: `Accepted.news`.

        Raises UpstreamUnavailable, UpstreamRefused or OutcomeUnknown.
        """
        return self._bearer.with_fresh_key(lambda secret, left: self._create(body, secret, left), timeout_s)

    def look(self, upstream_task_id: str, *, attempt: int, timeout_s: float) -> News:  # noqa: ARG002  (the port's)
        """Raises UpstreamTaskNotFound: an answer that was lost is lost."""
        raise UpstreamTaskNotFound(f"the upstream {self.name} keeps no tasks that could be asked about")

    def _create(self, body: bytes, secret: str, timeout_s: float) -> Accepted:
        headers = {"Content-Type": "application/json"}
        asked = self._bearer.ask("POST", self._url, secret, timeout_s, headers, body)
        unread = unread_of(asked)
        doc, answer = digest(asked, partly=True)
        del asked
        # What broke off is good for the pictures that had come, and for nothing that it says besides.
        said = doc if answer.complete else None
        complaint = self.complaint_of(answer, said)
        result = self.result_of(doc) if doc is not None and 200 <= answer.status < 300 else None
        if result is None or (not result.images and (complaint.is_error or not answer.complete)):
            raise_once(answer, said, complaint, now=self._now(), missing="no image and no error", unread=unread)
        if not answer.complete:
            result = replace(result, missing=(*result.missing, "the answer broke off"))
        return _accepted(result, answer, doc or {}, complaint.request_id, b"" if _is_understood(result) else unread)


def _is_understood(result: Result) -> bool:
    """Whether nothing is left in the answer that a person might still find."""
    if result.error is not None:
        return result.error.code == "content_rejected"
    return bool(result.images) and not result.missing


def _accepted(result: Result, answer: Answer, doc: Mapping[str, Any], request_id: str | None, unread: bytes) -> Accepted:
    upstream_task_id = redact(text(doc.get("id")) or "", 128)
    news = News(
        says=Says.FAILED if result.error else Says.SUCCEEDED,
        attempt=0,
        by="create",
        upstream_task_id=upstream_task_id or None,
        outputs=result.images,
        missing=result.missing,
        error=result.error,
        request_id=request_id,
        raw=redact_bytes(answer.body, RAW_CAP),
        unread=unread,
    )
    return Accepted(upstream_task_id=upstream_task_id, request_id=request_id, news=news)
