"""A harness that cannot fail proves nothing: each of these broken pipelines must be caught, and by the promise that it breaks."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from darkroom.domain.admission import Account
from darkroom.domain.task import IN_FLIGHT, Phase, Task, TaskError
from darkroom.ports import Accepted, Body, Job
from darkroom.usecases.cancel_task import Cancel
from darkroom.usecases.create_task import Created
from darkroom.usecases.receive_callback import Received
from darkroom.usecases.reconcile_tasks import Report
from darkroom.usecases.work_job import Worked
from tests.support.boundaries import boundaries, operations
from tests.support.crashes import single_crashes
from tests.support.gateway import Gateway
from tests.support.meetings import RACES
from tests.support.memory import MemoryBucket, MemoryTasks, Stored
from tests.support.memory_accounts import MemoryAccounts
from tests.support.model import made_up_lives
from tests.support.races import few_switches, random_schedules
from tests.support.stories import STORIES
from tests.support.trials import Tally, Trial
from tests.support.witness import NEVER_FOOLED, NEVER_LOST, NEVER_RUDE, ONE_END, PAID_ONCE, Broken
from tests.support.world import World


class LookingLater(MemoryTasks):
    """A look that asks first and writes the next look down when it has its answer."""

    def move(self, before: Task, after: Task) -> None:
        is_look = after.looks == before.looks + 1
        MemoryTasks.move(self, before, replace(after, next_check_at=before.next_check_at) if is_look else after)


class Forgetting(MemoryTasks):
    """A store that keeps no time for a task that is being stored."""

    def move(self, before: Task, after: Task) -> None:
        MemoryTasks.move(self, before, replace(after, next_check_at=None) if after.phase is Phase.STORING else after)


class LastOneWins(MemoryTasks):
    """A close that does not look at the version."""

    def move(self, before: Task, after: Task) -> None:
        MemoryTasks.move(self, self.tasks[before.id] if after.is_terminal else before, after)


class Rewriting(MemoryTasks):
    """A table that does not give back what was kept for an attempt."""

    def keep_sent(self, task: Task, body: bytes, *, good_for_s: float) -> bytes:
        return MemoryTasks.keep_sent(self, task, body, good_for_s=good_for_s) + b" " * task.looks


class Careless(MemoryBucket):
    """A bucket that keeps what came of a body that broke off."""

    def put(self, key: str, body: Body, *, size: int, content_type: str, filename: str) -> bool:
        if key in self.objects:
            return False
        half = body.read(40)
        self.objects[key] = Stored(content=half, content_type=content_type, filename=filename)
        rest = b"".join(iter(lambda: body.read(65_536), b""))
        self.objects[key] = Stored(content=half + rest, content_type=content_type, filename=filename)
        return True


class WithTable(World):
    """A world over a broken table."""

    broken: type[MemoryTasks] = MemoryTasks

    def __init__(self, **how: Any) -> None:
        super().__init__(**({"table": self.broken} | how))


class LooksLater(WithTable):
    broken = LookingLater


class Forgets(WithTable):
    broken = Forgetting


class Overwrites(WithTable):
    broken = LastOneWins


class Refreezes(WithTable):
    broken = Rewriting


class KeepsHalves(World):
    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.bucket = Careless(on_call=self._on_call)


class SendsFirst(World):
    """Asks the upstream, then remembers."""

    def create(self, **wish: Any) -> Created:
        self.gateway.submit(b'{"callback": null}', key="task_00000000000000000000000000:1", timeout_s=8)
        return super().create(**wish)


class SendsAgain(World):
    """A worker that takes a redelivered message for a new one."""

    def work(self, job: Job) -> Worked:
        task = self.task(job.task_id)
        if job.do == "submit" and task.phase is Phase.SUBMITTING:
            self.change(task.id, phase=Phase.ACCEPTED)
        return super().work(job)


class SendsOnceMore(SendsAgain):
    """The same, of a synchronous upstream."""


class Renamed(Gateway):
    """Sends each repeat under a key of its own."""

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:
        return Gateway.submit(self, body, key=f"{key}.{len(self.posts)}" if self.posts else key, timeout_s=timeout_s)


class RenamesRepeats(World):
    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.gateway = Renamed(downloads=self.downloads, promises=self.gateway.promises, clock=self.clock, on_call=self._on_call)


class FetchesFirst(World):
    """A callback that fetches before it has written the news down."""

    def call_back(self, task_id: str, **how: Any) -> Received:
        for output in self.gateway.of_task(task_id).outputs:
            with self.downloads.open(output.url, timeout_s=7) as download:
                list(download.chunks)
        return super().call_back(task_id, **how)


class Gullible(World):
    """Takes any callback for a success."""

    def call_back(self, task_id: str, **how: Any) -> Received:
        task = self.task(task_id)
        if not task.is_terminal:
            self.tasks.move(task, task.storing(self.now, by="callback", lease="mine", lease_s=25, outputs=()))
        return super().call_back(task_id, **how)


class Flatters(World):
    """Cancels what runs as if nothing had been spent."""

    def cancel(self, task_id: str) -> tuple[Cancel, Task]:
        task = self.task(task_id)
        if task.is_terminal:
            return super().cancel(task_id)
        after = task.canceled(self.now, charged="no", by="cancel")
        self.tasks.move(task, after)
        return Cancel.CANCELED, after


class RetriesBlindly(World):
    """Tries once more whatever has failed, as if nothing had been spent."""

    def call_back(self, task_id: str, **how: Any) -> Received:
        task = self.task(task_id)
        if task.phase in IN_FLIGHT and task.attempt == 1:
            self.tasks.move(task, task.again(self.now, TaskError(code="generation_failed", message="no", charged="no")))
        return super().call_back(task_id, **how)


class Overlooks(World):
    """Takes all news of an earlier attempt for old."""

    def call_back(self, task_id: str, *, token: str | None = None, **how: Any) -> Received:
        task = self.task(task_id)
        if token and int(token.split(".")[1]) < task.attempt:
            return Received(outcome="superseded", task=task)
        return super().call_back(task_id, token=token, **how)


class WithAccounts(World):
    """A world over broken accounts."""

    broken: type[MemoryAccounts] = MemoryAccounts

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.accounts = self.broken(on_call=self._on_call)
        self.admission = replace(self.admission, accounts=self.accounts)


class Impatient(MemoryAccounts):
    def save(self, before: Account, after: Account) -> None:
        MemoryAccounts.save(self, before, replace(after, not_before=0.0))


class Nagging(WithAccounts):
    """Does not listen to `Retry-After`."""

    broken = Impatient


class Grasping(MemoryAccounts):
    def save(self, before: Account, after: Account) -> None:
        MemoryAccounts.save(self, before, replace(after, holders={**before.holders, **after.holders}))


class KeepsSlots(WithAccounts):
    """Never gives a slot back, not even when it is tended."""

    broken = Grasping


class Absentminded(MemoryAccounts):
    def get(self, name: str, *, consistent: bool = False) -> Account:
        return replace(MemoryAccounts.get(self, name), holders={})


class Overbooks(WithAccounts):
    """Forgets who holds a slot when somebody asks for one."""

    broken = Absentminded


class SendsWithoutASlot(World):
    """A create that does not wait for its slot to be written down."""

    def create(self, **wish: Any) -> Created:
        kept = self.admission
        self.admission = replace(kept, accounts=MemoryAccounts())
        try:
            return super().create(**wish)
        finally:
            self.admission = kept


class Uncontained(World):
    """A sweep that a look's error stops, and a task whose time does not end it then."""

    def tick(self) -> Report:
        for task_id in self.tasks.overdue(self.now, limit=1000):
            before, held = self.tasks.tasks[task_id], dict(self.accounts.accounts)
            look = self.look(task_id, crowded=True)
            if look.unforeseen is not None:
                self.tasks.tasks[task_id] = replace(before, version=self.task(task_id).version)
                self.accounts.accounts.update(held)
                raise look.unforeseen
        return Report(overdue=0, looked_at=0, moved=0, oldest_overdue_s=0.0)


def crashes(world: type[World], story: str) -> Iterator[Trial]:
    return single_crashes(next(one for one in STORIES if one.name == story), world=world)


CRASHING: Mapping[type[World], tuple[str, int]] = {
    LooksLater: ("a tick finds the success", NEVER_RUDE),
    Forgets: ("created, called back, stored", NEVER_LOST),
    KeepsHalves: ("a picture that comes in many pieces", ONE_END),
    SendsFirst: ("created, called back, stored", PAID_ONCE),
    SendsAgain: ("silent upstream", PAID_ONCE),
    SendsOnceMore: ("synchronous upstream", PAID_ONCE),
    RenamesRepeats: ("the answer to the POST is lost", PAID_ONCE),
    FetchesFirst: ("the callback comes again and again", ONE_END),
    Gullible: ("a failure is called back", NEVER_FOOLED),
    Flatters: ("canceled while it runs", PAID_ONCE),
    RetriesBlindly: ("a failure is called back", PAID_ONCE),
    Overlooks: ("both models are paid, though the first one was busy", PAID_ONCE),
    Refreezes: ("the answer to the second attempt is lost", PAID_ONCE),
    Nagging: ("it has to wait before it is accepted", NEVER_RUDE),
    KeepsSlots: ("created, called back, stored", NEVER_LOST),
    Overbooks: ("two wait for the third", NEVER_RUDE),
    SendsWithoutASlot: ("created, called back, stored", NEVER_RUDE),
}


@pytest.mark.parametrize("world", CRASHING, ids=lambda world: world.__name__)
def test_a_broken_pipeline_is_caught_by_the_promise_that_it_breaks(world: type[World]) -> None:
    story, promise = CRASHING[world]

    tally = Tally().of(crashes(world, story))

    assert promise in {complaint.promise for _, complaint in tally.broken}


@pytest.mark.parametrize(
    "trials", [lambda race: random_schedules(race, seeds=range(60)), lambda race: few_switches(race, every=5)]
)
def test_a_close_that_does_not_look_at_the_version_is_caught_by_a_race(trials: Callable[..., Iterator[Trial]]) -> None:
    race = next(one for one in RACES if one.name == "callback against reconciler")
    broken = replace(race, world=Overwrites)

    tally = Tally().of(trials(broken))

    assert ONE_END in {complaint.promise for _, complaint in tally.broken}


@pytest.mark.parametrize(("world", "broken"), [(World, set()), (Uncontained, {NEVER_LOST})])
def test_an_error_that_is_not_contained_is_caught(world: type[World], broken: set[int]) -> None:
    story = next(one for one in STORIES if one.name == "every look raises what no code expects")
    life = story.begin(world=world)

    life.run(until=life.world.now + 2 * 3600)
    life.witness.settled()

    assert {complaint.promise for complaint in life.witness.complaints} == broken


@pytest.mark.parametrize("world", [Forgets, RenamesRepeats, Flatters], ids=lambda world: world.__name__)
def test_a_broken_pipeline_is_caught_by_a_made_up_life(world: type[World]) -> None:
    with pytest.raises(Broken):
        made_up_lives(200, steps=20, always_the_same=True, shorten=False, world=world)


def test_a_story_that_ends_otherwise_than_it_should_is_caught() -> None:
    story = replace(STORIES[0], ends=frozenset({"failed generation_failed"}))

    tally = Tally().of(single_crashes(story))

    assert len(tally.broken) == tally.trials


def test_what_is_tried_is_the_same_every_time() -> None:
    race = random.Random(1).choice(RACES)

    first, second = (Tally().of(random_schedules(race, seeds=range(4))) for _ in range(2))

    assert first.counts == second.counts


def test_a_port_is_watched_wherever_its_protocol_names_an_operation() -> None:
    class Answers:
        def ask(self) -> None: ...
        def tell(self) -> None: ...
        def whisper(self) -> None: ...

    heard: list[str] = []

    @boundaries(Answers, "answers", pure=("whisper",))
    class Said:
        on_call = staticmethod(heard.append)

        def ask(self) -> str:
            return "asked"

        def tell(self) -> str:
            raise ValueError("told")

        def whisper(self) -> str:
            return "whispered"

    said = Said()
    answers = [said.ask(), said.whisper()]
    with pytest.raises(ValueError, match="told"):
        said.tell()

    assert operations(Answers, pure=("whisper",)) == ["ask", "tell"]
    assert answers == ["asked", "whispered"]
    assert heard == ["answers.ask", "answers.ask:done", "answers.tell", "answers.tell:done"]
