"""What complaints mean for a POST that has no idempotency key and may be charged: it goes out at most once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from darkroom.adapters.upstreams.complaints import Complaint, read_complaint
from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.reading import mapping, text
from darkroom.adapters.upstreams.refusals import (
    MAY_HAVE_WORKED,
    facts_of,
    is_about_account,
    is_definite,
    refusal,
    unknown_message,
)
from darkroom.domain.redact import redact
from darkroom.errors import OutcomeUnknown, UpstreamUnavailable

_RATE = frozenset({"rate_limited", "rate_limit_exceeded"})
_FINE = frozenset({"0", "200", "201", "202"})


def complaint_of(answer: Answer, doc: Mapping[str, Any] | None) -> Complaint:
    """What `answer` complains about, in each of the shapes that Pixapi and HiAPI's OpenAI-style endpoints use.

    Beside a number the error's `type` is the word that tells (Pixapi docs, errors); behind a 200 a `code` other than a success
    is an error too (Pixapi docs, legacy format), and so is a `success` that is none.
    """
    said = doc or {}
    complaint = read_complaint(answer, doc)
    kind = text(mapping(said.get("error")).get("type"))
    if kind and (complaint.code is None or complaint.code.isdigit()):
        complaint = replace(complaint, code=redact(kind, 100))
    number = text(said.get("code")) if isinstance(said.get("code"), int) else None
    if number and number not in _FINE and not complaint.is_error:
        complaint = replace(complaint, code=number, is_error=True)
    if any(said.get(name) is False or text(said.get(name)) == "false" for name in ("success", "ok")):
        complaint = replace(complaint, is_error=True)
    return complaint


def raise_once(
    answer: Answer,
    doc: Mapping[str, Any] | None,
    complaint: Complaint,
    *,
    now: float,
    missing: str = "no task",
    unread: bytes = b"",
) -> NoReturn:
    """Raises what a POST without a key that brought no result means; `missing` is what it should have named.

    `unread` goes along where nobody knows what the answer means.
    """
    facts = facts_of(answer, complaint, now)
    if _did_no_work(doc, complaint):
        raise UpstreamUnavailable(complaint.message, about_the_request=doc is not None, **facts)
    if is_definite(answer, complaint):
        raise refusal(complaint, facts)
    if doc is not None and complaint.is_error and 200 <= complaint.status < 300:
        # A whole answer that says "error" is the end of it; only its price is open.
        raise refusal(complaint, facts, charged="unknown")
    unknown = OutcomeUnknown(unknown_message(answer, complaint, missing=missing), **facts)
    unknown.unread = unread
    raise unknown


def _did_no_work(doc: Mapping[str, Any] | None, complaint: Complaint) -> bool:
    """A 503 counts only in the gateway's own words: a proxy before it may answer one although the work was begun."""
    if is_about_account(complaint):
        return False
    if complaint.status == 429 or (complaint.word in _RATE and complaint.status < 500):
        return True
    began = complaint.word in MAY_HAVE_WORKED or complaint.word == "internal_error" or "timeout" in complaint.word
    return complaint.status == 503 and doc is not None and complaint.is_error and not began
