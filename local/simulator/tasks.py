"""A task as HiAPI keeps it, its status walk, and how it looks on the wire."""

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.simulator.faults import Subject, without_markers
from local.simulator.messages import Json
from local.simulator.pictures import PictureSpec, picture_spec
from local.simulator.submissions import Submission

NEVER = math.inf
# HiAPI keeps temporary outputs for 7 days (HiAPI docs, async-api/detail: expireAt - completed).
OUTPUT_LIFE_S = 604_800
# The walk: which share of the generation time a task shows each word.
WALK = ((0.15, "queued"), (0.85, "handling"), (1.0, "archiving"))


@dataclass(frozen=True)
class Output:
    """One entry of `output`. `spec` is the picture behind it; `url` is set when it does not lead here."""

    spec: PictureSpec
    type: str = "image"
    url: str | None = None
    bytes: int | None = None


@dataclass
class Task:
    """One task; changed only under the simulator's lock."""

    task_id: str
    account: str
    scope: str
    submission: Submission
    idempotency_key: str | None
    created: int
    began: float
    latency: float
    api: str = "hiapi"
    completed: int = 0
    ended: float = NEVER
    outputs: list[Output] | None = None
    error: dict[str, str] | None = None
    expiry_form: str | None = None
    round: int = 1
    dead_rounds: dict[int, int] = field(default_factory=dict)
    dead_always: int | None = None
    billed: int = 1
    counts: Counter[str] = field(default_factory=Counter)
    downloads: list[dict[str, Json]] = field(default_factory=list)
    deliveries: list[dict[str, Json]] = field(default_factory=list)
    references: list[dict[str, Json]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.ended != NEVER

    @property
    def subject(self) -> Subject:
        """What faults match against."""
        offer = self.submission.offer
        return Subject(
            scope=self.scope,
            prompt=self.submission.prompt,
            models=(offer.model, offer.name),
            task_id=self.task_id,
            idempotency_key=self.idempotency_key or "",
            callback_url=self.submission.callback_url or "",
            api=self.api,
        )

    def status(self, now: float) -> str:
        """The status word at that simulated time."""
        if self.is_final:
            return "fail" if self.error else "success"
        if self.latency == NEVER:
            return "handling"
        progress = (now - self.began) / self.latency if self.latency else 1.0
        return next((word for share, word in WALK if progress < share), "archiving")

    def picture(self, index: int = 0) -> PictureSpec:
        """The picture that this task generates."""
        caption = without_markers(self.submission.prompt) or self.submission.offer.name
        inputs = {**self.submission.offer.defaults, **self.submission.input}
        return picture_spec(caption=caption, model=self.submission.offer.name, inputs=inputs, index=index)


def show(task: Task, now: float, origin: str) -> dict[str, Json]:
    """The task object of detail, list and callback (HiAPI docs, async-api/detail)."""
    shown: dict[str, Json] = {"taskId": task.task_id, "model": task.submission.offer.name}
    if task.submission.route:
        shown["route"] = task.submission.route
    shown |= {"status": task.status(now), "created": task.created, "completed": task.completed}
    shown["storage"] = task.submission.storage
    if task.error:
        shown["error"] = dict(task.error)
    elif task.outputs is not None and task.is_final:
        shown["output"] = [_show_output(task, index, origin) for index in range(len(task.outputs))]
    return shown


def output_path(task: Task, index: int) -> str:
    """Where the output lies now; a fresh round gives a fresh path."""
    assert task.outputs is not None  # noqa: S101  (only tasks with outputs are asked)
    fresh = f"r{task.round}/" if task.round > 1 else ""
    return f"/outputs/{task.task_id}/{fresh}{index}.{task.outputs[index].spec.extension}"


def _show_output(task: Task, index: int, origin: str) -> dict[str, Json]:
    assert task.outputs is not None  # noqa: S101  (the caller checked)
    output = task.outputs[index]
    url = output.url or origin + output_path(task, index)
    return {"url": url, "type": output.type} | _expiry(task)


def _expiry(task: Task) -> dict[str, Json]:
    seconds = task.completed + OUTPUT_LIFE_S
    if task.expiry_form == "absent":
        return {}
    return {"expireAt": _expiry_value(seconds, task.expiry_form)}


def _expiry_value(seconds: int, form: str | None) -> Json:
    if form == "iso":
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    return seconds * 1000 if form == "ms" else seconds
