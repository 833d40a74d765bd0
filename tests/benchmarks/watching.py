"""Reading a task's status: what it costs to watch one for as long as a picture takes, by how it is watched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.template import read_template
from tests.benchmarks.bench import Bench
from tests.benchmarks.child import Child, cachegrind, instructions
from tests.benchmarks.costs import access_log_bytes
from tests.benchmarks.figures import Section
from tests.benchmarks.in_process import pipeline
from tests.benchmarks.orders import Orders
from tests.benchmarks.prices import WAITS, Usage, gb_seconds
from tests.budgets.driven import Driven
from tests.support.requests import request

WATCHED_S = 40
_RETRY_AFTER_S = 3
_WAIT_S = 5
_FEW, _MANY = 5, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A way to watch: so many requests, each with these headers, holding its function so long."""

    requests: int
    headers: Mapping[str, str]
    held_s: float = 0.0


def ways(etag: str) -> dict[str, Watch]:
    """Every way, with the version that is known already."""
    polls, waits = WATCHED_S // _RETRY_AFTER_S + 1, WATCHED_S // _WAIT_S
    return {
        "every second": Watch(requests=WATCHED_S, headers={}),
        "as `Retry-After` says": Watch(requests=polls, headers={}),
        "… with `If-None-Match`": Watch(requests=polls, headers={"if_none_match": etag}),
        f"`Prefer: wait={_WAIT_S}`, again and again": Watch(
            requests=waits, headers={"prefer": f"wait={_WAIT_S}"}, held_s=_WAIT_S
        ),
        "once, after the end": Watch(requests=1, headers={}),
    }


@dataclass(frozen=True, slots=True)
class Read:
    """What one read takes: millions of instructions, bytes of log."""

    instructions_m: float
    log_bytes: float


def watching(bench: Bench) -> Section:
    """Units of each way, measured; dollars beside the task's own."""
    bench.progress("reading the status: instructions")
    with bench.world() as world:
        read = _one_read(Orders.of_ours(world))
    bench.progress("reading the status: units")
    memory = next(one.memory_mb for one in read_template().functions.values() if one.folder == "api")
    rows = [["a task watched for 40 s", "requests", "answer", "bytes", "read units", "$ per million tasks"]]
    with pipeline() as darkroom:
        path = darkroom.create()["headers"]["Location"]
        etag = darkroom.read(path)["headers"]["ETag"]
        for name, way in ways(etag).items():
            rows.append([name, *_row(darkroom, path, way, memory, read)])
    return Section(
        title="Reading the status",
        about=(
            f"Requests that an application makes while it waits {WATCHED_S} s for one picture. Read units, instructions "
            f"({read.instructions_m:.1f} M a read) and log bytes are measured, dollars computed as above. A function "
            "that waits is paid for while it does: `Prefer: wait` spares round trips, not money."
        ),
        tables=[rows],
    )


def _one_read(orders: Orders) -> Read:
    """By difference between few and many; the log is the many's."""
    log = orders.world.bench.folder / "log-reads"
    more = _reads(orders, _MANY, log=log) - _reads(orders, _FEW)
    lines = log.read_text().splitlines()[1:]
    told = sum(len(line) + 1 for line in lines if '"GET"' in line) / _MANY
    return Read(more / (_MANY - _FEW) / 1e6, told + access_log_bytes())


def _reads(orders: Orders, times: int, *, log: Path | None = None) -> int:
    file = orders.world.bench.folder / f"reads-{times}"
    with Child(orders.packages[:1], tool=cachegrind(file), log=log) as child:
        path = orders.create(child)["headers"]["Location"]
        for _ in range(times):
            assert child.call("api", request("GET", path, None))["statusCode"] == 200
    return instructions(file)


def _row(darkroom: Driven, path: str, way: Watch, memory_mb: int, one: Read) -> list[str]:
    answers: list[Mapping[str, object]] = []
    ask: Callable[[], None] = lambda: answers.append(darkroom.read(path, **way.headers))  # noqa: E731  (what is measured)
    read = darkroom.used(ask).units[1]
    waiting = way.held_s or WAITS.table_call
    each = Usage(
        http_requests=1,
        invocations=1,
        gb_seconds=gb_seconds(memory_mb=memory_mb, million_instructions=one.instructions_m, waiting_s=waiting),
        read_units=read,
        log_bytes=one.log_bytes,
    )
    dollars = way.requests * each.dollars_per_million()
    answer = answers[0]
    return [
        str(way.requests),
        str(answer["statusCode"]),
        str(len(str(answer["body"]))),
        f"{way.requests * read:g}",
        f"{dollars:.2f}",
    ]
