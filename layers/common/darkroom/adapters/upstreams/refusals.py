"""What gateways' complaints have in common: which of them are final, what they mean to a task, and what they cost."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from darkroom.adapters.upstreams.complaints import Complaint, retry_after
from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.reading import object_or_none
from darkroom.domain.redact import redact_bytes
from darkroom.errors import OutcomeUnknown, UpstreamError, UpstreamRefused, UpstreamTaskNotFound, UpstreamUnavailable

RAW_CAP = 4096

# Refused before processing (HiAPI's SDKs retry these two, with any method).
_BEFORE_WORK_STATUS = frozenset({429, 503})
_BEFORE_WORK = frozenset({"rate_limit_exceeded"})

AUTH_REASON = "upstream_auth"
REASONS: Mapping[str, str] = {
    **dict.fromkeys(("unauthorized", "invalid_api_key", "authentication_error", "permission_denied", "forbidden"), AUTH_REASON),
    **dict.fromkeys(("insufficient_balance", "insufficient_credits", "insufficient_quota", "payment_required"), "upstream_quota"),
    **dict.fromkeys(("model_unavailable", "model_not_found"), "model_unavailable"),
    **dict.fromkeys(("invalid_request", "invalid_parameter", "input_too_large", "unsupported_format"), "generation_failed"),
}
"""Codes that say: no work was done, and none will be."""

MAY_HAVE_WORKED = frozenset({"task_failed", "task_timeout", "storage_unavailable", "model_error", "provider_error"})
"""Codes of work that was begun: the answer is final, what it cost is not known."""

_REASON_OF_STATUS: Mapping[int, str] = {
    401: AUTH_REASON,
    402: "upstream_quota",
    403: AUTH_REASON,
    **dict.fromkeys((400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431, 451), "generation_failed"),
}

_POLICY_CODE = re.compile(r"polic|moderat|safety|nsfw|content_filter|sensitive|prompt_rejected|content_rejected|prohibited")
_POLICY_TEXT = re.compile(
    r"content[ _-]polic|usage polic|policy violation|violat\w* .{0,60}\bpolic|moderat(?:ion|ed)\b|nsfw"
    r"|safety (?:system|filter|polic|check|guideline|reason)|(?:prohibited|sensitive|inappropriate|explicit) content",
    re.IGNORECASE,
)


def is_policy(word: str, message: str) -> bool:
    """Whether the gateway clearly says that the content was the reason; it often does not (HiAPI skills, error guides)."""
    return _POLICY_CODE.search(word) is not None or _POLICY_TEXT.search(message) is not None


def is_auth(error: UpstreamError) -> bool:
    """Whether another key might change the answer."""
    return isinstance(error, UpstreamRefused) and error.reason == AUTH_REASON


def is_before_work(complaint: Complaint) -> bool:
    """Whether the gateway says by its status or code that it refused before any work."""
    return complaint.status in _BEFORE_WORK_STATUS or complaint.word in _BEFORE_WORK


def is_definite(answer: Answer, complaint: Complaint) -> bool:
    """Whether this is a no that will stay one. A broken-off body may have held the code that matters."""
    if 300 <= answer.status < 400:
        return False
    if complaint.word in REASONS or _POLICY_CODE.search(complaint.word):
        return True
    if complaint.word in MAY_HAVE_WORKED:
        return complaint.status < 500
    ambiguous = complaint.status in (409, 422) and not answer.complete
    return complaint.status in _REASON_OF_STATUS and not ambiguous


def reason_of(complaint: Complaint) -> str:
    """Our error code for a refusal."""
    reason = REASONS.get(complaint.word) or _REASON_OF_STATUS.get(complaint.status, "generation_failed")
    if reason == "generation_failed" and is_policy(complaint.word, complaint.message):
        return "content_rejected"
    return reason


def in_own_words(answer: Answer) -> bool:
    """Whether the gateway itself has answered: a proxy before it has pages of its own."""
    return answer.complete and object_or_none(answer.body) is not None


def retryable_for(complaint: Complaint) -> str:
    """A model that is down comes back (HiAPI's SDKs, error codes); one that does not exist does not."""
    return "later" if complaint.word == "model_unavailable" else "manual"


def charged_for(complaint: Complaint) -> str:
    """A conflict without a readable code may be about a task that was made."""
    conflict_without_code = complaint.status in (409, 422) and complaint.code is None
    return "unknown" if complaint.word in MAY_HAVE_WORKED or conflict_without_code else "no"


def refusal_message(complaint: Complaint) -> str:
    """The gateway's own words; a 403 alone tells nobody what to change."""
    if complaint.status == 403:
        return f"the upstream key or its plan may not use this model: {complaint.message}"
    return complaint.message


def unknown_message(answer: Answer, complaint: Complaint, *, missing: str = "no task") -> str:
    """Why nobody knows; `missing` is what an answer without an error should have named."""
    if complaint.is_error:
        return complaint.message
    return f"the answer names {missing}" if answer.complete else "the answer broke off"


def facts_of(answer: Answer, complaint: Complaint, now: float) -> dict[str, Any]:
    """An UpstreamError's keywords."""
    return {
        "code": complaint.code,
        "status": answer.status,
        "request_id": complaint.request_id,
        "retry_after": retry_after(answer.headers.get("retry-after"), now=now),
        "raw": redact_bytes(answer.body, RAW_CAP),
    }


def raise_for_look(answer: Answer, complaint: Complaint, *, now: float) -> NoReturn:
    """Raises what a look that brought no news means. Looking costs nothing: whatever may pass is asked again."""
    facts = facts_of(answer, complaint, now)
    if complaint.status == 404 or complaint.word in ("task_not_found", "not_found"):
        raise UpstreamTaskNotFound(complaint.message, **facts)
    if is_before_work(complaint) or complaint.status >= 500 or complaint.status in (408, 425) or not answer.complete:
        raise UpstreamUnavailable(complaint.message, **facts)
    if reason_of(complaint) in (AUTH_REASON, "upstream_quota"):
        raise UpstreamRefused(refusal_message(complaint), reason=reason_of(complaint), **facts)
    raise OutcomeUnknown(unknown_message(answer, complaint), **facts)
