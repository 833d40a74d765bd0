"""What a gateway's answer complains about, whichever of its error envelopes it comes in."""

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.reading import first_text, mapping, text
from darkroom.domain.redact import redact

MESSAGE_CAP = 500
_CODE_CAP = 100
_SCANNED = 1024 * 1024  # bytes of a body, or characters of a message, that are worth reading
_MOST_RETRY_AFTER_S = 3600.0
_ERROR_STATUS = re.compile(r"[45]\d\d")
_CODE_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+")
_REQUEST_ID = re.compile(r"request[ _-]?id\W{1,4}([A-Za-z0-9][A-Za-z0-9_-]{5,127})", re.IGNORECASE)
_REQUEST_ID_FORM = re.compile(r"[\x21-\x7e]{1,128}")
_SECONDS = re.compile(r"-?\d+(\.\d*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One normal form of them all; texts are redacted.

    `status` is the HTTP status, or what a 2xx body says in its place; `is_error` when anything at all says that it failed.
    `kind` is the error's `type`: some gateways put the word that tells there.
    """

    status: int
    code: str | None
    message: str
    request_id: str | None
    is_error: bool
    kind: str = ""

    @property
    def word(self) -> str:
        """The code, fit for comparing: HiAPI's docs write it in upper case, its answers also in lower case."""
        return (self.code or "").lower().replace("-", "_").replace(" ", "_")


def read_complaint(answer: Answer, doc: Mapping[str, Any] | None) -> Complaint:
    """What `answer`, whose body holds `doc`, complains about (HiAPI docs, error codes; its blog shows other envelopes)."""
    said = doc or {}
    error, inner = mapping(said.get("error")), mapping(mapping(said.get("data")).get("error"))
    code = _code(said, error, inner)
    message = _message(said, error, inner) or answer.body[:_SCANNED].decode(errors="replace").strip() or f"HTTP {answer.status}"
    fine = 200 <= answer.status < 300
    status = _embedded_status(said, error, inner) if fine else None
    return Complaint(
        status=status or answer.status,
        code=redact(code, _CODE_CAP) if code else None,
        message=redact(message, MESSAGE_CAP),
        request_id=request_id(answer.headers, [error, inner, said, mapping(said.get("data"))], message),
        is_error=bool(not fine or status or code or said.get("error") or inner),
        kind=redact(first_text(error.get("type"), inner.get("type")) or "", _CODE_CAP).lower(),
    )


def request_id(headers: Mapping[str, str], places: list[Mapping[str, Any]], message: str) -> str | None:
    """The id that HiAPI's support asks for: from the header, a field, or the message's own words."""
    fields = [place.get(name) for place in places for name in ("request_id", "requestId")]
    found = first_text(headers.get("x-request-id"), *fields)
    if found is None and (inside := _REQUEST_ID.search(message)):
        found = inside[1]
    return redact(found, 128) if found and _REQUEST_ID_FORM.fullmatch(found) else None


def retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds to wait, from a number or an HTTP date, within an hour; None when it says nothing that can be read."""
    value = (value or "").strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError, TypeError, IndexError):
            return None
    return min(max(seconds, 0.0), _MOST_RETRY_AFTER_S)


def _code(said: Mapping[str, Any], error: Mapping[str, Any], inner: Mapping[str, Any]) -> str | None:
    """The most telling code: words before numbers, since a number only repeats a status."""
    bare = said.get("error")
    loose = bare if isinstance(bare, str) and _CODE_LIKE.fullmatch(bare) else None
    top = text(said.get("code"))
    worded = top if top and not top.lstrip("-").isdigit() and top.lower() not in ("ok", "success") else None
    found = [code for code in map(text, (said.get("error_code"), error.get("code"), inner.get("code"), loose, worded)) if code]
    return next((code for code in found if not code.isdigit()), found[0] if found else None)


def _message(said: Mapping[str, Any], error: Mapping[str, Any], inner: Mapping[str, Any]) -> str | None:
    bare = said.get("error") if isinstance(said.get("error"), str) else None
    found = first_text(error.get("message"), inner.get("message"), bare, said.get("message"), said.get("detail"))
    return found[:_SCANNED] if found else None


def _embedded_status(said: Mapping[str, Any], error: Mapping[str, Any], inner: Mapping[str, Any]) -> int | None:
    """The error status that a body behind a 200 carries instead of the status line."""
    found = (text(place.get("code")) for place in (said, error, inner))
    return next((int(code) for code in found if code and _ERROR_STATUS.fullmatch(code)), None)
