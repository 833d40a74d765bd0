"""The gateways' error envelopes, HiAPI's E-a to E-f and Pixapi's P-a to P-c, with the request id wherever one has been seen.

E-a  {code, message, data: null, error_code}           docs and official clients
E-b  {error: {code, message, type: "hiapi_error"}}     permission and rate limit errors
E-c  {error: {code, message, type, request_id}}        unknown models
E-d  {error: {code, message}}
E-e  {code: 200, data: {status: "fail", error}}        a terminal task inside a success envelope
E-f  not JSON: an edge proxy's HTML page, plain text, or nothing at all
P-a  {error: {code: NUMBER, message, type}}            Pixapi's errors page
P-b  {error: {code, message, request_id}}              Pixapi's guide to error handling
P-c  {code: NUMBER, message}                           Pixapi's legacy format
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.simulator.messages import JSON_TYPE, Answer, Json, dump

DEFAULT_TYPES = {"E-b": "hiapi_error", "E-c": "invalid_request_error"}
REQUEST_ID_PLACES = ("header", "error", "field", "message", "none")


@dataclass(frozen=True)
class Refusal:
    """One error to be put into an envelope."""

    status: int
    message: str
    error_code: str | None = None
    envelope: str = "E-a"
    request_id: str = ""
    request_id_in: str = "header"
    text: str = "html"

    @property
    def wording(self) -> str:
        """The message, with the request id at its end when that is its place."""
        return f"{self.message} (request id: {self.request_id})" if self.request_id_in == "message" else self.message


def refusal_answer(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Answer:
    """The refusal on the wire, in the envelope that it names."""
    if refusal.envelope == "E-f":
        body, content_type = _edge_page(refusal)
        shaped = {"Content-Type": content_type}
    else:
        body, shaped = dump(_with_field(refusal, ENVELOPES[refusal.envelope](refusal))), dict(JSON_TYPE)
    hidden = refusal.request_id_in != "header"
    return Answer(refusal.status, body, {**shaped, **(headers or {})}, hide_request_id=hidden)


def _flat(refusal: Refusal) -> dict[str, Json]:
    code = {"error_code": refusal.error_code} if refusal.error_code else {}
    return {"code": refusal.status, "message": refusal.wording, "data": None} | code


def _nested(refusal: Refusal) -> dict[str, Json]:
    error: dict[str, Json] = {"code": refusal.error_code or str(refusal.status), "message": refusal.wording}
    if refusal.envelope in DEFAULT_TYPES:
        error["type"] = DEFAULT_TYPES[refusal.envelope]
    if refusal.request_id_in == "error" or refusal.envelope in ("E-c", "P-b"):
        error["request_id"] = refusal.request_id
    return {"error": error}


def _numbered(refusal: Refusal) -> dict[str, Json]:
    number = refusal.status if refusal.status >= 400 else 400
    return {"error": {"code": number, "message": refusal.wording, "type": refusal.error_code or "error"}}


def _legacy(refusal: Refusal) -> dict[str, Json]:
    return {"code": 1000 + refusal.status, "message": refusal.wording}


def _failed_task(refusal: Refusal) -> dict[str, Json]:
    error = {"code": refusal.error_code or "TASK_FAILED", "message": refusal.wording}
    return {"code": 200, "message": "success", "data": {"status": "fail", "error": error}}


def _with_field(refusal: Refusal, body: dict[str, Json]) -> dict[str, Json]:
    return body | ({"request_id": refusal.request_id} if refusal.request_id_in == "field" else {})


def _edge_page(refusal: Refusal) -> tuple[bytes, str]:
    line = f"{refusal.status} {refusal.wording}"
    pages = {
        "html": (f"<html><head><title>{line}</title></head><body><h1>{line}</h1></body></html>", "text/html"),
        "plain": (line, "text/plain"),
        "empty": ("", "text/plain"),
    }
    page, content_type = pages[refusal.text]
    return page.encode(), content_type


ENVELOPES: dict[str, Callable[[Refusal], dict[str, Json]]] = {
    "E-a": _flat,
    "E-b": _nested,
    "E-c": _nested,
    "E-d": _nested,
    "E-e": _failed_task,
    "P-a": _numbered,
    "P-b": _nested,
    "P-c": _legacy,
}
ENVELOPE_NAMES = (*ENVELOPES, "E-f")
