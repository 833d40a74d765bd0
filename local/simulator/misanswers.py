"""Turns a fault that strikes a create or a look into the answer that it stands for."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from local.simulator.dialects import HIAPI, Dialect
from local.simulator.envelopes import Refusal, refusal_answer
from local.simulator.faults import Fault
from local.simulator.messages import JSON_TYPE, Answer, Request, success


def misanswer(fault: Fault, request: Request, honest: Answer | None = None, *, dialect: Dialect = HIAPI) -> Answer:
    """The wrong answer, as the API words it; `honest` is the right one, where the work was done."""
    name = fault.kind.name
    if "dropped" in name:
        return Answer(drop=True)
    if name == "create-200-no-id":
        return success({})
    if name.endswith("truncated"):
        return _truncated(honest)
    return refusal_answer(_refusal(fault, request, dialect), _retry_after(fault.params))


def _truncated(honest: Answer | None) -> Answer:
    body = honest.body if honest else b'{"code":200,"message":"success","data":{"taskId":"tk-'
    return Answer(200, body[: len(body) * 3 // 5], JSON_TYPE)


def _refusal(fault: Fault, request: Request, dialect: Dialect) -> Refusal:
    params = fault.params
    # What was not asked for in so many words, every API says in its own.
    as_usual = {name: params[name] == fault.kind.params[name] for name in ("envelope", "error_code")}
    own_envelope = as_usual["envelope"] and params["envelope"] != "E-f"
    return Refusal(
        status=params["status"],
        message=params["message"],
        error_code=dialect.code(params["status"], params["error_code"]) if as_usual["error_code"] else params["error_code"],
        envelope=dialect.envelope_of(params["envelope"]) if own_envelope else params["envelope"],
        request_id=request.id,
        request_id_in=params["request_id_in"],
        text=params["text"],
    )


def _retry_after(params: Mapping[str, Any]) -> dict[str, str]:
    seconds = params["retry_after"]
    if seconds is None:
        return {}
    if params["retry_after_date"]:
        return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)}
    return {"Retry-After": f"{seconds:g}"}
