"""A burst: a thousand orders in virtual time, and a hundred at an upstream that enforces its limits, beside what others do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from local.client import TERMINAL, Api
from local.simulator.admin import SimulatorAdmin
from local.simulator.settings import SIM_KEY
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Plot, Section
from tests.benchmarks.svg import Point, lines
from tests.pipeline.bursts import Allowed
from tests.support import burst as virtual
from tests.support.tools import ROOT

TASKS, GENERATION_S, MINUTE_S = 100, 4.0, 60
HURRY = 4.0
"""So many simulated seconds pass in one of ours. A stack needs most of a second for a task's turn here, whatever is simulated:
with this, and pictures that take so little, the minute is short before the slots are."""

ALLOWED = Allowed(in_flight=10, per_minute=60, minute_s=int(MINUTE_S / HURRY))
"""In our seconds, as our stack is told; the simulator counts in its own."""

BELIEVED_IN_FLIGHT = 15
LEARNING_GOAL = BELIEVED_IN_FLIGHT - ALLOWED.in_flight
"""Refusals: as many as were believed in too many may be on their way before the first no is written down, and none after it."""

_FEWER_A_MINUTE = 40
_LONGEST_S = 120.0
_KEY, _SECRET = "drk_a-key-for-the-burst-0123456789", "whsec_burst"
_PEER = "official client, 10 threads"
_CLIENTS = {_PEER: ("client", 10), "official client, 50 threads": ("client", 50)}
_SCRIPT = {"the articles' polling loop, a thread for each task": ("script", TASKS)}
_MISTAKEN = f"Darkroom, told {BELIEVED_IN_FLIGHT} in flight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What the upstream saw of one burst; seconds are the upstream's. `pictures` were brought home."""

    pictures: int
    posts: int
    gets: int
    refused: int
    billed: int
    took_s: float
    in_flight: Sequence[Point]

    @property
    def most_in_flight(self) -> int:
        return int(max((value for _, value in self.in_flight), default=0))

    def cells(self, bound_s: float) -> list[str]:
        """A row of the table."""
        counts = (self.pictures, self.billed, self.posts, self.gets, self.refused, self.most_in_flight)
        return [*map(str, counts), f"{self.took_s:.0f}", f"{self.took_s / bound_s:.2f}"]


HEAD = ["", "pictures", "paid for", "POSTs", "GETs", "429s", "most in flight", "seconds", "/ bound"]


def burst(bench: Bench) -> Section:
    """A thousand in virtual time; then the same hundred for everybody, one after the other, each at a fresh upstream."""
    bench.progress("burst: a thousand in virtual time")
    thousand = virtual.run_burst(virtual.Burst())
    bench.progress("burst: Darkroom")
    bursts = {"Darkroom": _ours(ALLOWED.in_flight)}
    bench.progress(f"burst: {_MISTAKEN}")
    bursts[_MISTAKEN] = _ours(BELIEVED_IN_FLIGHT)
    for name, (who, threads) in {**_CLIENTS, **_SCRIPT}.items():
        bench.progress(f"burst: {name}")
        bursts[name] = _peers(who, threads)
    bound = bound_s()
    return Section(
        title="A burst",
        about=(
            f"In virtual time: {virtual.Burst().tasks:,} orders of three owners, or as told, through the use-cases; waits "
            "are simulated, these figures repeat exactly. Their bound is the least that the limits allow, the GETs that were "
            "made included.\n\n"
            f"Through the wire: {TASKS} orders at once at the simulator, which enforces what HiAPI allows an account by default: "
            f"{ALLOWED.in_flight} tasks in flight, {ALLOWED.per_minute} requests in a minute, POST and GET together. A picture "
            f"takes {GENERATION_S:g} s. The simulator lives {HURRY:g} times as fast as on a real day, and so do the waits of "
            f"everybody: the pauses of the clients, our minute, first look and sweeps ({ALLOWED.minute_s} s here). What is not "
            "faster is this machine: our stack, with every function, table and queue on it, takes its time for each order, which "
            f"counts {HURRY:g} times. The bound is what the limits allow to somebody who asks for nothing but the orders: "
            f"{bound:.0f} s. The peer in the figures is HiAPI's {_PEER}, with its own defaults; the loop is written after "
            "HiAPI's articles."
        ),
        figures=[
            *_virtual(thousand),
            *_fair_and_taught(),
            *_real(bursts["Darkroom"], bursts[_PEER], bound),
            _learning(bursts[_MISTAKEN]),
        ],
        tables=[[HEAD, *([name, *one.cells(bound)] for name, one in bursts.items())]],
        notes=[
            f"A stack that is told {BELIEVED_IN_FLIGHT} in flight where {ALLOWED.in_flight} are allowed learns it from a 429. As "
            "many orders as were believed in too many may be on their way before the first one is written down, so "
            f"{LEARNING_GOAL} is the goal: once it knows, it is refused no more."
        ],
        plots=[
            _plot("burst-virtual.svg", "A thousand orders in virtual time", {"Darkroom": _stepped(thousand.in_flight)}),
            _plot(
                "burst.svg",
                "Tasks in flight during a burst",
                {name.partition(",")[0] if "loop" in name else name: one.in_flight for name, one in bursts.items()},
            ),
        ],
    )


def _virtual(outcome: virtual.Outcome) -> list[Figure]:
    tasks = virtual.Burst().tasks
    return [
        Figure(name=f"{tasks:,} orders: without a picture", ours=tasks - outcome.ended["succeeded"], goal=0, digits=0),
        Figure(name=f"{tasks:,} orders: most requests in any 60 s", ours=outcome.busiest_minute, goal=60, digits=0),
        Figure(name=f"{tasks:,} orders: POSTs for each", ours=len(outcome.posts) / tasks, floor=1, goal=1),
        Figure(name=f"{tasks:,} orders: GETs for each", ours=len(outcome.gets) / tasks, floor=0, goal=0.1),
        Figure(name=f"{tasks:,} orders: makespan / bound", ours=outcome.makespan_s / outcome.bound_s, floor=1, goal=1.1),
    ]


def _fair_and_taught() -> list[Figure]:
    greedy = virtual.Burst(owners=("greedy",), fastest_s=5, slowest_s=5)
    taught = virtual.Run(virtual.Burst(tasks=200, fastest_s=2, slowest_s=4))
    taught.allow_only(per_minute=_FEWER_A_MINUTE)
    taught.to_the_end()
    told = taught.burst.limits.per_minute
    return [
        Figure(
            name=f"{greedy.tasks:,} orders of one owner: POSTs that overtake another's only order",
            ours=virtual.overtaken_by(greedy),
            goal=greedy.limits.in_flight,
            digits=0,
        ),
        Figure(
            name=f"200 orders: 429s while learning that {_FEWER_A_MINUTE} a minute are allowed, not {told}",
            ours=taught.refused,
            floor=1,
            goal=5,
            digits=0,
        ),
    ]


def _real(ours: Burst, client: Burst, bound: float) -> list[Figure]:
    return [
        Figure(name="orders without a picture", ours=TASKS - ours.pictures, peer=TASKS - client.pictures, goal=0, digits=0),
        Figure(name="refused with 429", ours=ours.refused, peer=client.refused, floor=0, goal=0, digits=0),
        Figure(name="POSTs for each order", ours=ours.posts / TASKS, peer=client.posts / TASKS, floor=1, goal=1),
        Figure(name="GETs for each order", ours=ours.gets / TASKS, peer=client.gets / TASKS, floor=0, goal=0.1),
        # The clients end early, because they give up: nothing to stand beside.
        Figure(name="makespan / bound", ours=ours.took_s / bound, floor=1),
    ]


def _learning(mistaken: Burst) -> Figure:
    """A stack that was told more than is true."""
    name = f"429s while learning that {ALLOWED.in_flight} are allowed, not {BELIEVED_IN_FLIGHT}"
    return Figure(name=name, ours=mistaken.refused, floor=1, goal=LEARNING_GOAL, digits=0)


def _plot(file: str, title: str, series: Mapping[str, Sequence[Point]]) -> Plot:
    return Plot(file=file, title=title, svg=lines(title, series, x="seconds of the upstream", y="tasks in flight"))


def _stepped(changes: Sequence[tuple[float, int]]) -> list[Point]:
    """A step at each change, instead of a slope between two."""
    points, now = [(0.0, 0.0)], 0.0
    for at, number in changes:
        points += [(at, now), (at, float(number))]
        now = float(number)
    return points


def bound_s() -> float:
    """The upstream's seconds that the limits alone take: an order leaves when a slot and a request of the minute are free."""
    starts: list[float] = []
    for number in range(TASKS):
        slot = starts[number - ALLOWED.in_flight] + GENERATION_S if number >= ALLOWED.in_flight else 0.0
        turn = starts[number - ALLOWED.per_minute] + MINUTE_S if number >= ALLOWED.per_minute else 0.0
        starts.append(max(slot, turn))
    return starts[-1] + GENERATION_S


@contextmanager
def upstream() -> Iterator[str]:
    """A simulator that enforces the limits, in a process of its own."""
    command = [sys.executable, "-m", "local.simulator", "--time-scale", str(HURRY), "--latency", str(GENERATION_S)]
    with served([*command, "--webhook-secret", _SECRET, "--exit-with-stdin"], {}) as url:
        with SimulatorAdmin(url) as admin:
            admin.configure(requests_per_minute=ALLOWED.per_minute, concurrent_tasks=ALLOWED.in_flight, minute_s=MINUTE_S)
        yield url


@contextmanager
def served(command: Sequence[str | Path], env: Mapping[str, str]) -> Iterator[str]:
    """A server that says `ready URL`, until the end of the block."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        words = process.stdout.readline().split()
        if words[:1] != ["ready"]:
            raise RuntimeError(f"{command[2]} did not start")
        yield words[1]
    finally:
        process.stdin.close()
        process.terminate()
        process.wait()


def _peers(who: str, threads: int) -> Burst:
    with upstream() as url:
        command = [sys.executable, "-m", "tests.benchmarks.peers.pollers", who, url, str(TASKS), str(threads), str(HURRY)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=True)
        return _seen(url, json.loads(done.stdout).get("picture", 0))


def _ours(in_flight: int) -> Burst:
    """The real functions over the embedded store; the limits are told as a deployment would be told its own."""
    with upstream() as url:
        env = {
            "DARKROOM_API_KEY": _KEY,
            "HIAPI_API_KEY": SIM_KEY,
            "HIAPI_WEBHOOK_SECRET": _SECRET,
            "DARKROOM_ALLOWED_OUTPUT_ORIGINS": url,
            # A minute each, and five for a look that is put off.
            "DARKROOM_FIRST_CHECK_S": str(ALLOWED.minute_s),
            "DARKROOM_RECHECK_MAX_S": str(5 * ALLOWED.minute_s),
            **replace(ALLOWED, in_flight=in_flight).believed(),
        }
        arguments = ["--upstream-url", url, "--reconcile-every", str(ALLOWED.minute_s)]
        # The whole stack in one process of its own: its settings go into its environment.
        with served([Path(sys.executable).parent / "darkroom", "up", *arguments], env) as api:
            return _seen(url, _order_all(api))


def _order_all(url: str) -> int:
    """Order everything at once and wait for the ends; gives how many pictures there are."""
    body = {"model": "gpt-image-2/text-to-image", "input": {"prompt": "a red kite over a harbour", "aspect_ratio": "3:2"}}
    with Api(url, _KEY) as api, ThreadPoolExecutor(10) as pool:
        open_ones = [task["id"] for task in pool.map(lambda _: api.create(body), range(TASKS))]
        until, ends = time.monotonic() + _LONGEST_S, []
        while open_ones and time.monotonic() < until:
            tasks = list(pool.map(api.task, open_ones))
            ends += [one["status"] for one in tasks if one["status"] in TERMINAL]
            open_ones = [one["id"] for one in tasks if one["status"] not in TERMINAL]
            time.sleep(0.5)
    return ends.count("succeeded")


def _seen(url: str, pictures: int) -> Burst:
    with SimulatorAdmin(url) as admin:
        ledger = admin.ledger()
    rows = list(ledger["tasks"].values())
    begun = min((row["began_s"] for row in rows), default=0.0)
    # Whoever gave up has left some behind that are not over yet.
    spans = [(row["began_s"] - begun, (row["ended_s"] or row["began_s"] + GENERATION_S) - begun) for row in rows]
    return Burst(
        pictures=pictures,
        posts=ledger["totals"]["posts"],
        gets=ledger["totals"]["gets"],
        refused=sum(counts.get("429", 0) for counts in ledger["answers"].values()),
        billed=ledger["totals"]["billed"],
        took_s=max((end for _, end in spans), default=0.0),
        in_flight=in_flight(spans),
    )


def in_flight(spans: Sequence[Point]) -> list[Point]:
    """How many of `spans` (from, to) are open, at each moment when that changes: as steps."""
    changes = sorted([(at, 1) for at, _ in spans] + [(at, -1) for _, at in spans])
    points, now = [(0.0, 0.0)], 0
    for at, change in changes:
        points.append((at, float(now)))
        now += change
        points.append((at, float(now)))
    return points
