"""A burst of tasks through the local stack, against a simulator that keeps to limits; `make bench` tells limits as it does."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.pipeline.running import Up, wait_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the simulator lets through: tasks at a time, and requests in each of its minutes of `minute_s` seconds."""

    in_flight: int
    per_minute: int
    minute_s: int = 60

    def believed(self) -> dict[str, str]:
        """The variables of a stack that is told so."""
        return {
            "HIAPI_IN_FLIGHT": str(self.in_flight),
            "HIAPI_REQUESTS_PER_MINUTE": str(self.per_minute),
            "DARKROOM_RATE_WINDOW_S": str(self.minute_s),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """How it went: ends by status, requests that the simulator answered 429, its totals, and how many seconds it took."""

    ended: Counter[str]
    refused: int
    totals: Mapping[str, int]
    seconds: float


def burst(up: Up, *, tasks: int, allowed: Allowed, latency_s: float, clients: int = 10, timeout_s: float = 300) -> Local:
    """Ask `up` for so many pictures at once, and wait for all of them."""
    with up.simulator() as simulator:
        simulator.reset()
        simulator.configure(
            latency_s=latency_s,
            requests_per_minute=allowed.per_minute,
            concurrent_tasks=allowed.in_flight,
            minute_s=allowed.minute_s,
        )
        began = time.monotonic()
        with ThreadPoolExecutor(max_workers=clients) as pool:
            made = list(pool.map(lambda number: up.ask(f"one of a burst, {number}")["id"], range(tasks)))
        ended = wait_for(lambda: _ended(up, made), f"the end of {tasks} tasks", timeout_s=timeout_s)
        seconds = time.monotonic() - began
        ledger = simulator.ledger()
    refused = sum(answers.get("429", 0) for answers in ledger["answers"].values())
    return Local(ended=ended, refused=refused, totals=ledger["totals"], seconds=seconds)


def _ended(up: Up, made: Sequence[str]) -> Counter[str] | None:
    """How they ended; None while one is open."""
    time.sleep(0.4)
    wanted, ends, cursor = set(made), Counter[str](), None
    while True:
        page: dict[str, Any] = up.api.tasks({"limit": 100} | ({"cursor": cursor} if cursor else {}))
        for task in page["data"]:
            if task["id"] in wanted:
                ends[task["status"]] += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return ends if ends.total() == len(wanted) and not ends["queued"] + ends["running"] else None
