"""Everything that goes wrong, as RFC 9457 problem documents; the last resort for errors that nobody named is here."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from darkroom.catalogue.faults import MOST_FAULTS
from darkroom.errors import ConfigurationError, KeyReused, StorageUnavailable, TaskChanged
from darkroom.observe import logger
from darkroom.web.answers import Answer

CONTENT_TYPE = "application/problem+json"

_LONGEST_NAME = 300
_RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means: its HTTP status, a title, and whether the same request may be sent again."""

    status: int
    title: str
    retryable: str = "no"


KINDS: Mapping[str, Kind] = {
    "malformed_json": Kind(400, "The body is not JSON in UTF-8"),
    "invalid_header": Kind(400, "A header cannot be used"),
    "invalid_query": Kind(400, "The query cannot be used"),
    "unauthorized": Kind(401, "A valid API key is needed"),
    "scope_missing": Kind(403, "The API key may not do this"),
    "not_found": Kind(404, "There is no such thing here"),
    "method_not_allowed": Kind(405, "This path does not take this method"),
    "already_terminal": Kind(409, "The task has ended"),
    "too_late": Kind(409, "The picture is being stored already"),
    "not_terminal": Kind(409, "The task has not ended", "later"),
    "image_gone": Kind(410, "The picture is no longer kept"),
    "too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body is not of type application/json"),
    "invalid_request": Kind(422, "The request is not acceptable"),
    "idempotency_mismatch": Kind(422, "The Idempotency-Key belongs to another request"),
    "internal_error": Kind(500, "Something failed here that should not have"),
    "unavailable": Kind(503, "Our own storage does not answer"),
}


@dataclass(frozen=True, slots=True)
class InputFault:
    """One fault of the input: `where` is pointer (into the body), parameter or header."""

    where: str
    name: str
    detail: str


class Problem(Exception):
    """An answer that is not the one hoped for; `code` is one of KINDS."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        faults: Sequence[InputFault] = (),
        headers: Mapping[str, str] | None = None,
        retryable: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.faults = faults
        self.headers = headers or {}
        self.retryable = retryable or KINDS[code].retryable


def guarded(work: Callable[[], Answer], *, request_id: str, repeatable: bool) -> tuple[Answer, str | None]:
    """The answer of `work`, or the problem it ran into, with its code. `repeatable`: doing it twice is doing it once."""
    try:
        return work(), None
    except Exception as error:
        # The last resort: whatever happened, the caller gets a document and we get the stack.
        problem = as_problem(error, repeatable=repeatable)
        if problem.code == "internal_error":
            logger.exception("request failed", extra={"request_id": request_id})
        return render(problem, request_id), problem.code


def as_problem(error: Exception, *, repeatable: bool) -> Problem:
    """What to tell the caller about `error`; nothing of an error that we did not expect."""
    match error:
        case Problem():
            return error
        case KeyReused():
            return Problem("idempotency_mismatch", str(error))
        case StorageUnavailable() | TaskChanged():
            return _unavailable(repeatable=repeatable)
        case ConfigurationError():
            return Problem("internal_error", "this deployment is not set up rightly; its log says what is wrong")
        case _:
            return Problem("internal_error", "an error that we did not foresee; our log has it", retryable=_again(repeatable))


def _unavailable(*, repeatable: bool) -> Problem:
    detail = (
        "our storage did not answer; send the same request again"
        if repeatable
        else "our storage did not answer, and what you asked for may have been done all the same: look before you send it again "
        "(POST /v1/tasks with an Idempotency-Key can always be sent again)"
    )
    return Problem("unavailable", detail, headers={"Retry-After": str(_RETRY_AFTER_S)}, retryable=_again(repeatable))


def _again(repeatable: bool) -> str:
    return "same" if repeatable else "manual"


def render(problem: Problem, request_id: str) -> Answer:
    """The problem document and its headers."""
    pointless = {"x-should-retry": "false"} if problem.retryable in ("no", "manual") else {}
    return Answer(
        status=KINDS[problem.code].status,
        body=json.dumps(_document(problem, request_id), separators=(",", ":")),
        headers={"Cache-Control": "no-store", **pointless, **problem.headers},
        content_type=CONTENT_TYPE,
    )


def _document(problem: Problem, request_id: str) -> dict[str, Any]:
    kind = KINDS[problem.code]
    document = {
        "type": f"urn:darkroom:problem:{problem.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail + _left_out(len(problem.faults)),
        "instance": f"urn:darkroom:request:{request_id}",
        "code": problem.code,
        "request_id": request_id,
        "retryable": problem.retryable,
    }
    errors = [{fault.where: fault.name[:_LONGEST_NAME], "detail": fault.detail} for fault in problem.faults[:MOST_FAULTS]]
    return document | ({"errors": errors} if errors else {})


def _left_out(found: int) -> str:
    """What to add when not every fault is listed. A reader may have stopped at one more than are."""
    return f"; the first {MOST_FAULTS} of at least {found} faults are listed" if found > MOST_FAULTS else ""
