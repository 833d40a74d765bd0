"""The five promises, held against what a run left behind: table, bucket, the upstream's ledger, and every write on the wire."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from darkroom.adapters import rows
from darkroom.adapters.queue import read_job
from darkroom.domain.news import Says
from darkroom.domain.task import Phase, Task
from darkroom.ports import Job
from local.simulator.pictures import padded_bytes, picture_bytes
from local.simulator.tasks import Output
from local.simulator.tasks import Task as Made
from tests.chaos.emulators.outside import Outside
from tests.chaos.emulators.wire import Exchange
from tests.support.gateway import COLLAPSING, Generation
from tests.support.witness import NEVER_LOST, ONE_END, PAID_ONCE, Witness


@dataclass(frozen=True, slots=True)
class Found:
    """What a run has come to."""

    tasks: Mapping[str, Task]
    generations: tuple[Made, ...]
    unavailable: int
    """How often the answer was a 503."""

    @property
    def downloads(self) -> int:
        return sum(len(one.downloads) for one in self.generations)

    @property
    def posts(self) -> int:
        return sum(one.counts["posts"] for one in self.generations)

    @property
    def looks(self) -> int:
        return sum(one.counts["gets"] for one in self.generations)


@dataclass(slots=True)
class _Observed:
    """An emulator's world in the shape that the witness watches."""

    now: float
    tasks: Any
    bucket: Any
    gateway: Any
    queue: Any
    downloads: Any = field(default_factory=SimpleNamespace)
    # A dead process's slot comes free some ticks after its task has ended: that is watched in memory, where time is free.
    accounts: Any = field(default_factory=lambda: SimpleNamespace(held=dict, waiting=list))
    actor: str = ""


def check(outside: Outside) -> Found:
    """Raise Broken unless all promises were kept; the run must have come to rest."""
    deployment, journal = outside.deployment, outside.deployment.wire.since(outside.began)
    generations, tasks = tuple(outside.generations()), outside.tasks()
    world = _Observed(
        now=deployment.clock(),
        tasks=SimpleNamespace(tasks={}),
        bucket=SimpleNamespace(objects=_objects(outside, tasks)),
        gateway=_gateway(generations),
        queue=SimpleNamespace(sent=list(_jobs(journal))),
    )
    witness = Witness(world, actor=lambda: world.actor)  # type: ignore[arg-type]  # it has what the witness looks at
    _replay(world, journal)
    _compare(witness, world.tasks.tasks, tasks)
    for wish in outside.wishes:
        witness.that(NEVER_LOST, wish.answer is not None and wish.task_id in tasks, f"{wish.key} has no task")
    _posted_the_same(witness, journal)
    for path, times in Counter(
        one.path for one in journal if "/images/" in one.path and one.name == "s3 PutObject" and one.status == 200
    ).items():
        witness.that(ONE_END, times == 1, f"{path} was written {times} times")
    for task in tasks.values():
        _nothing_unwanted(witness, task, world.bucket.objects)
    witness.settled()
    witness.check()
    return Found(tasks, generations, sum(answer.status == 503 for answer in outside.refused))


def _objects(outside: Outside, tasks: Iterable[str]) -> dict[str, Any]:
    found = [outside.deployment.objects(f"images/{outside.deployment.owner}/{task_id}/") for task_id in tasks]
    return {key: SimpleNamespace(content=content) for one in found for key, content in one.items()}


def _jobs(journal: Iterable[Exchange]) -> Iterator[Job]:
    for one in journal:
        if one.name == "sqs SendMessage":
            # A redriven letter may be no job at all.
            with suppress(ValueError):
                yield read_job(one.said["MessageBody"])


def _gateway(generations: Iterable[Made]) -> Any:
    billed = [str(one.idempotency_key) for one in generations for _ in range(one.billed)]
    told = {one.task_id: _generation(one) for one in generations}
    return SimpleNamespace(billed=billed, generations=told, promises=COLLAPSING, not_before={})


def _generation(made: Made) -> Generation:
    outputs = [one for one in made.outputs or () if one.type == "image"]
    said = {Says.FAILED if made.error else Says.SUCCEEDED} if made.is_final else set()
    contents = tuple(_content(one) for one in outputs)
    return Generation(id=made.task_id, key=str(made.idempotency_key), contents=contents, told=said)


def _content(output: Output) -> bytes:
    return padded_bytes(output.spec, output.bytes) if output.bytes else picture_bytes(output.spec)


def _replay(world: _Observed, journal: Iterable[Exchange]) -> None:
    """Show the witness every write that took effect, in the order of each task's versions."""
    written = [(one, row) for one in journal if one.status == 200 and (row := one.written) is not None]
    beside = {(row["pk"]["S"], row["sk"]["S"]): row for _, row in written}
    states = [(one, row) for one, row in written if row["sk"]["S"] == "state"]
    for one, row in sorted(states, key=lambda found: int(found[1]["version"]["N"])):
        after = rows.task_of(row, beside.get((row["pk"]["S"], row["images_row"]["S"])) if "images_row" in row else None)
        before = world.tasks.tasks.get(after.id)
        world.tasks.tasks[after.id], world.now, world.actor = after, one.at, one.door
        world.tasks.on_write(before, after)


def _compare(witness: Witness, replayed: Mapping[str, Task], tasks: Mapping[str, Task]) -> None:
    for task in tasks.values():
        seen = replayed.get(task.id)
        same = seen is not None and (seen.version, seen.phase, seen.images) == (task.version, task.phase, task.images)
        witness.that(ONE_END, same, f"{task.id} is at version {task.version}, and nobody was seen to write that")


def _posted_the_same(witness: Witness, journal: Iterable[Exchange]) -> None:
    first: dict[str, bytes] = {}
    for one in journal:
        if one.name == "upstream create":
            key = one.headers["idempotency-key"]
            witness.that(PAID_ONCE, first.setdefault(key, one.body) == one.body, f"{key} was sent again with other bytes")


def _nothing_unwanted(witness: Witness, task: Task, objects: Mapping[str, Any]) -> None:
    unwanted = task.phase is Phase.CANCELED and any(f"/{task.id}/" in key for key in objects)
    witness.that(ONE_END, not unwanted, f"{task.id} is canceled, and its picture was kept")
