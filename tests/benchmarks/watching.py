"""Reading a task's status: what it costs to watch one for as long as a picture takes, by how it is watched."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.client import TERMINAL
from local.template import read_template
from tests.benchmarks.bench import Bench
from tests.benchmarks.child import Child, cachegrind, instructions
from tests.benchmarks.costs import access_log_bytes
from tests.benchmarks.figures import Figure, Section
from tests.benchmarks.in_process import pipeline
from tests.benchmarks.orders import Orders
from tests.benchmarks.prices import WAITS, Usage, gb_seconds
from tests.budgets.driven import Driven
from tests.support.requests import request

WATCHED_S = 40
_WAIT_S = 5
_FEW, _MANY = 5, 30
_FASTEST, _TOLD, _ONCE = "every second", "as `Retry-After` says", "once, after the end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to watch: from `first_s` on, `pause_s` between requests or, with None, as long as the answer says.

    `fresh`: the answer is wanted only where something has changed.
    """

    first_s: float = 0.0
    pause_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False


WAYS: Mapping[str, Way] = {
    _FASTEST: Way(pause_s=1),
    _TOLD: Way(),
    "… with `If-None-Match`": Way(fresh=True),
    f"`Prefer: wait={_WAIT_S}`, again and again": Way(pause_s=0, headers={"prefer": f"wait={_WAIT_S}"}),
    _ONCE: Way(first_s=WATCHED_S),
}


@dataclass(slots=True)
class Watched:
    """What somebody used who watched one task to its end; `held_s` is how long functions waited for it."""

    requests: int = 0
    unchanged: int = 0
    body_bytes: int = 0
    looks: int = 0
    read: float = 0.0
    write: float = 0.0
    upstream: int = 0
    held_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Read:
    """What one read takes: millions of instructions, bytes of log."""

    instructions_m: float
    log_bytes: float


def watching(bench: Bench) -> Section:
    """Each way through the whole of a task's life, in virtual time; dollars beside the task's own."""
    bench.progress("reading the status: instructions")
    with bench.world() as world:
        read = _one_read(Orders.of_ours(world))
    bench.progress("reading the status: units")
    watched = {}
    for name, way in WAYS.items():
        with pipeline() as darkroom:
            watched[name] = _watch(darkroom, way)
    dollars = {name: _usage(seen, read).dollars_per_million() for name, seen in watched.items()}
    told, fastest, once = (watched[name] for name in (_TOLD, _FASTEST, _ONCE))
    everybody = watched.values()
    return Section(
        title="Reading the status",
        about=(
            f"Requests that an application makes while it waits for one picture, which is there after {WATCHED_S} s: the real "
            "handler, virtual time, until an answer says that the task has ended. Read units, the time that a request is held "
            f"and log bytes are measured; so are the instructions of a read ({read.instructions_m:.1f} M), which one "
            "that waits is given once more for each further look at the row. A function that waits is paid for while it does: "
            "`Prefer: wait` spares round trips, not money. The peer in the figures asks "
            f"{_FASTEST}, the floor is to know when it is done."
        ),
        figures=[
            Figure(name=f"requests, {_TOLD}", ours=told.requests, peer=fastest.requests, floor=once.requests, digits=0),
            Figure(name=f"read units, {_TOLD}", ours=told.read, peer=fastest.read, floor=once.read, digits=1),
            Figure(name=f"dollars, {_TOLD}", unit="$/M", ours=dollars[_TOLD], peer=dollars[_FASTEST], floor=dollars[_ONCE]),
            Figure(name="read units for a look, at most", ours=max(one.read / one.looks for one in everybody), goal=1, digits=1),
            Figure(name="write units, all ways together", ours=sum(one.write for one in everybody), floor=0, goal=0, digits=0),
            Figure(
                name="requests to the upstream, all ways together",
                ours=sum(one.upstream for one in everybody),
                floor=0,
                goal=0,
                digits=0,
            ),
        ],
        tables=[_table(watched, dollars)],
    )


def _watch(darkroom: Driven, way: Way) -> Watched:
    """Order a task and watch it until an answer says that it has ended. Its end comes in time and is not counted."""
    path = darkroom.create()["headers"]["Location"]
    seen, began, etag, told_s, open_still = Watched(), darkroom.clock(), "", 0.0, True
    darkroom.pass_time(way.first_s)
    while True:
        if open_still and darkroom.clock() - began >= WATCHED_S:
            darkroom.call_back(darkroom.succeed())
            open_still = False
        known = {"if_none_match": etag} if way.fresh and etag else {}
        answer = _ask(darkroom, path, {**way.headers, **known}, seen)
        if answer["statusCode"] == 200 and json.loads(answer["body"])["status"] in TERMINAL:
            return seen
        etag, told_s = answer["headers"]["ETag"], float(answer["headers"].get("Retry-After", told_s))
        darkroom.pass_time(told_s if way.pause_s is None else way.pause_s)


def _ask(darkroom: Driven, path: str, headers: Mapping[str, str], seen: Watched) -> dict[str, Any]:
    """The answer; what it took is added to `seen`."""
    answers: list[dict[str, Any]] = []
    asked_at = darkroom.clock()
    used = darkroom.used(lambda: answers.append(darkroom.read(path, **headers)))
    seen.held_s += darkroom.clock() - asked_at
    seen.requests += 1
    seen.unchanged += answers[0]["statusCode"] == 304
    seen.body_bytes += len(str(answers[0].get("body") or ""))
    seen.looks += used.aws.calls.get("GetItem", 0)
    seen.write, seen.read = seen.write + used.units[0], seen.read + used.units[1]
    seen.upstream += used.posts + used.gets
    return answers[0]


def _usage(seen: Watched, one: Read) -> Usage:
    (api,) = (function for function in read_template().functions.values() if function.folder == "api")
    each_s = seen.held_s + seen.looks * WAITS.table_call
    return Usage(
        http_requests=seen.requests,
        invocations=seen.requests,
        gb_seconds=gb_seconds(memory_mb=api.memory_mb, million_instructions=one.instructions_m * seen.looks, waiting_s=each_s),
        read_units=seen.read,
        log_bytes=one.log_bytes * seen.requests,
    )


def _table(watched: Mapping[str, Watched], dollars: Mapping[str, float]) -> list[list[str]]:
    heads = ("requests", "of them 304", "bytes", "read units", "held, s", "$ per million tasks")
    rows = [[f"a task watched for {WATCHED_S} s", *heads]]
    for name, seen in watched.items():
        counts = [str(seen.requests), str(seen.unchanged), f"{seen.body_bytes:,}", f"{seen.read:g}", f"{seen.held_s:.1f}"]
        rows.append([name, *counts, f"{dollars[name]:.2f}"])
    return rows


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
