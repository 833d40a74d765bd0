"""What HiAPI's complaints mean for a create and for a look: ask again, do not, or find out."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from darkroom.adapters.upstreams.hiapi_complaints import Complaint, retry_after
from darkroom.adapters.upstreams.http import Answer
from darkroom.domain.redact import redact_bytes
from darkroom.errors import OutcomeUnknown, UpstreamError, UpstreamRefused, UpstreamTaskNotFound, UpstreamUnavailable

RAW_CAP = 4096
PROCESSING = "idempotency_key_processing"
_MISMATCH = "idempotency_key_mismatch"
_PROCESSING_RETRY_S = 5.0

# Refused before processing (HiAPI's SDKs retry these two, with any method).
_BEFORE_WORK_STATUS = frozenset({429, 503})
_BEFORE_WORK = frozenset({"rate_limit_exceeded"})

AUTH_REASON = "upstream_auth"
_REASONS: Mapping[str, str] = {
    **dict.fromkeys(("unauthorized", "invalid_api_key", "authentication_error", "permission_denied", "forbidden"), AUTH_REASON),
    **dict.fromkeys(("insufficient_balance", "insufficient_credits", "insufficient_quota", "payment_required"), "upstream_quota"),
    **dict.fromkeys(("model_unavailable", "model_not_found"), "model_unavailable"),
    **dict.fromkeys(("invalid_request", "invalid_parameter", "input_too_large", "unsupported_format"), "generation_failed"),
}
"""Codes that say: no work was done, and none will be."""

_MAY_HAVE_WORKED = frozenset({"task_failed", "task_timeout", "storage_unavailable", "model_error", "provider_error"})
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


def raise_for_create(answer: Answer, complaint: Complaint, *, now: float) -> NoReturn:
    """Raises what a create that was not accepted means for its task."""
    facts = _facts(answer, complaint, now)
    if complaint.word == PROCESSING:
        facts["retry_after"] = _PROCESSING_RETRY_S if facts["retry_after"] is None else facts["retry_after"]
        raise OutcomeUnknown(complaint.message, **facts)
    if complaint.word == _MISMATCH:
        raise UpstreamRefused(complaint.message, reason="submission_outcome_unknown", charged="unknown", **facts)
    if _is_before_work(complaint):
        raise UpstreamUnavailable(complaint.message, **facts)
    if not _is_definite(answer, complaint):
        raise OutcomeUnknown(_unknown_message(answer, complaint), **facts)
    raise UpstreamRefused(_refusal_message(complaint), reason=_reason(complaint), charged=_charged(complaint), **facts)


def raise_for_look(answer: Answer, complaint: Complaint, *, now: float) -> NoReturn:
    """Raises what a look that brought no news means. Looking costs nothing: whatever may pass is asked again."""
    facts = _facts(answer, complaint, now)
    if complaint.status == 404 or complaint.word in ("task_not_found", "not_found"):
        raise UpstreamTaskNotFound(complaint.message, **facts)
    if _is_before_work(complaint) or complaint.status >= 500 or complaint.status in (408, 425) or not answer.complete:
        raise UpstreamUnavailable(complaint.message, **facts)
    if _reason(complaint) in (AUTH_REASON, "upstream_quota"):
        raise UpstreamRefused(_refusal_message(complaint), reason=_reason(complaint), **facts)
    raise OutcomeUnknown(_unknown_message(answer, complaint), **facts)


def is_auth(error: UpstreamError) -> bool:
    """Whether another key might change the answer."""
    return isinstance(error, UpstreamRefused) and error.reason == AUTH_REASON


def _is_before_work(complaint: Complaint) -> bool:
    return complaint.status in _BEFORE_WORK_STATUS or complaint.word in _BEFORE_WORK


def _is_definite(answer: Answer, complaint: Complaint) -> bool:
    """Whether this is a no that will stay one. A broken-off body may have held the code that matters."""
    if 300 <= answer.status < 400:
        return False
    if complaint.word in _REASONS or _POLICY_CODE.search(complaint.word):
        return True
    if complaint.word in _MAY_HAVE_WORKED:
        return complaint.status < 500
    ambiguous = complaint.status in (409, 422) and not answer.complete
    return complaint.status in _REASON_OF_STATUS and not ambiguous


def _reason(complaint: Complaint) -> str:
    reason = _REASONS.get(complaint.word) or _REASON_OF_STATUS.get(complaint.status, "generation_failed")
    if reason == "generation_failed" and is_policy(complaint.word, complaint.message):
        return "content_rejected"
    return reason


def _charged(complaint: Complaint) -> str:
    """A conflict without a readable code may be about a task that was made."""
    conflict_without_code = complaint.status in (409, 422) and complaint.code is None
    return "unknown" if complaint.word in _MAY_HAVE_WORKED or conflict_without_code else "no"


def _refusal_message(complaint: Complaint) -> str:
    if complaint.status == 403:
        return f"the upstream key or its plan may not use this model: {complaint.message}"
    return complaint.message


def _unknown_message(answer: Answer, complaint: Complaint) -> str:
    if complaint.is_error:
        return complaint.message
    return "the answer names no task" if answer.complete else "the answer broke off"


def _facts(answer: Answer, complaint: Complaint, now: float) -> dict[str, Any]:
    return {
        "code": complaint.code,
        "status": answer.status,
        "request_id": complaint.request_id,
        "retry_after": retry_after(answer.headers.get("retry-after"), now=now),
        "raw": redact_bytes(answer.body, RAW_CAP),
    }
