"""Reconciling at scale: a thousand silent tasks at a slow upstream, and tables in which almost nothing is due."""

import base64
import json
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from darkroom.adapters import rows
from darkroom.domain.ids import task_id
from darkroom.domain.task import Phase, Request, Task, TaskError
from darkroom.edge.sweep import THREADS
from darkroom.usecases.allowance import MOST_AT_ONCE
from tests.benchmarks.bench import Bench, World
from tests.benchmarks.child import Child
from tests.benchmarks.figures import Figure, Section
from tests.budgets.scenarios import SWEEP_READS
from tests.support.expressions import Item
from tests.support.metered_world import TABLE
from tests.support.requests import OWNER
from tests.support.tools import lambda_python, run
from tests.support.wire_upstream import Taken

OVERDUE, LATENCY_S = 1000, 0.1
SIZES = (1_000, 100_000, 1_000_000)
_FEW_OVERDUE = 50
_TIMES = 3
"""Of these the quickest counts, for everybody: what else goes on in a machine only ever adds."""
POLL_MS, WHERE_HTTPX_TOOK_MS = 0.6, 0.52
"""The goal, and what a plain httpx loop took on the machine where it was set: a millisecond of another machine is another one."""

_M = 1e6


def reconciling(bench: Bench) -> Section:
    """Wall clock and processor time of a large sweep, read units of sweeps over large tables."""
    bench.progress(f"reconcile: {OVERDUE:,} tasks at {LATENCY_S * 1000:g} ms")
    with bench.world(latency_s=LATENCY_S) as world:
        wall, look_ms, items = min((_sweep(world) for _ in range(_TIMES)), key=lambda swept: swept[1])
        peers = {
            who: min((_plain_loop(world, who) for _ in range(_TIMES)), key=lambda loop: loop.cpu_s)
            for who in ("httpx", "urllib3")
        }
    ideal = OVERDUE / THREADS * LATENCY_S
    told = ", ".join(f"{name} {one / OVERDUE * 1000:.2f} ms" for name, one in sorted(items.items()))
    httpx_ms = peers["httpx"].poll_ms
    slower = httpx_ms / WHERE_HTTPX_TOOK_MS
    poll_ms, wire_ms = (items[name] / OVERDUE * 1000 for name in ("upstream GET", "upstream GET › GET on the wire"))
    read = {}
    for size in SIZES:
        bench.progress(f"reconcile: a table of {size:,} rows")
        with bench.world() as world:
            read[size] = _read_units(world, size)
    return Section(
        title="Reconcile at scale",
        about=(
            f"{OVERDUE:,} overdue tasks that are still generating, in a warm function, {THREADS} looks at a time, the quickest "
            f"of {_TIMES} sweeps and of as many loops of each peer, every answer "
            f"of the upstream after {LATENCY_S * 1000:g} ms: the ideal is {ideal:.2f} s. A poll is all that the upstream's "
            "adapter does: the request, the answer's body and what it says; a look is the poll with the row's read and its "
            "conditional write. Read units: one sweep over tables of different sizes with "
            f"{_FEW_OVERDUE} overdue tasks in each; a slot that is held longer than a minute costs a unit more, a queue of those "
            "who wait two. What does not fit in a sweep is due in the next one, a minute later, oldest first. The peer asks as "
            "often with as many threads and a plain `httpx.Client`, "
            "which is the poll and nothing else: no row, no claim, no limits; its processor time holds that of its threads' pool."
        ),
        figures=[
            Figure(name="wall / ideal", ours=wall / ideal, peer=peers["httpx"].wall_s / ideal, floor=1.0, goal=1.15),
            Figure(name="CPU per poll, here", unit="ms", ours=poll_ms, peer=httpx_ms),
            Figure(
                name="CPU per poll, where the goal was set",
                unit="ms",
                ours=poll_ms / slower,
                peer=WHERE_HTTPX_TOOK_MS,
                goal=POLL_MS,
            ),
            Figure(name="CPU per whole look", unit="ms", ours=look_ms),
            *(
                Figure(name=f"read units, {size:,} rows", ours=units, goal=expected_reads(), digits=1)
                for size, units in read.items()
            ),
        ],
        tables=[_loops(wall / ideal, poll_ms, look_ms, {who: (one.wall_s / ideal, one.poll_ms) for who, one in peers.items()})],
        notes=[
            f"The goal of {POLL_MS:g} ms was set where that plain loop takes {WHERE_HTTPX_TOOK_MS:g} ms; in this run it took "
            f"{slower:.2f} times as long, so that is what our time is divided by. {wire_ms:.2f} ms of a poll pass until the "
            f"answer's head is there. CPU of a look, itemised: {told}."
        ],
    )


def expected_reads() -> float:
    """What the sweep of a table costs in which so few are overdue: itself, a read of each row, and the account for the requests.

    Requests are reserved one, two, four … at a time, and the last reservation's rest is given back: half a unit each.
    """
    reserved, next_one, times = 0, 1, 0
    while reserved < _FEW_OVERDUE:
        reserved, next_one, times = reserved + next_one, min(MOST_AT_ONCE, next_one * 2), times + 1
    return SWEEP_READS + _FEW_OVERDUE + (times + (reserved > _FEW_OVERDUE)) * 0.5


@dataclass(frozen=True, slots=True)
class Loop:
    """A plain loop over as many polls."""

    wall_s: float
    cpu_s: float

    @property
    def poll_ms(self) -> float:
        return self.cpu_s / OVERDUE * 1000


def _plain_loop(world: World, who: str) -> Loop:
    """The same upstream asked as often by a program without a pipeline, with the client `who`."""
    program = Path(__file__).parent / "peers" / "looks.py"
    # httpx itself is not deployed; it is pure Python, and what it builds on comes from the layer for both.
    places = (world.bench.built / "DependenciesLayer" / "python", Path(httpx.__file__).parents[1])
    url = f"{world.upstream.url}/v1/tasks/{next(iter(world.upstream.tasks))}"
    env = {"PYTHONPATH": ":".join(map(str, places))}
    said = run(lambda_python(), "-s", program, who, url, str(OVERDUE), str(THREADS), env=env)
    return Loop(**json.loads(said))


def _loops(wall: float, poll_ms: float, look_ms: float, peers: Mapping[str, tuple[float, float]]) -> list[list[str]]:
    rows = [["polls, side by side", "wall / ideal", "CPU per poll, ms", "CPU per look, ms"]]
    rows.append(["ours: row, claim, limits, poll", f"{wall:.2f}", f"{poll_ms:.2f}", f"{look_ms:.2f}"])
    return rows + [[f"threads and {who}, a plain loop", f"{one:.2f}", f"{ms:.2f}", ""] for who, (one, ms) in peers.items()]


def _sweep(world: World) -> tuple[float, float, dict[str, float]]:
    """Seconds, milliseconds of processor time per look, and where it went."""
    table = world.aws.tables[TABLE]
    with Child([world.ours("reconcile_tasks")]) as child:
        table.load(overdue(world, THREADS))
        child.call("reconcile_tasks", {})
        table.load(overdue(world, OVERDUE))
        child.watch()
        cpu, began = child.cpu_s(), time.monotonic()
        report = child.call("reconcile_tasks", {})
        wall, look = time.monotonic() - began, (child.cpu_s() - cpu) / OVERDUE * 1000
        items = child.items()
    assert report["looked_at"] == OVERDUE, report
    return wall, look, items


def _read_units(world: World, size: int) -> float:
    """What one sweep reads, over a table in which nearly everything has ended or is not due."""
    table = world.aws.tables[TABLE]
    table.load(_quiet(size - _FEW_OVERDUE))
    table.load(overdue(world, _FEW_OVERDUE))
    with Child([world.ours("reconcile_tasks")]) as child:
        before = world.aws.meter
        report = child.call("reconcile_tasks", {})
        used = world.aws.meter - before
    assert report["looked_at"] == _FEW_OVERDUE, report
    return used.read_units


def overdue(world: World, count: int) -> Iterator[Item]:
    """Rows of running tasks whose look is due; the upstream knows them."""
    for number in range(count):
        taken = f"tk-hiapi-01HZTQ8BX2N3{number:014d}"
        data = {"taskId": taken, "model": "gpt-image-2/text-to-image", "status": "handling"}
        world.upstream.tasks[taken] = Taken(taken, "", data)
        yield _wire(_running(number, taken, due=-1.0))


def _quiet(count: int) -> Iterator[Item]:
    """Nine of ten have ended; the tenth is looked at later."""
    ended, later = _wire(_ended()), _wire(_running(0, "tk-hiapi-1", due=3600.0))
    for number in range(count):
        name = f"task_{number:026d}"
        row = ended if number % 10 else later
        changed = {"pk": {"S": name}, "listed_as": {"S": name}}
        if row is later:
            changed["due_shard"] = {"S": rows.due_shard(zlib.crc32(name.encode()) % rows.SHARDS)}
        yield {**row, **changed}


def _running(number: int, upstream_task_id: str, *, due: float) -> Task:
    now = time.time()
    return Task(
        id=task_id(now, number.to_bytes(10, "big")),
        owner=OWNER,
        upstream="hiapi",
        model="gpt-image-2/text-to-image",
        timeout_s=1800,
        created_at=now - 90,
        phase=Phase.GENERATING,
        next_check_at=now + due,
        callback_expected=True,
        upstream_task_id=upstream_task_id,
        first_sent_at=now - 90,
        submitted_at=now - 89,
        version=2,
        request=Request(input={"prompt": "a red kite"}, body=b'{"model":"m","input":{"prompt":"a red kite"}}', metadata={}),
    )


def _ended() -> Task:
    return _running(0, "tk-hiapi-0", due=0.0).failed(
        time.time(), TaskError(code="generation_failed", message="no reason"), by="poll"
    )


def _wire(task: Task) -> Item:
    """The row as it stands on the wire."""
    row = rows.state_row(task, retention_days=30, born=True)
    wired: dict[str, Any] = json.loads(json.dumps(row, default=lambda raw: base64.b64encode(raw).decode()))
    return wired
