"""What a thousand tasks a second would need: the arithmetic behind docs/scale.md, which is written from here.

    python -m tests.benchmarks.scale

Sources: DynamoDB, Lambda and API Gateway Developer Guides (quotas), S3 User Guide ("Best practices design patterns").
"""

from dataclasses import dataclass
from math import ceil

from darkroom.adapters.rows import SHARDS
from darkroom.domain.task import Timing
from darkroom.edge.sweep import LIMIT, RESERVE_S, THREADS
from local.template import read_template
from tests.benchmarks.prices import WAITS, Usage
from tests.budgets.scenarios import SCENARIOS, Cost
from tests.support.tools import ROOT

RATE = 1000
"""Tasks a second."""

PARTITION_WRITES, PARTITION_READS = 1000, 3000
TABLE_WRITES_QUOTA = 40_000
LAMBDA_QUOTA = 1000
API_REQUESTS_QUOTA = 10_000
BUCKET_PUTS_PER_PREFIX = 3500
HIAPI_PER_MINUTE, HIAPI_IN_FLIGHT = 60, 10

GENERATION_S = 30
LATE_SHARE = 0.02
"""Of all tasks: still open at their first look, because they are slow or their callback was lost."""
LOOK_S = 0.12
"""Of one look: an upstream that answers in 100 ms, and two calls to the table."""
PICTURE_MB = 2
WORK_S = 0.02
"""Of an invocation's own work at 256 MB, about."""
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
    looks = RATE * LATE_SHARE
    due = RATE * 2 + looks * 2
    shards = ceil(due / (PARTITION_WRITES / 2))
    return [
        Line(
            "write units a second",
            f"{RATE:,} × {happy.write:g} + {looks:g} looks × {look.write:g}",
            f"{writes + looks * look.write:,.0f}",
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
    a_minute, lasts = RATE * LATE_SHARE * 60, _sweep_s()
    possible = min(LIMIT, int(THREADS * lasts / LOOK_S))
    return [
        Line(
            "looks a minute",
            f"{RATE:,} × {LATE_SHARE:.0%} × 60, first looks after {Timing().first_check_s:g} s",
            f"{a_minute:,.0f}",
            f"{possible:,} a sweep: {THREADS} at a time, {LOOK_S * 1000:g} ms each, {lasts:g} s, at most {LIMIT:,}",
        ),
        Line(
            "looks a minute when no callback comes at all",
            f"{RATE:,} × 60",
            f"{RATE * 60:,}",
            f"{ceil(RATE * 60 / possible)} sweeps side by side, by shard; one alone would fall behind, oldest first",
        ),
        Line(
            "read units of a sweep",
            f"{SHARDS} queries × 0.5 or more, {a_minute:,.0f} rows × 1",
            f"{_sweep_reads(a_minute):,.0f}",
            "the same with a million other rows in the table (docs/performance.md)",
        ),
    ]


def functions() -> list[Line]:
    """Concurrency and requests."""
    api = WAITS.upstream_post + 2 * WAITS.table_call + WORK_S
    callback = WAITS.two_megabytes_in_and_out + 3 * WAITS.table_call + WORK_S
    together = RATE * (api + callback)
    throttle = _throttles()
    return [
        Line("concurrent orders", f"{RATE:,} × {api:.2f} s", f"{RATE * api:,.0f}", ""),
        Line("concurrent callbacks", f"{RATE:,} × {callback:.3f} s", f"{RATE * callback:,.0f}", ""),
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
    return [
        Line(
            "POSTs a minute",
            f"{RATE:,} × 60",
            f"{RATE * 60:,}",
            f"{HIAPI_PER_MINUTE} by default: {RATE * 60 // HIAPI_PER_MINUTE:,} times that",
        ),
        Line(
            "tasks in flight",
            f"{RATE:,} × {GENERATION_S} s",
            f"{RATE * GENERATION_S:,}",
            f"{HIAPI_IN_FLIGHT} by default: {RATE * GENERATION_S // HIAPI_IN_FLIGHT:,} times that",
        ),
        _accounts(),
    ]


def _accounts() -> Line:
    """Slots and rate of an account are one row, which every task changes twice, one conditional write after the other."""
    a_second = 1 / WAITS.table_call
    return Line(
        "rows for the upstream's accounts",
        f"{RATE:,} × 2 writes ÷ {a_second:g} a second one after another, {WAITS.table_call * 1000:g} ms each",
        f"{ceil(RATE * 2 / a_second)}",
        f"one row, as there is: {a_second / 2:g} tasks a second for an account",
    )


def bill() -> list[Line]:
    """Dollars."""
    happy = costs()["happy path"]
    work_s = WAITS.upstream_post + WAITS.two_megabytes_in_and_out + 5 * WAITS.table_call + 2 * WORK_S
    usage = Usage(
        http_requests=2,
        invocations=2,
        gb_seconds=0.25 * work_s,
        write_units=happy.write,
        read_units=happy.read,
        uploads=happy.uploads,
        log_bytes=2000,
    )
    million, a_day = usage.dollars_per_million(), RATE * 86_400 / 1e6
    return [
        Line("a million tasks", "units at list prices, functions of 256 MB", f"${million:.2f}", "measured: docs/performance.md"),
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
    return SHARDS * max(1, ceil(per_shard / 4096)) * 0.5 + overdue


def _sweep_s() -> float:
    """Seconds in which a sweep may begin looks: its function's time-out without what the last look may take."""
    (function,) = (one for one in read_template().functions.values() if one.folder == "reconcile_tasks")
    return function.timeout_s - RESERVE_S


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
2. **One row for each upstream account.** Slots and rate of an account stand in one row, which every task changes twice.
   Several accounts, or an account's ceiling split over several rows, carry more.
3. **The gateway's throttles** in the template, which are there to protect a small account.
4. **Lambda's concurrency**, a quota that is raised on request.
5. **The sweep**, but only on a day without callbacks: it looks at the oldest first and falls behind. Sweeps by shard would
   keep up.
6. **The listing of one owner** who orders everything: a day of one owner is one partition. Owner, day and a number would
   spread it.

The due index is not on this list: its shards carry it as they are.
"""


if __name__ == "__main__":
    (ROOT / "docs" / "scale.md").write_text(page())
