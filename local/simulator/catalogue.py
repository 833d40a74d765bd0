"""Every fault the simulator knows, with the moment it strikes, its parameters and their defaults.

One home: arming, prompt markers, `GET /_sim` and the tests all read `FAULTS`.

A fault's `times` counts occasions of its moment: creates (`arrival`, `key`, `create`, `receipt`), tasks (`generation`,
`outcome`, `output`, `callback`), looks (`detail`), answers where images could be (`answer`) or downloads (`download`). Of the
faults armed for a create, a look or a download the oldest that matches strikes alone; on arrival of a create, for a task and
for an answer all that match strike together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.simulator.messages import Json

MOMENTS = ("arrival", "key", "create", "receipt", "generation", "outcome", "output", "answer", "callback", "detail", "download")


@dataclass(frozen=True)
class FaultKind:
    """One kind of misbehaviour. `lasting` kinds, armed by a marker, hold for the whole life of the task."""

    name: str
    moment: str
    meaning: str
    params: Mapping[str, Json] = field(default_factory=dict)
    lasting: bool = False


def _refusals(moment: str, status: int, meaning: str, *, suffix: str = "", **params: Json) -> FaultKind:
    shape = {
        "envelope": "E-a",
        "error_code": None,
        "message": f"simulated {status}",
        "request_id_in": "header",
        "retry_after": None,
        "retry_after_date": False,
        "text": "html",
    }
    accepted = {"accepted": False} if moment == "create" else {}
    return FaultKind(f"{moment}-{status}{suffix}", moment, meaning, {"status": status} | shape | accepted | params)


def _callback(name: str, meaning: str, **params: Json) -> FaultKind:
    return FaultKind(f"callback-{name}", "callback", meaning, params)


def _twist(name: str, meaning: str, **params: Json) -> FaultKind:
    return _callback(name, f"{meaning}; the first `deliveries` of them, 0 = all", deliveries=1, **params)


def _output(name: str, meaning: str, **params: Json) -> FaultKind:
    return FaultKind(f"output-{name}", "output", meaning, params)


def _answer(name: str, meaning: str, **params: Json) -> FaultKind:
    return FaultKind(f"answer-{name}", "answer", meaning, params, lasting=True)


def _download(name: str, meaning: str, *, lasting: bool = False, **params: Json) -> FaultKind:
    return FaultKind(f"download-{name}", "download", meaning, params, lasting)


PROCESSING = "IDEMPOTENCY_KEY_PROCESSING"
MISMATCH = "IDEMPOTENCY_KEY_MISMATCH"
EDGE = {"envelope": "E-f", "accepted": True}

KINDS = (
    _refusals("create", 400, "refused, in any envelope E-a to E-f", error_code="INVALID_REQUEST"),
    _refusals("create", 401, "the API key is refused"),
    _refusals("create", 402, "the balance is too low", message="insufficient balance"),
    _refusals("create", 403, "the key may not use the model", envelope="E-b", error_code="permission_denied"),
    _refusals("create", 404, "the model is not found", envelope="E-c", error_code="model_not_found"),
    _refusals("create", 409, "a conflict that is not about the key"),
    _refusals("create", 409, "the key is busy", suffix="-processing", error_code=PROCESSING, retry_after=5),
    _refusals("create", 413, "the body is too large"),
    _refusals("create", 415, "the content type is refused"),
    _refusals("create", 422, "the key belongs to other bytes", error_code=MISMATCH),
    _refusals("create", 429, "too many requests; retry_after in seconds or null", error_code="rate_limit_exceeded"),
    _refusals("create", 500, "an error before any work"),
    _refusals("create", 502, "an edge proxy's page before any work", envelope="E-f"),
    _refusals("create", 503, "unavailable, refused before any work"),
    _refusals("create", 504, "an edge proxy's time-out before any work", envelope="E-f"),
    _refusals("create", 500, "an error after the task was made and billed", suffix="-accepted", accepted=True),
    _refusals("create", 502, "an edge proxy's page after the task was made", suffix="-accepted", **EDGE),
    _refusals("create", 503, "unavailable, although the task was made", suffix="-accepted", accepted=True),
    _refusals("create", 504, "an edge proxy's time-out after the task was made", suffix="-accepted", **EDGE),
    _refusals(
        "create",
        200,
        "an error that hides in HTTP 200",
        suffix="-error",
        envelope="E-b",
        error_code="permission_denied",
    ),
    FaultKind("create-200-no-id", "create", "HTTP 200 without a task id", {"accepted": True}),
    FaultKind("create-200-truncated", "create", "HTTP 200 with half a JSON body", {"accepted": True}),
    FaultKind("create-dropped", "create", "the connection breaks before any work", {"accepted": False}),
    FaultKind("create-dropped-accepted", "create", "it breaks after the task was made", {"accepted": True}),
    FaultKind("create-slow", "arrival", "the create answer takes real seconds; its key is busy", {"seconds": 10.0}),
    FaultKind("key-aged", "key", "the key is older than 24 h and forgotten when it comes again"),
    FaultKind("clock-jump", "arrival", "simulated time jumps at a create", {"seconds": 90_000.0}),
    FaultKind("latency", "generation", "generating takes simulated seconds", {"seconds": 30.0}),
    FaultKind("hang", "generation", "the task never finishes"),
    FaultKind("callback-early", "generation", "the callback arrives before the create answer"),
    FaultKind(
        "fail",
        "outcome",
        "the generation fails",
        {"code": "TASK_FAILED", "message": "the upstream provider rejected the prompt", "billed": True},
    ),
    FaultKind("fail-uninformative", "outcome", "it fails without a reason", {"billed": True}),
    _output("empty", "success with an empty list of outputs"),
    _output("missing", "success without the field output"),
    _output("other-type", "success whose only output is of another type", type="video"),
    _output("extra", "an output of another type before the image", type="thumbnail"),
    _output("several", "several images", n=2),
    _output("format", "the image is png, jpeg, webp, avif or gif", format="webp"),
    _output("padded", "a valid image of exactly so many bytes", bytes=30_000_000),
    _output("oversized", "a valid image that is far too large", bytes=48 * 1024 * 1024),
    _output("url", "the output's URL is this one", url="http://169.254.169.254/latest/meta-data/"),
    _output("data-uri", "the output's URL is a data: URI"),
    _output("expiry", "expireAt in ms, as iso text, or absent", form="iso"),
    FaultKind(
        "answer-id",
        "receipt",
        "pixapi: the accepted task's id is in this field, in a `data` object, or a number",
        {"field": "task_id", "wrapped": False, "number": False},
    ),
    _answer("shape", "an image comes as url, b64, data-uri or both, or in a chat's words, parts or images", shape="b64"),
    _answer("place", "the images are in this place of the answer", place="output"),
    _answer("wrapped", "pixapi: the polled task comes inside an envelope", code=0),
    _answer("words", "pixapi: the status words of the polled task", running="in_progress", success="succeeded", failed="error"),
    _answer("refusal", "hiapi_chat: words instead of an image", reason="content_filter", message="I cannot draw that."),
    _callback("late", "the callback comes simulated seconds after the end", seconds=120.0),
    _callback("lost", "no callback is ever sent"),
    _callback("twofold", "delivered twice, one after the other", gap=0.0),
    _callback("repeated", "delivered n times, one after the other, simulated seconds apart", n=3, gap=0.0),
    _callback("concurrent", "delivered n times at once, then `more` times one by one", n=2, more=0),
    _twist("forged", "deliveries with a signature made with another secret"),
    _twist("unsigned", "deliveries without the two headers"),
    _twist("tampered", "deliveries whose body was changed after signing"),
    _twist("stale", "deliveries stamped seconds ago", seconds=3600),
    _twist("future", "deliveries stamped seconds ahead", seconds=3600),
    _twist("upper-case", "deliveries with the signature in capitals"),
    _twist("wrong-id", "signed deliveries that name another task"),
    _twist("wrapped", "deliveries inside the envelope"),
    _twist("array", "deliveries inside a JSON array"),
    _twist("not-json", "signed deliveries that are not JSON"),
    _twist("not-final", "deliveries with a status that is no end", status="handling"),
    _twist("no-storage", "deliveries without the field storage"),
    _callback("frozen-stamp", "redeliveries keep the first one's timestamp, in simulated time"),
    _refusals("detail", 404, "the task is not found", message="task not found"),
    _refusals("detail", 429, "too many requests", error_code="rate_limit_exceeded"),
    _refusals("detail", 500, "an error, with the request id in any place"),
    _refusals("detail", 502, "an edge proxy's page", envelope="E-f"),
    _refusals("detail", 503, "unavailable"),
    FaultKind("detail-unknown-status", "detail", "an undocumented status word", {"status": "postprocessing"}),
    FaultKind("detail-slow", "detail", "the answer takes real seconds", {"seconds": 10.0}),
    FaultKind("detail-dropped", "detail", "the connection breaks"),
    FaultKind("detail-truncated", "detail", "half a JSON body"),
    _download("expired", "this URL is dead for good; a later look gives a fresh one", status=403),
    _download("expired-always", "dead, and every fresh one too", status=403, lasting=True),
    _download("404", "not there yet"),
    _download("500", "the storage has an error"),
    _download("slow", "bytes per real second", bytes_per_second=50_000, lasting=True),
    _download("broken", "the connection breaks after so many bytes, 0 = half", after=0),
    _download("chunked", "no Content-Length", lasting=True),
    _download("not-image", "an HTML page", content_type="text/html", lasting=True),
    _download("redirect", "302 to the location, empty = a working copy", location="", lasting=True),
)
FAULTS: Mapping[str, FaultKind] = {kind.name: kind for kind in KINDS}
