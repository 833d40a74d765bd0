"""What gateways' complaints have in common: which of them are final, what they are about, and what they cost."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from darkroom.adapters.upstreams.complaints import Complaint, retry_after
from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.reading import object_or_none
from darkroom.domain.redact import redact_bytes
from darkroom.errors import About, OutcomeUnknown, UpstreamError, UpstreamRefused, UpstreamTaskNotFound, UpstreamUnavailable

RAW_CAP = 4096
POLICY_SCANNED = 2000

# Refused before processing (HiAPI's SDKs retry these two, with any method).
_BEFORE_WORK_STATUS = frozenset({429, 503})
_BEFORE_WORK = frozenset({"rate_limit_exceeded"})

AUTH_REASON = "upstream_auth"
QUOTA_REASON = "upstream_quota"
_POLICY_REASON = "content_rejected"
_MODEL_REASON = "model_unavailable"
_OTHER_REASON = "generation_failed"

MAY_HAVE_WORKED = frozenset({"task_failed", "task_timeout", "storage_unavailable", "model_error", "provider_error"})
"""Codes of work that was begun: the answer is final, what it cost is not known."""

_WRONG_REQUEST = frozenset({"invalid_request", "invalid_parameter", "input_too_large", "unsupported_format"})
_DENIED = frozenset({"permission_denied", "permission_error", "forbidden", "access_denied", "insufficient_permissions"})
"""Codes that do not tell who may not: the key, or the key for this model. HiAPI uses the first one for both."""

# Of a code's letters and digits: HiAPI and Pixapi write model_not_found, others ModelNotFound or model.not-found.
_POLICY_CODE = re.compile(
    r"polic|moderat|safety|unsafe|nsfw|violation|content(?:filter|block|reject|notallowed)|prompt(?:reject|block)|sensitive"
    r"|prohibited|inappropriate|responsibleai|riskcontrol"
)
_MODEL_CODE = re.compile(
    r"model(?:not(?:found|available|supported|allowed)|un(?:available|supported)|disabled|forbidden|accessdenied|retired)"
    r"|(?:unknown|unsupported|invalid|nosuch)model$"
)
_QUOTA_CODE = re.compile(
    r"insufficient(?:user)?(?:balance|credit|quota|fund)|paymentrequired|billing"
    r"|(?:balance|credits?)(?:insufficient|toolow|notenough|exhausted)"
)
_AUTH_CODE = re.compile(
    r"unauthorized|unauthenticated|authentication|(?:^|api)key(?:invalid|expired|revoked|disabled|missing|notfound)"
    r"|(?:invalid|incorrect|expired|revoked|missing|disabled)(?:api)?(?:key|token|credential)"
    r"|account(?:suspended|disabled|deactivated|banned|blocked|locked|frozen|closed)"
)
_BY_CODE = (
    (_POLICY_CODE, _POLICY_REASON),
    (_MODEL_CODE, _MODEL_REASON),
    (_QUOTA_CODE, QUOTA_REASON),
    (_AUTH_CODE, AUTH_REASON),
)
_MARKS = re.compile(r"[^a-z0-9]+")
# Repetitions are bounded and the text is capped: a gateway may quote a prompt of any length and form.
_POLICY_TEXT = re.compile(
    r"content[ _-]polic|usage polic|policy violation|violat\w{0,10} .{0,60}\bpolic|moderat(?:ion|ed)\b|nsfw"
    r"|safety (?:system|filter|polic|check|guideline|reason)|(?:prohibited|sensitive|inappropriate|explicit) content",
    re.IGNORECASE,
)
_ACCOUNT_TEXT = re.compile(
    r"\bkeys?\b|\bapikey\b|\baccount\b|\bcredentials?\b|\bsubscription\b|(?:invalid|expired|access|bearer|auth) token",
    re.IGNORECASE,
)
_QUOTA_TEXT = re.compile(r"\bbalance\b|\bcredits?\b|\bquota\b|\bbilling\b|\bpayment\b", re.IGNORECASE)
_MODEL_TEXT = re.compile(r"\bmodels?\b", re.IGNORECASE)

_ABOUT: Mapping[str, About] = {AUTH_REASON: About.ACCOUNT, QUOTA_REASON: About.ACCOUNT, _MODEL_REASON: About.MODEL}
_REFUSING_STATUS = frozenset({400, 401, 402, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431, 451})


def is_policy(word: str, message: str) -> bool:
    """Whether the gateway clearly says that the content was the reason; it often does not (HiAPI skills, error guides).

    It reads the first `POLICY_SCANNED` characters of each.
    """
    by_code = _POLICY_CODE.search(_bare(word[:POLICY_SCANNED]))
    return by_code is not None or _POLICY_TEXT.search(message[:POLICY_SCANNED]) is not None


def is_auth(error: UpstreamError) -> bool:
    """Whether another key might change the answer."""
    return isinstance(error, UpstreamRefused) and error.reason == AUTH_REASON


def is_before_work(complaint: Complaint) -> bool:
    """Whether the gateway says by its status or code that it refused before any work, and for want of capacity."""
    busy = complaint.status in _BEFORE_WORK_STATUS or complaint.word in _BEFORE_WORK
    return busy and not is_about_account(complaint)


def is_about_account(complaint: Complaint) -> bool:
    """Whether the code names the key, the account or its balance: some gateways say so with a 429."""
    return _reason_in_code(complaint) in (AUTH_REASON, QUOTA_REASON)


def is_definite(answer: Answer, complaint: Complaint) -> bool:
    """Whether this is a no that will stay one. A broken-off body may have held the code that matters."""
    if 300 <= answer.status < 400:
        return False
    if _reason_in_code(complaint) or complaint.word in _WRONG_REQUEST | _DENIED:
        return True
    if complaint.word in MAY_HAVE_WORKED:
        return complaint.status < 500
    ambiguous = complaint.status in (409, 422) and not answer.complete
    return complaint.status in _REFUSING_STATUS and not ambiguous


def sort_refusal(complaint: Complaint) -> tuple[str, About]:
    """Our error code for a refusal, and what it is about.

    Its code is believed before its words, and both before its status: gateways use 401, 402 and 403 for content and models too.
    """
    reason = _reason_in_code(complaint)
    if reason is None and is_policy("", complaint.message):
        reason = _POLICY_REASON
    if reason is None and complaint.word not in MAY_HAVE_WORKED | _WRONG_REQUEST:
        if complaint.status == 402:
            reason = QUOTA_REASON
        elif complaint.status in (401, 403) or complaint.word in _DENIED:
            return _sort_denial(complaint)
    return reason or _OTHER_REASON, _ABOUT.get(reason or "", About.REQUEST)


def refusal(complaint: Complaint, facts: Mapping[str, Any], *, charged: str | None = None) -> UpstreamRefused:
    """The error for a complaint that is a definite no."""
    reason, about = sort_refusal(complaint)
    return UpstreamRefused(
        _message(complaint, about) if reason == AUTH_REASON else complaint.message,
        reason=reason,
        about=about,
        charged=charged or charged_for(complaint),
        retryable=retryable_for(complaint),
        **facts,
    )


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
    if sort_refusal(complaint)[0] in (AUTH_REASON, QUOTA_REASON):
        raise refusal(complaint, facts)
    raise OutcomeUnknown(unknown_message(answer, complaint), **facts)


def _reason_in_code(complaint: Complaint) -> str | None:
    words = (_bare(complaint.word), _bare(complaint.kind))
    return next((reason for word in words for pattern, reason in _BY_CODE if pattern.search(word)), None)


def _bare(word: str) -> str:
    return _MARKS.sub("", word)


def _message(complaint: Complaint, about: About) -> str:
    """The gateway's own words; that a model was denied alone tells nobody what to change."""
    if about is About.MODEL:
        return f"the upstream key or its plan may not use this model: {complaint.message}"
    return complaint.message


def _sort_denial(complaint: Complaint) -> tuple[str, About]:
    """Who may not, by the gateway's words: without any, a 401 is about the key, and a 403 about the key for this model."""
    said = "" if complaint.message.startswith("<") else complaint.message
    of_account = _ACCOUNT_TEXT.search(said) is not None
    if _MODEL_TEXT.search(said) and not (complaint.status == 401 and of_account):
        return AUTH_REASON, About.MODEL
    if complaint.status != 401 and _QUOTA_TEXT.search(said):
        return QUOTA_REASON, About.ACCOUNT
    return AUTH_REASON, About.ACCOUNT if of_account or complaint.status == 401 else About.MODEL
