"""Every error that Darkroom raises on purpose, sorted by what to do next.

DarkroomError
├── ConfigurationError        fix the deployment: a setting or secret is missing or contradicts another
├── IllegalMove               fix our code: the state machine forbids this move
├── KeyReused                 tell the caller: this Idempotency-Key belongs to another request
├── StoreError                our own services
│   ├── TaskExists            read: somebody added this task before us
│   ├── TaskChanged           re-read and decide again: somebody moved the task first
│   ├── AccountChanged        re-read and decide again: somebody changed the upstream account's row first
│   └── StorageUnavailable    ask again: table, bucket, queue or secret did not answer
├── UpstreamError             what a gateway said, or failed to say
│   ├── UpstreamUnavailable   ask again, same key: it provably did no work
│   │   └── NotAsked          the same, and it is not the gateway's fault
│   ├── UpstreamRefused       do not ask again: it said no
│   ├── OutcomeUnknown        find out: it may have done the work
│   └── UpstreamTaskNotFound  look once more, then give up: it does not know this task
├── CallbackRejected          somebody else wrote this callback
│   ├── TokenRejected         answer as if there were no such task
│   └── SignatureRejected     answer 401
└── DownloadError             the bytes behind an output URL
    ├── DownloadInterrupted   try the same URL again
    ├── OutputGone            try it again, then ask the upstream for a fresh URL
    └── OutputRefused         give up: too large, an address we never fetch, or bytes that no further try can change
"""

from enum import StrEnum


class DarkroomError(Exception):
    """Base of everything below."""


class ConfigurationError(DarkroomError):
    """A setting or secret is missing or contradicts another; the message names it."""


class IllegalMove(DarkroomError):
    """The state machine forbids this move."""


class KeyReused(DarkroomError):
    """The owner has used this Idempotency-Key for another request."""


class StoreError(DarkroomError):
    """Base of what our own table, bucket and queue report."""


class TaskExists(StoreError):
    """The task row is there already."""


class TaskChanged(StoreError):
    """The task moved since it was read."""


class AccountChanged(StoreError):
    """The upstream account's row changed since it was read."""


class StorageUnavailable(StoreError):
    """One of our own services did not answer; the message names it."""


class UpstreamError(DarkroomError):
    """What a gateway answered: code and message as it said them, without keys or URL queries.

    `status` is the HTTP status (None without an answer), `retry_after` is in seconds (None when not said),
    `raw` is the answer's body, capped.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        raw: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.raw = raw


class UpstreamUnavailable(UpstreamError):
    """Refused before any work was done (429, the gateway's own 503, connection refused): the same request may go again.

    `about_the_request`: the gateway itself has looked at it and said so; a connection that fails, or a proxy's 429, tells nothing
    of another model.
    """

    def __init__(self, message: str, *, about_the_request: bool = False, **kwargs: object) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]  # forwards UpstreamError's own keywords
        self.about_the_request = about_the_request


class NotAsked(UpstreamUnavailable):
    """Our own secret could not be read, or no time was left: it says nothing about the gateway, which knows nothing of it."""


class About(StrEnum):
    """What a refusal is about, and so what else would be refused."""

    REQUEST = "request"
    MODEL = "model"
    ACCOUNT = "account"


class UpstreamRefused(UpstreamError):
    """A definite no: `reason` is our error code for it, `charged` what it cost, `retryable` whether a new try makes sense."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        about: About | None = None,
        charged: str = "no",
        retryable: str = "manual",
        **kwargs: object,
    ) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]  # forwards UpstreamError's own keywords
        self.reason = reason
        self.about = about or _usually_about(reason, self.status)
        self.charged = charged
        self.retryable = retryable


def _usually_about(reason: str, status: int | None) -> About:
    """What a refusal is about whose words tell no more than its reason; a 403 is about one model until another one meets it."""
    if reason == "model_unavailable" or (reason == "upstream_auth" and status == 403):
        return About.MODEL
    return About.ACCOUNT if reason in ("upstream_auth", "upstream_quota") else About.REQUEST


class OutcomeUnknown(UpstreamError):
    """The answer was lost or makes no sense: the work may have been done and billed.

    `unread` is what came, capped but otherwise as it was, where a person may find more in it than we did.
    """

    unread: bytes = b""


class UpstreamTaskNotFound(UpstreamError):
    """The gateway does not know the task (or it belongs to another account)."""


class CallbackRejected(DarkroomError):
    """A callback that the upstream did not write, or not to us."""


class TokenRejected(CallbackRejected):
    """The token in the callback's path is not ours, or has been retired."""


class SignatureRejected(CallbackRejected):
    """The signature is missing or does not fit the bytes."""


class DownloadError(DarkroomError):
    """The bytes behind an output URL could not be had; the message holds no URL query. `code` is the task error it leads to."""

    code = "storage_failed"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.code


class DownloadInterrupted(DownloadError):
    """A passing fault: time-out, broken connection, 5xx, 429, a file that ends early."""


class OutputGone(DownloadError):
    """Expired, or not there yet: 401, 403, 404 or 410, or something that is no image."""

    code = "output_expired"


class OutputRefused(DownloadError):
    """Never acceptable, however often it is fetched."""
