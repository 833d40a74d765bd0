"""How a task, its request, its images and its evidence look as rows of the table."""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from weakref import ref

from darkroom.adapters.data_uris import is_data_uri
from darkroom.adapters.dynamo import Row, key
from darkroom.adapters.packing import pack, unpack
from darkroom.adapters.row_size import row_size, value_size
from darkroom.adapters.values import fields_of, plain, record, records, typed
from darkroom.domain.attempts import Attempt
from darkroom.domain.task import Image, Output, Phase, Request, Task, TaskError
from darkroom.ports import Evidence

SHARDS = 8
"""How many partitions of the due index the open tasks are spread over."""

EMBED_LIMIT = 900
"""A request is kept inside the state row while the row stays within so many bytes: above 1024, every move costs twice."""

OUTPUTS_LIMIT = 600
"""Output URLs longer than this together are not kept; whoever stores later asks the upstream for fresh ones, if it can."""

IMAGES_IN_ROW = 2
EVIDENCE_KEPT_S = 40 * 86_400
_DAY_S = 86_400
_LEAST_KEPT_DAYS = 35
# What the moves add to a row after its birth, until its pictures are in: the upstream's ids, times, a lease, a usual address.
_GROWTH = 280
# So much the measure may drift between two versions of us (or of zlib) before a request that was put into a row falls out of it.
_DRIFT = 100
# Repeats end with the attempt's deadline, a day after its first POST at the latest.
_SENT_KEPT_S = 3 * _DAY_S
# Far behind any end: a request has to outlive its state row.
_REQUEST_SLACK_S = 30 * _DAY_S

# What was packed or unpacked last, by task, and after how many attempts: packing and measuring again for every move would be a
# tenth of what a move costs. Requests themselves are not kept: they may hold pictures.
_PACKED: dict[str, tuple[ref[Request], int, bytes | None]] = {}
_PACKED_SIZE = 1000

_SHORT = {
    "alternative": "way",
    "callback_expected": "callback",
    "cancel_requested": "cancel",
    "first_sent_at": "sent_at",
    "max_auto_retries": "retries",
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
_WHOLES = ("timeout_s", "version", "attempt", "looks", "max_auto_retries", "alternative")
_TIMES = ("created_at", "next_check_at", "first_sent_at", "submitted_at", "terminal_at", "lease_until", "news_at", "hinted_at")
_FLAGS = ("cancel_requested", "callback_expected")
_UNSET = {
    "attempt": 1,
    "looks": 0,
    "max_auto_retries": 0,
    "alternative": 0,
    "cancel_requested": False,
    "callback_expected": False,
}
_FACTS = tuple((name, _SHORT.get(name, name), _UNSET.get(name)) for name in (*_TEXTS, *_WHOLES, *_TIMES, *_FLAGS))
"""What a task says of itself in one value each: the field, its name in the row, and what it says where it is not in the row."""

# When the task is looked at next, where the index has it under an earlier time.
_LOOK_AT = "look_at"
_OUTPUT = {"url": "url", "expires_at": "until"}
_ATTEMPT = {"upstream": "u", "model": "m", "route": "r", "sent_at": "s", "ended_at": "e", "code": "c", "paid": "paid"}
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
    if outputs := kept_outputs(task.outputs):
        row["outputs"] = records(outputs, _OUTPUT)
    if len(task.images) > IMAGES_IN_ROW:
        row["images_row"] = {"S": images_key(task.images)}
    elif task.images:
        row["images"] = _images_record(task.images)
    if task.missing:
        row["missing"] = {"L": [{"S": reason} for reason in task.missing]}
    row |= _past(task)
    if task.error is not None:
        row["error"] = record(task.error, {field.name: field.name for field in fields(task.error)})
    if (ends := expires_at(task, retention_days)) is not None:
        row["expires_at"] = {"N": str(ends)}
    if (packed := embedded_request(task, slack=0 if born or task.earlier else _DRIFT)) is not None:
        row["request"] = {"B": packed}
    return row


def task_of(row: Row, images_row: Row | None = None) -> Task:
    """The task of a state row; `images_row` is the row that it refers to, where it does."""
    values: dict[str, Any] = {name: plain(row[short]) if short in row else unset for name, short, unset in _FACTS}
    values |= {name: float(at) for name in _TIMES if (at := values[name]) is not None}
    values["offered_at"] = None
    if _LOOK_AT in row:
        values |= {"offered_at": values["next_check_at"], "next_check_at": float(row[_LOOK_AT]["N"])}
    images = row.get("images") or (images_row or {}).get("images")
    return Task(
        id=row["pk"]["S"],
        phase=Phase(row["phase"]["S"]),
        outputs=tuple(Output(**fields_of(one["M"], _OUTPUT)) for one in row.get("outputs", {}).get("L", [])),
        images=tuple(_image_of(one["M"]) for one in images["L"]) if images else (),
        missing=tuple(one["S"] for one in row.get("missing", {}).get("L", [])),
        earlier=tuple(Attempt(**fields_of(one["M"], _ATTEMPT)) for one in row.get("earlier", {}).get("L", [])),
        error=TaskError(**{name: one["S"] for name, one in row["error"]["M"].items()}) if "error" in row else None,
        request=_request_in(row),
        **values,
    )


def _request_in(row: Row) -> Request | None:
    if "request" not in row:
        return None
    request = unpack(row["request"]["B"])
    over = len(row["earlier"]["L"]) if "earlier" in row else 0
    _remember(row["pk"]["S"], request, over, bytes(row["request"]["B"]))
    return request


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
    return _day(int(at // _DAY_S))


@lru_cache(maxsize=64)
def _day(number: int) -> str:
    """The day so many days after 1970 began; most tasks of a process are of today."""
    return datetime.fromtimestamp(number * _DAY_S, UTC).strftime("%Y-%m-%d")


def kept_outputs(outputs: Sequence[Output]) -> tuple[Output, ...]:
    """What a row keeps of `outputs`: an address that holds its picture itself, or that is too long with the others, is empty.

    Whoever stores later so knows how many there are: their pictures may be in the bucket already.
    """
    kept = tuple(_emptied(one) if is_data_uri(one.url) else one for one in outputs)
    if value_size(records(kept, _OUTPUT)) <= OUTPUTS_LIMIT:
        return kept
    nameless = tuple(map(_emptied, outputs))
    return nameless if value_size(records(nameless, _OUTPUT)) <= OUTPUTS_LIMIT else ()


def _emptied(output: Output) -> Output:
    return replace(output, url="", expires_at=None)


def _facts(task: Task) -> Row:
    facts: Row = {"phase": {"S": task.phase.value}}
    for name, short, unset in _FACTS:
        value = getattr(task, name)
        if value is not None and value != unset:
            facts[short] = typed(value)
    return facts


def _past(task: Task) -> Row:
    return {"earlier": records(task.earlier, _ATTEMPT)} if task.earlier else {}


def _index_keys(task: Task) -> Row:
    keys: Row = {"owner_day": {"S": owner_day(task.owner, day_of(task.created_at))}, "listed_as": {"S": task.id}}
    if task.next_check_at is not None:
        if task.offered_at is not None:
            keys |= {"next_check_at": typed(task.offered_at), _LOOK_AT: typed(task.next_check_at)}
        keys["due_shard"] = {"S": due_shard(zlib.crc32(task.id.encode()) % SHARDS)}
    return keys


# -- the request: in the state row, or in its own --------------------------------------------------------


def fits_in_row(task: Task) -> bool:
    """Whether the task's request is kept inside its state row, once its present attempt has begun."""
    return embedded_request(task) is not None


def embedded_request(task: Task, *, slack: int = 0) -> bytes | None:
    """The request as it stands in the state row, None where it has a row of its own.

    Judged by what never changes while an attempt lasts, so that every move agrees; and once, for a request that is still the same
    object. One more attempt that is over may drive it out.
    """
    if task.request is None:
        return None
    known, over, packed = _PACKED.get(task.id, (None, 0, None))
    if known is None or known() is not task.request or over != len(task.earlier):
        packed = _pack_if_short(task, task.request, slack)
        _remember(task.id, task.request, len(task.earlier), packed)
    return packed


def _pack_if_short(task: Task, request: Request, slack: int) -> bytes | None:
    packed = pack(request)
    born = key(task.id, "state") | _facts(_newborn(task)) | _index_keys(task) | _past(task)
    size = row_size(born | {"request": {"B": packed}})
    return packed if size + _GROWTH <= EMBED_LIMIT + slack else None


def _remember(task_id: str, request: Request, over: int, packed: bytes | None) -> None:
    if len(_PACKED) >= _PACKED_SIZE:
        _PACKED.clear()
    _PACKED[task_id] = (ref(request), over, packed)


def request_row(task: Task, request: Request, *, retention_days: int) -> Row:
    """The row that holds a request which is too long for the state row."""
    row = key(task.id, "request") | {"request": {"B": pack(request)}}
    if retention_days:
        ends = task.created_at + kept_days(retention_days) * _DAY_S + _REQUEST_SLACK_S
        row["expires_at"] = {"N": str(int(ends))}
    return row


def sent_row(task: Task, body: bytes) -> Row:
    """What is sent for an attempt, where it differs from what was frozen, and when that sending began."""
    since = task.first_sent_at or task.created_at
    facts = {"since": {"N": repr(since)}, "expires_at": {"N": str(int(since + _SENT_KEPT_S))}}
    return key(task.id, f"sent#{task.attempt}") | facts | {"body": {"B": zlib.compress(body, 9)}}


def sent_of(row: Row) -> bytes:
    return zlib.decompress(row["body"]["B"])


def _newborn(task: Task) -> Task:
    """The task with every fact that a move can change left out, or as it was in the beginning."""
    upstream, model, route = task.asked_way
    return Task(
        id=task.id,
        owner=task.owner,
        upstream=upstream,
        model=model,
        timeout_s=task.timeout_s,
        created_at=task.created_at,
        phase=Phase.SUBMITTING,
        next_check_at=task.created_at,
        route=route,
        preset=task.preset,
        user=task.user,
        retry_of=task.retry_of,
        max_auto_retries=task.max_auto_retries,
        callback_expected=True,
    )


# -- rows beside the state row -----------------------------------------------------------------------------


def images_key(images: Sequence[Image]) -> str:
    """The sort key of a row of many images: named by its content, so that no later writer can replace it."""
    facts = json.dumps(_images_record(images), sort_keys=True, default=bytes.hex)
    return "images#" + hashlib.sha256(facts.encode()).hexdigest()[:12]


def _images_record(images: Sequence[Image]) -> Any:
    """Their facts; a side that is not known is 0 in a row, as it has always been."""
    return records([replace(one, width=one.width or 0, height=one.height or 0) for one in images], _IMAGE)


def _image_of(stored: Row) -> Image:
    values = fields_of(stored, _IMAGE)
    return Image(**(values | {side: values[side] or None for side in ("width", "height")}))


def images_row(task: Task, *, retention_days: int) -> Row:
    row = key(task.id, images_key(task.images)) | {"images": _images_record(task.images)}
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
        kept_as=row["kept_as"]["S"] if "kept_as" in row else None,
    )
