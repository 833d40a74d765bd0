"""How a task, its request, its images and its evidence look as rows of the table."""

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from darkroom.adapters.dynamo import Row, key
from darkroom.adapters.row_size import row_size, value_size
from darkroom.adapters.values import fields_of, plain, record, records, typed
from darkroom.domain.task import Image, Output, Phase, Request, Task, TaskError
from darkroom.ports import Evidence

SHARDS = 8
"""How many partitions of the due index the open tasks are spread over."""

EMBED_LIMIT = 900
"""A request is kept inside the state row while the row stays within so many bytes: above 1024, every move costs twice."""

OUTPUTS_LIMIT = 600
"""Output URLs longer than this together are not kept; whoever stores later asks the upstream for fresh ones."""

IMAGES_IN_ROW = 2
EVIDENCE_KEPT_S = 40 * 86_400
_DAY_S = 86_400
_LEAST_KEPT_DAYS = 35
# What the moves add to a row after its birth, at most until its pictures are in: the upstream's ids, times, a lease.
_GROWTH = 220
# So much the measure may drift between two versions of us (or of zlib) before a request that was put into a row falls out of it.
_DRIFT = 100
# Far behind any end: a request has to outlive its state row.
_REQUEST_SLACK_S = 30 * _DAY_S

_SHORT = {
    "callback_expected": "callback",
    "cancel_requested": "cancel",
    "first_sent_at": "sent_at",
    "terminal_at": "ended_at",
    "upstream_request_id": "up_request",
    "upstream_task_id": "up_task",
}
_TEXTS = (
    "owner",
    "upstream",
    "model",
    "route",
    "preset",
    "user",
    "retry_of",
    "upstream_task_id",
    "upstream_request_id",
    "lease",
    "news_by",
)
_WHOLES = ("timeout_s", "version", "attempt", "looks")
_TIMES = ("created_at", "next_check_at", "first_sent_at", "submitted_at", "terminal_at", "lease_until", "news_at")
_FLAGS = ("cancel_requested", "callback_expected")
_UNSET = {"attempt": 1, "looks": 0, "cancel_requested": False, "callback_expected": False}
_OUTPUT = {"url": "url", "expires_at": "until"}
_IMAGE = {
    "index": "i",
    "content_type": "type",
    "size": "size",
    "width": "w",
    "height": "h",
    "sha256": "sha256",
    "created_at": "at",
    "attempt": "attempt",
    "late": "late",
}


# -- the state row ------------------------------------------------------------------------------------


def state_row(task: Task, *, retention_days: int, born: bool = False) -> Row:
    """The whole row; `born` when it is written for the first time, which decides where the request lives."""
    row = key(task.id, "state") | _facts(task) | _index_keys(task)
    if task.outputs and (outputs := packed_outputs(task.outputs)):
        row["outputs"] = outputs
    if len(task.images) > IMAGES_IN_ROW:
        row["images_row"] = {"S": images_key(task.images)}
    elif task.images:
        row["images"] = records(task.images, _IMAGE)
    if task.error is not None:
        row["error"] = record(task.error, {field.name: field.name for field in fields(task.error)})
    if (ends := expires_at(task, retention_days)) is not None:
        row["expires_at"] = {"N": str(ends)}
    if (packed := embedded_request(task, slack=0 if born else _DRIFT)) is not None:
        row["request"] = {"B": packed}
    return row


def task_of(row: Row, images_row: Row | None = None) -> Task:
    """The task of a state row; `images_row` is the row that it refers to, where it does."""
    values: dict[str, Any] = {name: _read(row, name) for name in (*_TEXTS, *_WHOLES, *_TIMES, *_FLAGS)}
    images = row.get("images") or (images_row or {}).get("images")
    return Task(
        id=row["pk"]["S"],
        phase=Phase(row["phase"]["S"]),
        outputs=tuple(Output(**fields_of(one["M"], _OUTPUT)) for one in row.get("outputs", {}).get("L", [])),
        images=tuple(Image(**fields_of(one["M"], _IMAGE)) for one in images["L"]) if images else (),
        error=TaskError(**{name: one["S"] for name, one in row["error"]["M"].items()}) if "error" in row else None,
        request=unpack_request(row["request"]["B"]) if "request" in row else None,
        **values,
    )


def expires_at(task: Task, retention_days: int) -> int | None:
    """When TTL may take the row: after its images' retention; None while it is open, or where nothing is ever removed."""
    if task.terminal_at is None or not task.is_terminal or retention_days == 0:
        return None
    return int(task.terminal_at + kept_days(retention_days) * _DAY_S)


def kept_days(retention_days: int) -> int:
    """How long a terminal row is kept, longer than its images."""
    return max(retention_days + 5, _LEAST_KEPT_DAYS)


def due_shard(shard: int) -> str:
    return f"due#{shard}"


def owner_day(owner: str, day: str) -> str:
    """The listing's partition: one owner's tasks of one UTC day (`2026-11-20`)."""
    return f"{owner}#{day}"


def day_of(at: float) -> str:
    """The UTC day of a Unix time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def packed_outputs(outputs: Sequence[Output]) -> Any | None:
    """The attribute that holds `outputs`, None when they are too long to keep."""
    packed = records(outputs, _OUTPUT)
    return packed if value_size(packed) <= OUTPUTS_LIMIT else None


def _facts(task: Task) -> Row:
    facts: Row = {"phase": {"S": task.phase.value}}
    for name in (*_TEXTS, *_WHOLES, *_TIMES, *_FLAGS):
        value = getattr(task, name)
        if value is not None and value != _UNSET.get(name):
            facts[_SHORT.get(name, name)] = typed(value)
    return facts


def _index_keys(task: Task) -> Row:
    keys: Row = {"owner_day": {"S": owner_day(task.owner, day_of(task.created_at))}, "listed_as": {"S": task.id}}
    if task.next_check_at is not None:
        keys["due_shard"] = {"S": due_shard(zlib.crc32(task.id.encode()) % SHARDS)}
    return keys


def _read(row: Row, name: str) -> Any:
    value = row.get(_SHORT.get(name, name))
    if value is None:
        return _UNSET.get(name)
    if name in _TIMES:
        return float(value["N"])
    return plain(value)


# -- the request: in the state row, or in its own --------------------------------------------------------


def fits_in_row(task: Task) -> bool:
    """Whether the task's request is kept inside its state row."""
    return embedded_request(task) is not None


def embedded_request(task: Task, *, slack: int = 0) -> bytes | None:
    """The request as it stands in the state row, None where it has a row of its own.

    Judged by what never changes, so that every move agrees.
    """
    if task.request is None:
        return None
    packed = pack_request(task.request)
    born = key(task.id, "state") | _facts(_newborn(task)) | _index_keys(task)
    size = row_size(born | {"request": {"B": packed}})
    return packed if size + _GROWTH <= EMBED_LIMIT + slack else None


def request_row(task: Task, request: Request, *, retention_days: int) -> Row:
    """The row that holds a request which is too long for the state row."""
    row = key(task.id, "request") | {"request": {"B": pack_request(request)}}
    if retention_days:
        ends = task.created_at + kept_days(retention_days) * _DAY_S + _REQUEST_SLACK_S
        row["expires_at"] = {"N": str(int(ends))}
    return row


def pack_request(request: Request) -> bytes:
    """Compressed JSON; the frozen body is text where it is UTF-8 (it then shares words with the input), else base 64."""
    facts: dict[str, Any] = {"input": request.input, "metadata": request.metadata}
    try:
        facts["body"] = request.body.decode()
    except UnicodeDecodeError:
        facts["body64"] = base64.b64encode(request.body).decode()
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    # JSON may say half a surrogate pair; UTF-8 may not.
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 9)


def unpack_request(packed: bytes) -> Request:
    facts = json.loads(zlib.decompress(packed).decode("utf-8", "surrogatepass"))
    body = facts["body"].encode() if "body" in facts else base64.b64decode(facts["body64"])
    return Request(input=facts["input"], body=body, metadata=facts["metadata"])


def _newborn(task: Task) -> Task:
    """The task with every fact that a move can change left out."""
    return Task(
        id=task.id,
        owner=task.owner,
        upstream=task.upstream,
        model=task.model,
        timeout_s=task.timeout_s,
        created_at=task.created_at,
        phase=Phase.SUBMITTING,
        next_check_at=task.created_at,
        route=task.route,
        preset=task.preset,
        user=task.user,
        retry_of=task.retry_of,
        callback_expected=task.callback_expected,
    )


# -- rows beside the state row -----------------------------------------------------------------------------


def images_key(images: Sequence[Image]) -> str:
    """The sort key of a row of many images: named by its content, so that no later writer can replace it."""
    facts = json.dumps(records(images, _IMAGE), sort_keys=True, default=bytes.hex)
    return "images#" + hashlib.sha256(facts.encode()).hexdigest()[:12]


def images_row(task: Task, *, retention_days: int) -> Row:
    row = key(task.id, images_key(task.images)) | {"images": records(task.images, _IMAGE)}
    ends = expires_at(task, retention_days)
    return row if ends is None else row | {"expires_at": {"N": str(ends)}}


def evidence_row(task_id: str, evidence: Evidence) -> Row:
    facts = {field.name: getattr(evidence, field.name) for field in fields(evidence)}
    values = {name: typed(value) for name, value in facts.items() if value is not None}
    return key(task_id, "evidence") | values | {"expires_at": {"N": str(int(evidence.at + EVIDENCE_KEPT_S))}}


def evidence_of(row: Row) -> Evidence:
    return Evidence(
        body=row["body"]["S"],
        at=float(row["at"]["N"]),
        source=row["source"]["S"],
        status=int(row["status"]["N"]) if "status" in row else None,
        request_id=row["request_id"]["S"] if "request_id" in row else None,
    )
