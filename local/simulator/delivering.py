"""Delivers callbacks on HiAPI's schedule: at once, then 1, 5 and 20 minutes later until one gets a 2xx, then silence."""

import itertools
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from local.simulator.callbacks import write_letter
from local.simulator.faults import Fault
from local.simulator.tasks import Task
from local.simulator.world import World

# Simulated seconds after the first attempt (HiAPI examples, README: four attempts in all).
OFFSETS = (0.0, 60.0, 300.0, 1200.0)

logger = logging.getLogger(__name__)


@dataclass
class Plan:
    """How one task's callback will be delivered."""

    struck: Mapping[str, Fault]
    began: float = 0.0
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def param(self, name: str, param: str, default: float) -> float:
        """A parameter of a fault that struck, or the default."""
        return float(self.struck[name].params[param]) if name in self.struck else default

    @property
    def at_once(self) -> int:
        """How many deliveries the first attempt makes at the same moment."""
        return int(self.param("callback-concurrent", "n", 1))

    @property
    def more(self) -> int:
        """How many deliveries follow, one by one."""
        repeats = 1 if "callback-twofold" in self.struck else 0
        repeats += max(0, int(self.param("callback-repeated", "n", 1)) - 1)
        return repeats + int(self.param("callback-concurrent", "more", 0))

    @property
    def gap_s(self) -> float:
        """Simulated seconds between those."""
        return max(self.param("callback-twofold", "gap", 0), self.param("callback-repeated", "gap", 0))

    def twists(self, number: int) -> dict[str, Mapping[str, object]]:
        """The faults that the delivery with this number suffers."""
        return {name: fault.params for name, fault in self.struck.items() if _suffers(fault, number)}


def deliver_first(world: World, task: Task) -> None:
    """Make the first attempt, on the calling thread unless a fault postpones it."""
    if task.submission.callback_url is None:
        return
    plan = Plan(world.faults.claim_all("callback", task.subject))
    task.faults.extend(plan.struck)
    if "callback-lost" in plan.struck:
        return
    late = plan.param("callback-late", "seconds", 0)
    if late:
        world.agenda.at(world.now() + late, lambda: world.spawn(lambda: _first_attempt(world, task, plan)))
    else:
        _first_attempt(world, task, plan)


def _first_attempt(world: World, task: Task, plan: Plan) -> None:
    plan.began = world.now()
    others = [threading.Thread(target=_deliver, args=(world, task, plan, 1), daemon=True) for _ in range(plan.at_once - 1)]
    for other in others:
        other.start()
    acknowledged = _deliver(world, task, plan, 1)
    for other in others:
        other.join()
    _repeat(world, task, plan, plan.more)
    _follow_up(world, task, plan, 1, acknowledged)


def _repeat(world: World, task: Task, plan: Plan, times: int) -> None:
    if times < 1:
        return

    def again() -> None:
        _deliver(world, task, plan, 1)
        _repeat(world, task, plan, times - 1)

    if plan.gap_s:
        world.agenda.at(world.now() + plan.gap_s, lambda: world.spawn(again))
    else:
        again()


def _follow_up(world: World, task: Task, plan: Plan, attempt: int, acknowledged: bool) -> None:
    if acknowledged or attempt >= len(OFFSETS) or not world.remembers(task):
        return

    def retry() -> None:
        _follow_up(world, task, plan, attempt + 1, _deliver(world, task, plan, attempt + 1))

    world.agenda.at(plan.began + OFFSETS[attempt], lambda: world.spawn(retry))


def _deliver(world: World, task: Task, plan: Plan, attempt: int) -> bool:
    """One delivery, recorded with the status that it got; whether it was acknowledged."""
    if not world.remembers(task):
        return True
    twists = plan.twists(next(plan.numbers))
    stamp = world.clock.wall()
    if "callback-frozen-stamp" in plan.struck:
        stamp = stamp - int(world.now() - plan.began)
    letter = write_letter(world.shown(task), stamp=stamp, secret=world.settings.webhook_secret, twists=twists)
    began = time.monotonic()
    status, error = _post(world, str(task.submission.callback_url), letter.body, letter.headers)
    record = {"attempt": attempt, "status": status, "error": error, "twists": sorted(twists)}
    with world.lock:
        task.deliveries.append(record | {"at": stamp, "seconds": round(time.monotonic() - began, 3)})
    return _count(world, task, status)


def _post(world: World, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int | None, str | None]:
    try:
        answer = world.http.post(url, content=body, headers=headers, timeout=world.settings.callback_timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError) as exc:
        # RuntimeError: the client was closed because the simulator ends.
        logger.info("callback failed: %s", exc)
        return None, f"{type(exc).__name__}: {exc}"
    return answer.status_code, None


def _count(world: World, task: Task, status: int | None) -> bool:
    acknowledged = status is not None and 200 <= status < 300
    if not world.remembers(task):
        return acknowledged
    world.ledger.count("callbacks", key=task.idempotency_key)
    if acknowledged:
        world.ledger.count("callbacks_acknowledged", key=task.idempotency_key)
    return acknowledged


def _suffers(fault: Fault, number: int) -> bool:
    deliveries = fault.params.get("deliveries")
    return deliveries is not None and (deliveries == 0 or number < deliveries)
