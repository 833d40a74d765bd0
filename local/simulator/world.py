"""Everything the simulated HiAPI knows at one moment, and the few things that change it."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace

import httpx

from local.simulator.clock import Agenda, SimulatedClock
from local.simulator.faults import ArmedFaults
from local.simulator.ids import RANDOM_BYTES, request_id, task_id
from local.simulator.keys import Keys
from local.simulator.ledger import Ledger
from local.simulator.limits import RateLimit
from local.simulator.messages import Json, Refused
from local.simulator.models import Models
from local.simulator.routes import Route
from local.simulator.settings import Settings
from local.simulator.tasks import NEVER, Task, show


class World:
    """The state behind the endpoints; `lock` guards tasks and settings, the parts guard themselves."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: SimulatedClock,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.first_settings = self.settings = settings
        self.clock = clock
        self.agenda = Agenda(clock)
        self.models = Models()
        self.faults = ArmedFaults()
        self.keys = Keys()
        self.ledger = Ledger()
        self.rate = RateLimit(clock)
        self.tasks: dict[str, Task] = {}
        self.lock = threading.RLock()
        self.origin = ""
        self.routes: tuple[Route, ...] = ()
        self.stopped = threading.Event()
        # Callbacks go where they were asked to go: no proxy of this machine, no redirect.
        self.http = httpx.Client(trust_env=False, follow_redirects=False, limits=httpx.Limits(max_connections=None))
        self._randomness = randomness

    def now(self) -> float:
        """Simulated seconds."""
        return self.clock.now()

    def new_task_id(self) -> str:
        """An id that sorts by time."""
        return task_id(milliseconds=self.clock.wall_ms(), randomness=self._randomness(RANDOM_BYTES))

    def new_id(self, prefix: str) -> str:
        """An id of no particular form."""
        return prefix + self._randomness(RANDOM_BYTES).hex()

    def new_request_id(self) -> str:
        """An id for one request."""
        return request_id(self._randomness(RANDOM_BYTES))

    def shown(self, task: Task) -> dict[str, Json]:
        """The task as it looks now."""
        with self.lock:
            return show(task, self.now(), self.origin)

    def remembers(self, task: Task) -> bool:
        """Whether the task still counts: not after a reset, not after the end."""
        return self.tasks.get(task.task_id) is task and not self.stopped.is_set()

    def running(self) -> int:
        """How many tasks have not ended."""
        with self.lock:
            return sum(task.ended == NEVER for task in self.tasks.values())

    def pay(self) -> None:
        """Take one task from the balance; raises `Refused` (402) when there is none."""
        with self.lock:
            balance = self.settings.balance
            if balance is None:
                return
            if balance < 1:
                raise Refused(402, None, "insufficient balance: top up and try again")
            self.settings = replace(self.settings, balance=balance - 1)

    def pause(self, seconds: float) -> None:
        """Let real seconds pass, unless the simulator ends before."""
        self.stopped.wait(seconds)

    def spawn(self, call: Callable[[], None]) -> None:
        """Make the call on a thread of its own, which does not hold up the end."""
        threading.Thread(target=call, daemon=True).start()

    def reset(self) -> None:
        """Forget tasks, keys, counts, faults and changed settings; simulated time goes on."""
        with self.lock:
            self.agenda.clear()
            self.tasks.clear()
            self.settings = self.first_settings
        for part in (self.faults, self.keys, self.ledger, self.rate):
            part.clear()

    def close(self) -> None:
        """Let nothing further happen."""
        self.stopped.set()
        self.agenda.stop()
        self.http.close()
