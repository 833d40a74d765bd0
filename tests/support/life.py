"""The world going on: clients that try again, a gateway that delivers four times, a queue that redelivers, a clock that ticks."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from darkroom.domain.callback_token import RETIRED_KEYS_LIVE_S
from darkroom.domain.news import Says
from darkroom.domain.task import NOT_SENT, Phase, Task
from darkroom.errors import CallbackRejected, DarkroomError, KeyReused, StoreError
from darkroom.ports import Job
from darkroom.usecases.admit_task import uses_slot
from darkroom.usecases.tend_account import SETTLED_S
from tests.support.boundaries import Killed, Surprise
from tests.support.gateway import PNG, Generation
from tests.support.knife import Knife
from tests.support.memory import Page
from tests.support.witness import NEVER_FOOLED, NEVER_LOST, NEVER_RUDE, PAID_ONCE, Witness
from tests.support.world import T0, World

DELIVERY_GAPS_S = (60.0, 300.0, 1200.0)
"""HiAPI delivers at once and three times more, the last time about 26 minutes after the end (HiAPI examples, README)."""

CLIENT_GAPS_S = (1.0, 5.0, 30.0, 120.0, 600.0)
VISIBILITY_S = 720.0
"""Sooner than the template says, so that messages come back while their tasks still live: at least once, at any time."""

RECEIVES = 5
TICK_S = 60.0
PATIENCE_S = 4 * 86_400.0
MOST_TENDINGS = 50
"""So many ticks in a row, with nothing else happening, and whoever waits then waits for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a generation, `after` so many seconds; `ends` None: nothing ever. `inside`: its outputs are data URIs.

    `passing`: a failure costs nothing and may pass. `named_after`: its success names no output until so many seconds later.
    `then` is the fate of the next attempt's generation; None: the same.
    """

    after: float = 20.0
    ends: Says | None = Says.SUCCEEDED
    pictures: int = 1
    called_back: bool = True
    trusted: bool = True
    content: bytes = PNG
    inside: bool = False
    passing: bool = False
    named_after: float = 0.0
    then: "Fate | None" = None
    answers: tuple[bytes | Page | DarkroomError, ...] = ()
    """What the first output's URL gives, in turn; without: its bytes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: with a value, by an error that its edge answers, or killed (neither)."""

    value: Any = None
    error: Exception | None = None
    killed: bool = False

    @property
    def well(self) -> bool:
        return self.error is None and not self.killed


@dataclass(order=True, slots=True)
class _Event:
    at: float
    number: int
    happen: Callable[[], object] = field(compare=False)


class Life:
    """Everything around the pipeline, in the order of its times; one process runs at a time."""

    def __init__(
        self, world: World, *, fate: Fate | None = None, knife: Knife | None = None, witness: Witness | None = None
    ) -> None:
        self.world = world
        self.fate = fate or Fate()
        self.knife = knife or Knife()
        self._processes = count(1)
        self._process = 0
        self.witness = witness or Witness(world)
        self.witness.actor = lambda: f"process {self._process}"
        self.answered: dict[str, str] = {}
        self.sent: list[Job] = []
        self._events: list[_Event] = []
        self._numbers = count()
        self._noticed: set[str] = set()
        self._last_tick = T0
        self._tendings = 0
        world.hook = self.knife
        world.gateway.generate = self._while_it_waits

    # -- running ------------------------------------------------------------------------------------

    def at(self, delay: float, happen: Callable[[], object]) -> None:
        """Let something happen after `delay` seconds."""
        heapq.heappush(self._events, _Event(self.world.now + delay, next(self._numbers), happen))

    def run(self, *, until: float | None = None) -> None:
        """Go on until nothing is left to happen, or to the time `until`."""
        end = self.world.now + PATIENCE_S if until is None else until
        self._tendings = 0
        while (at := self._next()) is not None and at <= end:
            self.world.now = max(self.world.now, at)
            self._happen(at)
        if until is None:
            self.witness.that(NEVER_LOST, at is None, "the world does not come to rest")
        else:
            self.world.now = max(self.world.now, until)

    def run_to_rest(self) -> None:
        """Go on until nothing is left to happen, and look whether everything came to its end.

        An error that no edge expects is a broken promise too: it would have been a 500.
        """
        try:
            self.run()
        except Exception as error:
            self.witness.that(NEVER_LOST, False, f"an unexpected {error!r}")
        else:
            self.witness.settled()

    def process(self, name: str, do: Callable[[], Any]) -> Ended:
        """One invocation of a function: it ends, is answered with an error, or dies."""
        self._process = next(self._processes)
        self.knife.revive(name)
        self.witness.process = name
        asked_to_wait, faults = dict(self.world.gateway.not_before), self.knife.faults
        try:
            ended = Ended(do())
        except Killed:
            ended = Ended(killed=True)
        except (StoreError, CallbackRejected, KeyReused, Surprise) as error:
            ended = Ended(error=error)
        if ended.killed or self.knife.faults > faults:
            # Who asked us to wait was not heard, or it could not be written down.
            self.world.gateway.not_before = asked_to_wait
        self.witness.process = ""
        self._notice()
        return ended

    def _next(self) -> float | None:
        times = [self._events[0].at] if self._events else []
        return min(times + [tick for tick in [self._next_tick()] if tick is not None], default=None)

    def _next_tick(self) -> float | None:
        """The next minute at which a tick finds something: the others change nothing."""
        due = [task.next_check_at for task in self.world.tasks.tasks.values() if task.next_check_at is not None]
        if self._tendings < MOST_TENDINGS:
            due += self._to_be_tended()
        if not due:
            return None
        minutes = -(-(max(min(due), self.world.now) - T0) // TICK_S)
        return max(T0 + minutes * TICK_S, self._last_tick + TICK_S)

    def _to_be_tended(self) -> list[float]:
        """When a tending finds something: whoever waits, and slots of tasks that do not use them."""
        accounts, tasks = self.world.accounts, self.world.tasks.tasks
        unused = [
            at + SETTLED_S
            for key, at in accounts.held().items()
            if (task := tasks.get(key.partition(":")[0])) is None
            or task.submission_key != key
            or task.phase in NOT_SENT
            or not uses_slot(task)
        ]
        return unused + ([self.world.now] if accounts.waiting() else [])

    def _happen(self, at: float) -> None:
        if self._events and self._events[0].at <= at:
            heapq.heappop(self._events).happen()
            self._tendings = 0
            return
        self._last_tick = at
        is_due = any((task.next_check_at or at + 1) <= at for task in self.world.tasks.tasks.values())
        self._tendings = 0 if is_due else self._tendings + 1
        self.tick()

    def _notice(self) -> None:
        """What the processes left behind for others: generations to finish, messages to deliver."""
        for generation in list(self.world.gateway.generations.values()):
            if generation.id not in self._noticed:
                self._noticed.add(generation.id)
                self._begin(generation)
        jobs, self.world.queue.jobs[:] = list(self.world.queue.jobs), []
        for job in jobs:
            self.sent.append(job)
            self.at(0, lambda job=job: self.work(job))  # type: ignore[misc]  # a default binds the loop's job
        delayed, self.world.queue.delayed[:] = list(self.world.queue.delayed), []
        for at, job in delayed:
            self.sent.append(job)
            self.at(at - self.world.now, lambda job=job: self.work(job))  # type: ignore[misc]  # as above

    # -- who acts -----------------------------------------------------------------------------------

    def order(self, key: str | None = "order-1", *, tries: int = 0, **wish: Any) -> None:
        """A client creates a task, and tries again with its key when it hears nothing or a 503."""
        ended = self.process("create", lambda: self.world.create(key=key, **wish))
        if ended.well:
            self.answered[key or ended.value.task.id] = ended.value.task.id
        elif key is not None and tries < len(CLIENT_GAPS_S) and not isinstance(ended.error, KeyReused):
            self.at(CLIENT_GAPS_S[tries], lambda: self.order(key, tries=tries + 1, **wish))

    def cancel(self, key: str = "order-1", *, tries: int = 0) -> None:
        """The client wants it no more, once it knows the task's id."""
        task_id = self.answered.get(key)
        ended = self.process("cancel", lambda: self.world.cancel(task_id)) if task_id else Ended(killed=True)
        if not ended.well and tries < len(CLIENT_GAPS_S):
            self.at(CLIENT_GAPS_S[tries], lambda: self.cancel(key, tries=tries + 1))

    def tick(self) -> Ended:
        return self.process("tick", self.world.tick)

    def work(self, job: Job, *, receives: int = 1) -> None:
        """One delivery of a message; it comes back until it is done, or ends among the dead letters."""
        ended = self.process(f"worker {job.do}", lambda: self.world.work(job))
        if ended.well:
            return
        if receives < RECEIVES:
            self.at(VISIBILITY_S, lambda: self.work(job, receives=receives + 1))
        else:
            self.world.queue.dead.append(job)

    def repeat_message(self, job: Job) -> None:
        """The queue delivers a message once more than it should: at least once is all that it promises."""
        self.witness.messages_repeat = not self.world.gateway.promises.submits_inline
        self.process(f"worker {job.do}", lambda: self.world.work(job))

    def deliver(self, generation: Generation, *, attempt: int = 0, trusted: bool = True) -> Ended:
        """One delivery of a callback; anything but a 2xx is delivered again, four times in all. No address, no callback."""
        url = generation.callback_url
        if url is None:
            return Ended()
        before, faults = self.world.task(generation.task_id), self.knife.faults
        ended = self.process(
            "callback",
            lambda: self.world.call_back(
                generation.task_id, trusted=trusted, body={"taskId": generation.id}, token=url.rpartition("/")[2]
            ),
        )
        if not ended.well and attempt < len(DELIVERY_GAPS_S):
            self.at(DELIVERY_GAPS_S[attempt], lambda: self.deliver(generation, attempt=attempt + 1, trusted=trusted))
        answer_lost = self.knife.faults > faults and self.knife.last_fault == "tasks.move:done"
        self._hold_to_its_answer(ended, before, generation, trusted=trusted, answer_lost=answer_lost)
        too_old = url.rpartition("/")[2].partition(".")[0] in self._dead_keys()
        self.witness.that(NEVER_FOOLED, not (ended.well and too_old), "a token of a key that was retired long ago was let in")
        return ended

    def _dead_keys(self) -> set[str]:
        retired = [(key.kid, key.retired_at) for key in self.world.keys if key.retired_at is not None]
        return {kid for kid, at in retired if self.world.now > at + RETIRED_KEYS_LIVE_S}

    def _hold_to_its_answer(
        self, ended: Ended, before: Task, generation: Generation, *, trusted: bool, answer_lost: bool
    ) -> None:
        """A 2xx says that the news is safe; anything else asks for the news again, so nothing of it may be in the row."""
        after = self.world.task(before.id)
        if ended.well and trusted and generation.after_all and generation.says is Says.SUCCEEDED:
            generation.heard = True
            noticed = after.attempt == generation.attempt or after.earlier[generation.attempt - 1].paid
            self.witness.that(PAID_ONCE, noticed, f"{generation.key} was paid after all, and its task does not say so")
        if ended.well and trusted:
            safe = after.is_terminal or after.phase is Phase.STORING or after.attempt > generation.attempt
            self.witness.that(NEVER_LOST, safe, "a callback was answered 2xx and its news is not in the row")
        if ended.error is not None and not answer_lost and not isinstance(ended.error, Surprise):
            self.witness.that(
                NEVER_RUDE, after.news_at == before.news_at, "a callback was asked for again although its news is safe"
            )

    def hear_nonsense(self, generation: Generation) -> Ended:
        """A callback through the right door that says nothing we can read."""
        return self.process("callback", lambda: self.world.call_back(generation.task_id, body={"taskId": "?"}))

    def _begin(self, generation: Generation) -> None:
        fate = self._fate_of(generation)
        if fate.ends is not None:
            self.at(max(0.0, generation.made_at + fate.after - self.world.now), lambda: self.finish(generation, fate))

    def _fate_of(self, generation: Generation) -> Fate:
        fate = self.fate
        for _ in range(1, generation.attempt):
            fate = fate.then or fate
        return fate

    def _while_it_waits(self, generation: Generation) -> None:
        """A synchronous gateway's POST takes as long as its generation, or as long as anybody waits."""
        self._noticed.add(generation.id)
        patience, fate = self.world.gateway.promises.answers_within_s, self._fate_of(generation)
        self.world.now += min(fate.after, patience)
        if fate.ends is not None and fate.after <= patience:
            generation.inside = fate.inside
            self.finish(generation, fate)

    def finish(self, generation: Generation, fate: Fate) -> None:
        """The gateway comes to an end with a generation, and says so."""
        if generation.is_finished:
            return
        gateway = self.world.gateway
        if fate.ends is Says.SUCCEEDED:
            gateway.succeed(generation, pictures=fate.pictures, content=fate.content)
            if fate.answers:
                self.world.downloads.serve(generation.outputs[0].url, *fate.answers)
                generation.variants = frozenset(one for one in fate.answers if isinstance(one, bytes))
            if fate.named_after:
                named, generation.outputs = generation.outputs, ()
                self.at(fate.named_after, lambda: setattr(generation, "outputs", named))
        else:
            gateway.fail(generation, passing=fate.passing)
        if fate.called_back and gateway.promises.calls_back and generation.callback_url:
            self.deliver(generation, trusted=fate.trusted)
