"""`darkroom up` on MiniStack, from which the power is taken in the middle of a batch: it starts again, and everything ends."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from darkroom.domain.task import Timing
from local.simulator.server import Simulator
from local.template import STACK
from tests.chaos.emulators.counting import Counted
from tests.chaos.emulators.deployment import KEY, WEBHOOK_SECRET, Answer, Deployment
from tests.chaos.emulators.outside import Outside, Stuck, Wish, wait_for
from tests.chaos.emulators.processes import LATER
from tests.chaos.emulators.promises import check
from tests.chaos.emulators.scale import LONG
from tests.chaos.emulators.wire import CUT, Exchange, Script, Wire
from tests.pipeline.running import Up, descendants
from tests.support.aws import Aws

pytestmark = [pytest.mark.ministack, pytest.mark.slow, pytest.mark.timeout(300)]

# Of about fifty effects that the batch has; a moment is the number of one.
MOMENTS = range(0, 46, 2) if LONG else (33,)
# So long was the power away: every lease of the dead is over.
LATER_S = 200
BATCH = (
    "",
    "[sim:download-slow bytes_per_second=400000]",
    "[sim:callback-twofold]",
    "[sim:callback-lost]",
    "[sim:create-dropped-accepted]",
    "[sim:output-several n=2]",
)


@dataclass(slots=True)
class PowerCut(Script):
    """At the effect number `at`, counted from `armed` on, all `processes` end at once; nothing of theirs arrives any more."""

    at: int
    processes: set[int] = field(default_factory=set)
    armed: bool = False
    effects: int = 0
    dark: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self, exchange: Exchange) -> str | None:
        with self._lock:
            self.effects += self.armed and exchange.has_effect
            if self.effects > self.at and not self.dark.is_set():
                self.dark.set()
                self._cut()
        return CUT if self.dark.is_set() else None

    def _cut(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


@pytest.fixture
def outside(ministack: Aws) -> Iterator[Outside]:
    """What survives: the emulator, and an upstream that goes on by itself, ten times as fast."""
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator(time_scale=10, webhook_secret=WEBHOOK_SECRET, latency_s=5.0))
        wire = Wire(ministack.endpoint, simulator.url)
        stack.callback(wire.close)
        simulator.world.origin = wire.door("anybody").upstream
        # What another test left behind is none of our business.
        with suppress(ministack.clients.dynamodb.exceptions.ResourceNotFoundException):
            ministack.clients.dynamodb.delete_table(TableName=f"{STACK}-table")
        names = {"DARKROOM_TABLE": f"{STACK}-table", "DARKROOM_BUCKET": f"{STACK}-bucket"}
        yield Outside(Deployment(ministack, wire, simulator, Timing(), max_receives=5, owner="dev", names=names))


def started(outside: Outside, *, port: int = 0, later_s: int = 0) -> Up:
    """The stack, on the other side of the wire."""
    door = outside.deployment.wire.door("anybody")
    return Up(
        "--port",
        str(port),
        "--upstream-url",
        door.upstream,
        AWS_ENDPOINT_URL=door.aws,
        DARKROOM_API_KEY=KEY,
        DARKROOM_ALLOWED_OUTPUT_ORIGINS=door.upstream,
        HIAPI_WEBHOOK_SECRET=WEBHOOK_SECRET,
        PYTHONPATH=os.pathsep.join(filter(None, (str(LATER), os.environ.get("PYTHONPATH")))),
        DARKROOM_LATER_S=str(later_s),
    )


def ask(up: Up, wish: Wish) -> None:
    """Send the request; without an answer nothing is known."""
    with suppress(httpx.HTTPError):
        got = httpx.post(f"{up.url}/v1/tasks", headers=wish.headers, content=wish.body, timeout=60, trust_env=False)
        assert got.status_code in (200, 202, 503), got.text
        if got.is_success:
            wish.answer = Answer(got.status_code, got.headers, got.content)


def rest(outside: Outside, up: Up) -> None:
    """Wait until every task has ended."""
    try:
        wait_for(outside.is_at_rest, "the end of every task", timeout_s=120)
    except Stuck as error:
        told = [str(replace(task, request=None)) for task in outside.tasks().values()]
        (log,) = (Path(line.split()[1]) for line in up.err if line.split()[:1] == ["log"])
        error.add_note("\n".join([*told, *up.err, log.read_text()[-8000:]]))
        raise


def test_the_environments_of_a_new_stack_share_no_connection(outside: Outside) -> None:
    wishes = [outside.wish() for _ in range(24)]
    with started(outside) as up, ThreadPoolExecutor(len(wishes)) as pool:
        list(pool.map(lambda wish: ask(up, wish), wishes))
        # Of two processes that speak on one connection, each gets the other's answers.
        assert [wish.answer.status for wish in wishes if wish.answer] == [202] * len(wishes)
        rest(outside, up)

    assert len(check(outside).tasks) == len(wishes)


@pytest.mark.parametrize("moment", MOMENTS)
def test_everything_ends_once_although_the_power_went(outside: Outside, moment: int, counted: Counted) -> None:
    cut = outside.deployment.wire.script = PowerCut(moment)
    with ThreadPoolExecutor(len(BATCH)) as pool:
        wishes = [outside.wish(markers=markers) for markers in BATCH]
        with started(outside) as first:
            cut.processes = {first.process.pid, *descendants(first.process.pid)}
            cut.armed = True
            asking = [pool.submit(ask, first, wish) for wish in wishes]
            wait_for(cut.dark.is_set, "the power cut")
            first.process.wait(30)
            for one in asking:
                one.result()

        outside.deployment.wire.script = Script()
        outside.deployment.ahead = LATER_S
        with started(outside, port=int(first.url.rpartition(":")[2]), later_s=LATER_S) as second:
            for wish in wishes:
                if wish.answer is None:
                    ask(second, wish)
            rest(outside, second)

    found = check(outside)
    assert {task.status for task in found.tasks.values()} == {"succeeded"}
    assert len(found.tasks) == len(BATCH)
    counted("power cuts")
