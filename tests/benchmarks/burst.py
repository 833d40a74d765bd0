"""A burst: a hundred orders at once at an upstream that enforces its limits; ours, the official client, the articles' loop."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.client import TERMINAL, Api
from local.simulator.admin import SimulatorAdmin
from local.simulator.settings import SIM_KEY
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Plot, Section
from tests.benchmarks.svg import Point, lines
from tests.support.tools import ROOT

TASKS, IN_FLIGHT, PER_MINUTE, GENERATION_S = 100, 10, 60, 15.0
HURRY = 10.0
"""So many simulated seconds pass in one of ours."""

_LONGEST_S = 120.0
_KEY, _SECRET = "drk_a-key-for-the-burst-0123456789", "whsec_burst"
_CLIENTS = {"official client, 10 threads": ("client", 10), "official client, 50 threads": ("client", 50)}
_SCRIPT = {"the articles' polling loop, a thread for each task": ("script", TASKS)}


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
    """The same burst for everybody, one after the other, each at a fresh upstream."""
    bursts = {"Darkroom": _ours(bench)}
    for name, (who, threads) in {**_CLIENTS, **_SCRIPT}.items():
        bench.progress(f"burst: {name}")
        bursts[name] = _peers(who, threads)
    bound = bound_s()
    ours, client = bursts["Darkroom"], bursts["official client, 10 threads"]
    return Section(
        title="A burst",
        about=(
            f"{TASKS} orders at once at the simulator, which enforces what HiAPI allows an account by default: {IN_FLIGHT} tasks "
            f"in flight, {PER_MINUTE} requests in a minute, POST and GET together. A picture takes {GENERATION_S:g} s. All of "
            f"them live {HURRY:g} times as fast as on a real day, waits included. The bound is what the limits allow to somebody "
            f"who asks for nothing but the orders: {bound:.0f} s. Ours is the local stack: every function, table and queue on "
            "this machine, whose own time counts too. The official client has its own defaults; the loop is written after "
            "HiAPI's articles."
        ),
        figures=[
            Figure(name="orders without a picture", ours=TASKS - ours.pictures, peer=TASKS - client.pictures, goal=0, digits=0),
            Figure(name="refused with 429", ours=ours.refused, peer=client.refused, floor=0, goal=0, digits=0),
            Figure(name="POSTs for each order", ours=ours.posts / TASKS, peer=client.posts / TASKS, floor=1, goal=1),
            Figure(name="GETs for each order", ours=ours.gets / TASKS, peer=client.gets / TASKS, floor=0, goal=0.1),
            Figure(name="makespan / bound", ours=ours.took_s / bound, peer=client.took_s / bound, floor=1),
        ],
        tables=[[HEAD, *([name, *one.cells(bound)] for name, one in bursts.items())]],
        plots=[
            Plot(
                file="burst.svg",
                title="Tasks in flight during a burst",
                svg=lines(
                    "Tasks in flight during a burst",
                    {name.partition(",")[0] if "loop" in name else name: one.in_flight for name, one in bursts.items()},
                    x="seconds of the upstream",
                    y="tasks in flight",
                ),
            )
        ],
    )


def bound_s() -> float:
    """Seconds that the limits alone take: the slots' turns, or the minutes that the POSTs fill, whichever is longer."""
    return max(TASKS / IN_FLIGHT * GENERATION_S, (TASKS - PER_MINUTE) / PER_MINUTE * 60)


@contextmanager
def upstream() -> Iterator[str]:
    """A simulator that enforces the limits, in a process of its own."""
    command = [sys.executable, "-m", "local.simulator", "--time-scale", str(HURRY), "--latency", str(GENERATION_S)]
    with served([*command, "--webhook-secret", _SECRET, "--exit-with-stdin"], {}) as url:
        with SimulatorAdmin(url) as admin:
            admin.configure(requests_per_minute=PER_MINUTE, concurrent_tasks=IN_FLIGHT)
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


def _ours(bench: Bench) -> Burst:
    """The real functions over the embedded store; the limits are told as a deployment would be told its own."""
    bench.progress("burst: Darkroom")
    with upstream() as url:
        env = {
            "DARKROOM_API_KEY": _KEY,
            "HIAPI_API_KEY": SIM_KEY,
            "HIAPI_WEBHOOK_SECRET": _SECRET,
            "HIAPI_IN_FLIGHT": str(IN_FLIGHT),
            "HIAPI_REQUESTS_PER_MINUTE": str(int(PER_MINUTE * HURRY)),
            "DARKROOM_ALLOWED_OUTPUT_ORIGINS": url,
        }
        # The whole stack in one process of its own: its settings go into its environment.
        with served([Path(sys.executable).parent / "darkroom", "up", "--upstream-url", url], env) as api:
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
