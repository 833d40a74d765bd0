"""What a callback says and how it is signed, truthfully or not.

Headers `X-HiAPI-Timestamp` (unix seconds) and `X-HiAPI-Signature`: the lower-case hex of HMAC-SHA256, keyed with the
secret, over timestamp, full stop and raw body (hiapi-python, webhooks); both are absent when no secret is set.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.simulator.messages import JSON_TYPE, Json, dump

OTHER_TASK = "tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR"
OTHER_SECRET = "not-the-secret-of-this-account"  # noqa: S105  (forgeries are signed with it)
ELSEWHERE = "https://attacker.example/0.png"

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Letter:
    """One delivery's body and headers."""

    body: bytes
    headers: Mapping[str, str]


def write_letter(task: Mapping[str, Json], *, stamp: int, secret: str | None, twists: Mapping[str, Params]) -> Letter:
    """The callback for this task object; `twists` are the faults that this delivery suffers, by name."""
    value: Json = dict(task)
    for name, change in VALUE_TWISTS.items():
        if name in twists:
            value = change(value, twists[name])
    body = b"success" if "callback-not-json" in twists else dump(value)
    stamp += _shift(twists)
    headers = _signed(body, stamp, OTHER_SECRET if "callback-forged" in twists else secret, twists)
    if "callback-tampered" in twists:
        body = dump(_tampered(dict(task)))
    return Letter(body, {**JSON_TYPE, **headers})


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HiAPI's signature of a body."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _signed(body: bytes, stamp: int, secret: str | None, twists: Mapping[str, Params]) -> dict[str, str]:
    if secret is None or "callback-unsigned" in twists:
        return {}
    signed = signature(secret, str(stamp), body)
    if "callback-upper-case" in twists:
        signed = signed.upper()
    return {"X-HiAPI-Timestamp": str(stamp), "X-HiAPI-Signature": signed}


def _shift(twists: Mapping[str, Params]) -> int:
    behind = int(twists["callback-stale"]["seconds"]) if "callback-stale" in twists else 0
    ahead = int(twists["callback-future"]["seconds"]) if "callback-future" in twists else 0
    return ahead - behind


def _tampered(task: dict[str, Json]) -> dict[str, Json]:
    task.pop("error", None)
    return task | {"status": "success", "output": [{"url": ELSEWHERE, "type": "image"}]}


def _not_final(task: Json, params: Params) -> Json:
    return {name: value for name, value in task.items() if name not in ("output", "error")} | {
        "status": params["status"],
        "completed": 0,
    }


VALUE_TWISTS: Mapping[str, Callable[[Json, Params], Json]] = {
    "callback-not-final": _not_final,
    "callback-no-storage": lambda task, _: {name: value for name, value in task.items() if name != "storage"},
    "callback-wrong-id": lambda task, _: {**task, "taskId": OTHER_TASK},
    "callback-wrapped": lambda task, _: {"code": 200, "message": "success", "data": task},
    "callback-array": lambda task, _: [task],
}
