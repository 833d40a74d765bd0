"""What a thousand tasks a second would need: the arithmetic behind docs/scale.md, which is written from here.

    python -m tests.benchmarks.scale

Sources: DynamoDB, Lambda and API Gateway Developer Guides (quotas), S3 User Guide ("Best practices design patterns").
"""

import base64
import json
from dataclasses import dataclass, replace
from functools import cache
from math import ceil

from darkroom.adapters.accounts import account_row
from darkroom.adapters.rows import SHARDS
from darkroom.domain.admission import Account, Limits, Window
from darkroom.domain.ids import task_id
from darkroom.domain.task import Timing
from darkroom.edge.sweep import LIMIT, RESERVE_S, THREADS
from darkroom.usecases.allowance import MOST_AT_ONCE
from local.parts import Function
from local.template import read_template
from tests.benchmarks.in_process import pipeline
from tests.benchmarks.prices import MB_OF_A_PROCESSOR, WAITS, Usage, gb_seconds
from tests.budgets.scenarios import KEY_MOVES, SCENARIOS, SWEEP_READS, Cost, table_calls
from tests.support.metered_table import item_size
from tests.support.tools import ROOT

RATE = 1000
"""Tasks a second."""

PARTITION_WRITES, PARTITION_READS = 1000, 3000
TABLE_WRITES_QUOTA = 40_000
LAMBDA_QUOTA = 1000
API_REQUESTS_QUOTA = 10_000
BUCKET_PUTS_PER_PREFIX = 3500
HIAPI = Limits(account="hiapi")
SETTINGS_IN_FLIGHT, SETTINGS_PER_MINUTE = 1000, 60_000
"""The most that an account may be told (darkroom/settings.py)."""

GENERATION_S = 30
LATE_SHARE = 0.02
"""Of all tasks: still open at their first look, because they are slow or their callback was lost."""
LOOK_S = 0.11
"""Of one look: an upstream that answers in 100 ms, and two calls to the table."""
PICTURE_MB = 2
ORDER_M, CALLBACK_M, LOG_BYTES = 20, 25, 1430
"""Millions of instructions, and bytes of logs for both with their lines of the access log: rounded from docs/performance.md."""
LOOK_CPU_S = 0.0035
"""Of a whole processor, for one look: docs/performance.md."""
BYTES_PER_ENTRY = 90
"""Of an entry of the due index, about: four keys with their names."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is needed: how it is reckoned, what comes out, what bounds it."""

    what: str
    reckoned: str
    needed: str
    bound: str


def costs() -> dict[str, Cost]:
    return {one.name: one.cost for one in SCENARIOS}


def table() -> list[Line]:
    """Writes and partitions."""
    happy, look = costs()["happy path"], costs()["one look"]
    writes = RATE * happy.write
    looks, look_units = RATE * LATE_SHARE, look.write + KEY_MOVES
    due = RATE * 2 + looks * 2
    shards = ceil(due / (PARTITION_WRITES / 2))
    return [
        Line(
            "write units a second",
            f"{RATE:,} × {happy.write:g} + {looks:g} looks × {look_units:g}",
            f"{writes + looks * look_units:,.0f}",
            f"{TABLE_WRITES_QUOTA:,} a table by default; a new table begins at 4,000 and must be warmed",
        ),
        Line(
            "of them in the due index",
            f"{RATE:,} come, {RATE:,} go, {looks:g} looks move",
            f"{due:,.0f}",
            f"{PARTITION_WRITES:,} a partition; {SHARDS} shards carry {SHARDS * PARTITION_WRITES:,}",
        ),
        Line(
            "shards of the due index",
            f"{due:,.0f} ÷ half a partition ({PARTITION_WRITES // 2})",
            f"{shards}",
            f"{SHARDS} are there: {due / SHARDS:,.0f} writes a second each",
        ),
        Line(
            "of them in the listing index, one owner",
            f"{RATE:,} × 1, all in that owner's day",
            f"{RATE:,}",
            f"{PARTITION_WRITES:,} a partition: one owner alone reaches it; many owners do not",
        ),
        Line("entries in the due index", f"{RATE:,} × {GENERATION_S} s", f"{RATE * GENERATION_S:,}", _megabytes()),
    ]


def sweeps() -> list[Line]:
    """The reconciler."""
    function, lasts = _function("reconcile_tasks"), _sweep_s()
    a_minute, share = RATE * LATE_SHARE * 60, function.memory_mb / MB_OF_A_PROCESSOR
    by_waiting, by_work = int(THREADS * lasts / LOOK_S), int(lasts * share / LOOK_CPU_S)
    possible = min(LIMIT, by_waiting, by_work)
    everything = RATE * 60
    each = ceil(everything / SHARDS)
    needed_mb = each * LOOK_CPU_S / lasts * MB_OF_A_PROCESSOR
    return [
        Line(
            "looks a minute",
            f"{RATE:,} × {LATE_SHARE:.0%} × 60, first looks after {Timing().first_check_s:g} s",
            f"{a_minute:,.0f}",
            f"{possible:,} a sweep: the least of its limit of {LIMIT:,}, of {by_waiting:,} by waiting ({THREADS} at a time, "
            f"{LOOK_S * 1000:g} ms each, {lasts:g} s) and of {by_work:,} by its processor",
        ),
        Line(
            "processor time of a sweep",
            f"{a_minute:,.0f} × {LOOK_CPU_S * 1000:g} ms ÷ {share:.2f} of a processor, which {function.memory_mb} MB bring",
            f"{a_minute * LOOK_CPU_S / share:.0f} s",
            f"{lasts:g} s: its time-out less {RESERVE_S:g} s for the last look",
        ),
        Line(
            "looks a minute when no callback comes at all",
            f"{RATE:,} × 60",
            f"{everything:,}",
            f"{possible:,} by the one sweep that there is; a sweep for each of the {SHARDS} shards, which is not built, "
            f"{SHARDS * possible:,}",
        ),
        Line(
            "what would have to rise for that",
            f"{everything:,} ÷ {SHARDS} sweeps side by side",
            f"{each:,} each",
            f"a limit of {each:,} instead of {LIMIT:,}; {ceil(needed_mb / 128) * 128:,} MB for "
            f"{each * LOOK_CPU_S:.0f} s of work in {lasts:g} s; {ceil(each * LOOK_S / lasts)} threads; "
            f"and the upstream's rate: a request for each look",
        ),
        Line(
            "read units of a sweep",
            f"{SHARDS} queries × 0.5 or more, {a_minute:,.0f} rows × 1, {_reservations(a_minute)} reservations × 0.5, "
            "the accounts",
            f"{_sweep_reads(a_minute):,.0f}",
            "the same with a million other rows in the table (docs/performance.md)",
        ),
    ]


def functions() -> list[Line]:
    """Concurrency and requests."""
    api, callback = _order_s(), _callback_s()
    together = RATE * (api + callback)
    throttle = _throttles()
    return [
        Line("concurrent orders", f"{RATE:,} × {api:.3f} s", f"{RATE * api:,.0f}", f"{calls()[0]} calls to the table in each"),
        Line(
            "concurrent callbacks",
            f"{RATE:,} × {callback:.3f} s",
            f"{RATE * callback:,.0f}",
            f"{calls()[1]} calls to the table in each",
        ),
        Line(
            "concurrency together",
            "the sum, and half as much again for bursts",
            f"{ceil(together * 1.5 / 100) * 100:,}",
            f"{LAMBDA_QUOTA:,} an account by default",
        ),
        Line(
            "requests a second",
            f"{RATE:,} orders + {RATE:,} callbacks, without reads",
            f"{2 * RATE:,}",
            f"{API_REQUESTS_QUOTA:,} an account; the template throttles at {throttle[0]} and {throttle[1]}: raise both",
        ),
        Line(
            "uploads a second",
            f"{RATE:,} × 1",
            f"{RATE:,}",
            f"{BUCKET_PUTS_PER_PREFIX:,} a prefix, and S3 splits prefixes by itself",
        ),
        Line("through the functions", f"{RATE:,} × {PICTURE_MB} MB", f"{RATE * PICTURE_MB / 1000:g} GB/s", "in, and out again"),
    ]


def upstream() -> list[Line]:
    """What is not ours to buy."""
    posts, looks, in_flight = RATE * 60, RATE * LATE_SHARE * 60, RATE * GENERATION_S
    requests = posts + looks
    return [
        Line(
            "requests a minute",
            f"{RATE:,} × 60 POSTs, {looks:,.0f} GETs of looks",
            f"{requests:,.0f}",
            f"{HIAPI.per_minute} by default: {requests / HIAPI.per_minute:,.0f} times that; "
            f"an account may be told at most {SETTINGS_PER_MINUTE:,}",
        ),
        Line(
            "tasks in flight",
            f"{RATE:,} × {GENERATION_S} s",
            f"{in_flight:,}",
            f"{HIAPI.in_flight} by default: {in_flight // HIAPI.in_flight:,} times that; "
            f"an account may be told at most {SETTINGS_IN_FLIGHT:,}",
        ),
        *_accounts(in_flight),
    ]


def _accounts(in_flight: int) -> list[Line]:
    """Slots and rate of an account are one row, which every task changes twice, one conditional write after the other."""
    a_second, one = 1 / WAITS.table_call, account_bytes(2) - account_bytes(1)
    by_writes, by_size = ceil(RATE * 2 / a_second), ceil(in_flight / HOLDERS)
    told = ", ".join(f"{ceil(account_bytes(n) / 1024)} for {n:,}" for n in (HOLDERS, 40, 100, 1000))
    return [
        Line(
            "write units of an account's row",
            f"{account_bytes(0) - account_bytes(0, seconds=0):,} bytes of a full minute and "
            f"{account_bytes(0, seconds=0):,} of the rest, {one} for each task in flight",
            f"{ceil(account_bytes(HOLDERS) / 1024)}",
            f"a unit for every 1,024 bytes, at each write: {told}",
        ),
        Line(
            "rows for the upstream's accounts, by writes",
            f"{RATE:,} × 2 writes ÷ {a_second:g} a second one after another, {WAITS.table_call * 1000:g} ms each",
            f"{by_writes:,}",
            f"one row, as there is: {a_second / 2:g} tasks a second for an account",
        ),
        Line(
            "rows for the upstream's accounts, by size",
            f"{in_flight:,} in flight ÷ {HOLDERS}, so that each write stays at one unit",
            f"{max(by_writes, by_size):,}",
            f"splitting an account is not built; {ceil(in_flight / SETTINGS_IN_FLIGHT)} whole accounts of "
            f"{SETTINGS_IN_FLIGHT:,} would do, at {ceil(account_bytes(SETTINGS_IN_FLIGHT) / 1024)} units a write",
        ),
    ]


HOLDERS = 20
"""Tasks in flight of which an account's row is one write unit, with room for what an upstream in trouble adds."""


def account_bytes(holders: int, *, seconds: int = 60) -> int:
    """An account's row with so many tasks in flight, and requests in so many seconds of its minute."""
    now = 1_780_000_000
    account = Account(
        name=HIAPI.account,
        version=1_000_000,
        holders={f"{task_id(now, number.to_bytes(10, 'big'))}:1": float(now) for number in range(holders)},
        window=Window({now + second: 1 for second in range(seconds)}),
        turn="shop",
    )
    row = account_row(account) | {"move_id": {"S": "0" * 12}}
    return item_size(json.loads(json.dumps(row, default=lambda raw: base64.b64encode(raw).decode())))


def usage() -> Usage:
    """What one task uses, as the costs in docs/performance.md have it."""
    happy = costs()["happy path"]
    api, callback = _function("api").memory_mb, _function("receive_callback").memory_mb
    order = gb_seconds(memory_mb=api, million_instructions=ORDER_M, waiting_s=_order_waits())
    end = gb_seconds(memory_mb=callback, million_instructions=CALLBACK_M, waiting_s=_callback_waits())
    return Usage(
        http_requests=2,
        invocations=2,
        gb_seconds=order + end,
        write_units=happy.write,
        read_units=happy.read,
        uploads=happy.uploads,
        log_bytes=LOG_BYTES,
    )


def bill() -> list[Line]:
    """Dollars."""
    api, callback = _function("api").memory_mb, _function("receive_callback").memory_mb
    one, units = usage(), ceil(account_bytes(SETTINGS_IN_FLIGHT) / 1024)
    larger = replace(one, write_units=one.write_units + 2 * (units - 1))
    million, a_day = one.dollars_per_million(), RATE * 86_400 / 1e6
    return [
        Line(
            "a million tasks",
            f"units at list prices, functions of {api} and {callback} MB, {LOG_BYTES:,} bytes of logs",
            f"${million:.2f}",
            "measured: docs/performance.md; account rows of one unit",
        ),
        Line(
            "the same in accounts with rows as large as they may get",
            f"2 × {units - 1} write units more, a row of {SETTINGS_IN_FLIGHT:,} tasks in flight",
            f"${larger.dollars_per_million():.2f}",
            "what the row's size costs, and why an account should not be one row here",
        ),
        Line(
            "a day", f"{a_day:g} million × ${million:.2f}", f"${a_day * million:,.0f}", "without storage and without the upstream"
        ),
        Line("a month", "30 days", f"${a_day * million * 30:,.0f}", ""),
    ]


def page() -> str:
    """docs/scale.md."""
    parts = [_HEAD.format(rate=RATE, late=LATE_SHARE, generation=GENERATION_S)]
    for title, lines in (
        ("The table", table()),
        ("The reconciler", sweeps()),
        ("Functions, gateway, bucket", functions()),
        ("The upstream", upstream()),
        ("The bill", bill()),
    ):
        parts += [f"## {title}\n", "| | reckoned | needed | bound |", "|---|---|---:|---|"]
        parts += [f"| {one.what} | {one.reckoned} | **{one.needed}** | {one.bound} |" for one in lines]
        parts.append("")
    return "\n".join([*parts, _FOOT])


def _megabytes() -> str:
    return f"about {RATE * GENERATION_S * BYTES_PER_ENTRY / 1e6:.1f} MB: no bound"


def _sweep_reads(overdue: float) -> float:
    """The queries' entries in whole 4 KB at half price, and a consistent read of every row."""
    per_shard = overdue / SHARDS * BYTES_PER_ENTRY
    # Of SWEEP_READS, half a unit for each shard is in here already.
    accounts = SWEEP_READS - SHARDS * 0.5
    return SHARDS * max(1, ceil(per_shard / 4096)) * 0.5 + overdue + _reservations(overdue) * 0.5 + accounts


def _reservations(requests: float) -> int:
    """How often a sweep reserves requests: 1, 2, 4, 8, then 16 at a time."""
    times, size = 0, 1
    while requests > 0:
        requests, size, times = requests - size, min(MOST_AT_ONCE, size * 2), times + 1
    return times


def _sweep_s() -> float:
    """Seconds in which a sweep may begin looks: its function's time-out without what the last look may take."""
    return _function("reconcile_tasks").timeout_s - RESERVE_S


@cache
def calls() -> tuple[int, int]:
    """To the table, of an order and of its callback: measured."""
    with pipeline() as darkroom:
        return table_calls(darkroom)


def _order_waits() -> float:
    return WAITS.upstream_post + calls()[0] * WAITS.table_call


def _callback_waits() -> float:
    return WAITS.two_megabytes_in_and_out + calls()[1] * WAITS.table_call


def _order_s() -> float:
    """Seconds of an order's invocation: a GB-second of it is a function of its memory."""
    memory = _function("api").memory_mb
    return gb_seconds(memory_mb=memory, million_instructions=ORDER_M, waiting_s=_order_waits()) * 1024 / memory


def _callback_s() -> float:
    memory = _function("receive_callback").memory_mb
    return gb_seconds(memory_mb=memory, million_instructions=CALLBACK_M, waiting_s=_callback_waits()) * 1024 / memory


@cache
def _function(folder: str) -> Function:
    (function,) = (one for one in read_template().functions.values() if one.folder == folder)
    return function


def _throttles() -> tuple[int, int]:
    """Requests a second that the template lets through: in general, and callbacks."""
    (stage,) = (one for one in read_template().resources.values() if one["Type"] == "AWS::ApiGatewayV2::Stage")
    routes = stage["Properties"]["RouteSettings"].values()
    callbacks = next(one["ThrottlingRateLimit"] for one in routes)
    return int(stage["Properties"]["DefaultRouteSettings"]["ThrottlingRateLimit"]), int(callbacks)


_HEAD = """# What {rate:,} tasks a second would need

One page of arithmetic, so that the first thing to break is known before it does. It is written by
`python -m tests.benchmarks.scale` from the code's own constants and the budget of tests/budgets, and a test compares the two.
Assumed: {generation} s of generation, {late:.0%} of tasks still open at their first look, pictures of 2 MB.
"""

_FOOT = """## What breaks first, in this order

1. **The upstream.** Its default limits are a thousandth of this. Nothing here helps before they are raised, or before several
   accounts share the work.
2. **One row for each upstream account.** Slots and rate of an account stand in one row, which every task changes twice. It
   carries what is written one after another, and it grows with the tasks in flight, each of which makes both writes dearer. An
   upstream has one account here, and an account one row: neither several accounts nor an account split over several rows is
   built. A split would need a number in the row's key, taken from the task's id as the due index does; a share of the ceiling
   and of the rate for each row; a queue for each, or one that lends from row to row, or the split loses slots while somebody
   waits; and a tending that visits them all.
3. **The gateway's throttles** in the template, which are there to protect a small account.
4. **Lambda's concurrency**, a quota that is raised on request.
5. **The sweep**, but only on a day without callbacks: it looks at the oldest first and falls behind. A sweep for each shard
   would help by as many times as there are shards, and keeps up only with more looks, threads and memory in each.
6. **The listing of one owner** who orders everything: a day of one owner is one partition. Owner, day and a number would
   spread it.

The due index is not on this list: its shards carry it as they are.
"""


if __name__ == "__main__":
    (ROOT / "docs" / "scale.md").write_text(page())
