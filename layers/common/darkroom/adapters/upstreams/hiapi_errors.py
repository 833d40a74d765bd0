"""What HiAPI's complaints mean for a create under an idempotency key: ask again, do not, or find out."""

from typing import NoReturn

from darkroom.adapters.upstreams.complaints import Complaint
from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.refusals import (
    MAY_HAVE_WORKED,
    facts_of,
    in_own_words,
    is_about_account,
    is_before_work,
    is_definite,
    refusal,
    unknown_message,
)
from darkroom.errors import OutcomeUnknown, UpstreamRefused, UpstreamUnavailable

PROCESSING = "idempotency_key_processing"
_MISMATCH = "idempotency_key_mismatch"
_PROCESSING_RETRY_S = 5.0


def raise_for_create(answer: Answer, complaint: Complaint, *, now: float) -> NoReturn:
    """Raises what a create that was not accepted means for its task."""
    facts = facts_of(answer, complaint, now)
    if complaint.word == PROCESSING:
        facts["retry_after"] = _PROCESSING_RETRY_S if facts["retry_after"] is None else facts["retry_after"]
        raise OutcomeUnknown(complaint.message, **facts)
    if complaint.word == _MISMATCH:
        raise UpstreamRefused(complaint.message, reason="submission_outcome_unknown", charged="unknown", **facts)
    if _did_no_work(answer, complaint):
        raise UpstreamUnavailable(complaint.message, about_the_request=in_own_words(answer), **facts)
    if not is_definite(answer, complaint):
        raise OutcomeUnknown(unknown_message(answer, complaint), **facts)
    raise refusal(complaint, facts)


def _did_no_work(answer: Answer, complaint: Complaint) -> bool:
    """A 503 counts only in the gateway's own words: a proxy before it may answer one although the work was begun."""
    if complaint.status == 503:
        return in_own_words(answer) and complaint.word not in MAY_HAVE_WORKED and not is_about_account(complaint)
    return is_before_work(complaint)
