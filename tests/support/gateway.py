"""A gateway with a bill: it generates once per key, forgets keys after a day as HiAPI does, and misbehaves by script."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from darkroom.domain.news import News, Says
from darkroom.domain.task import Output, TaskError
from darkroom.errors import OutcomeUnknown, SignatureRejected, UpstreamError, UpstreamTaskNotFound, UpstreamUnavailable
from darkroom.ports import Accepted, Heard, Promises, Upstream
from tests.support.boundaries import OnCall, boundaries, nothing_happens
from tests.support.memory import MemoryDownloads

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000200000003080600000000000000"
    "0000000a49444154789c63000100000500010d0a2db40000000049454e44ae426082"
)
"""A picture of 2 × 3 pixels, as far as its header goes."""

COLLAPSING = Promises(collapses_repeats_for_s=23 * 3600, calls_back=True, signs_callbacks=True)
SILENT = Promises()
SYNCHRONOUS = Promises(synchronous=True, answers_within_s=600)
EVIL = (Output(url="https://cdn.test/evil/0.png"),)
"""What an unsigned callback would have us fetch."""

KEYS_KEPT_S = 24 * 3600
"""Afterwards the same request is a new, billed task (HiAPI's SDKs, README)."""


def nobody_watches(_key: str, _body: bytes) -> None:
    """No witness."""


def timeless() -> float:
    """For a gateway whose keys need not be forgotten."""
    return 0.0


@dataclass(slots=True, kw_only=True)
class Generation:
    """One task at the gateway; `told` is every end that it ever had, `variants` what its first output may also be.

    `inside`: its outputs are `data:` URIs. `free`: the gateway has said that it does not bill it. `after_all`: it has said so,
    and succeeded all the same; `heard`: we were told.
    """

    id: str
    key: str
    made_at: float = 0.0
    callback_url: str | None = None
    inside: bool = False
    says: Says = Says.QUEUED
    outputs: tuple[Output, ...] = ()
    contents: tuple[bytes, ...] = ()
    variants: frozenset[bytes] = frozenset()
    error: TaskError | None = None
    told: set[Says] = field(default_factory=set)
    free: bool = False
    after_all: bool = False
    heard: bool = False

    @property
    def task_id(self) -> str:
        return self.key.partition(":")[0]

    @property
    def attempt(self) -> int:
        return int(self.key.rpartition(":")[2])

    @property
    def is_finished(self) -> bool:
        return self.says in (Says.SUCCEEDED, Says.FAILED)

    def news(self, attempt: int, by: str) -> News:
        return News(
            says=self.says,
            attempt=attempt,
            by=by,
            upstream_task_id=self.id,
            outputs=self.outputs if self.says is Says.SUCCEEDED else (),
            error=self.error if self.says is Says.FAILED else None,
            word=self.says.value,
            request_id="req-9",
            raw=json.dumps({"taskId": self.id, "status": self.says.value}).encode(),
        )


def data_uri(generation: Generation, index: int) -> str:
    """An output that holds its bytes itself, with its generation's id where a test can read it."""
    facts = f"data:image/png;of=//{generation.id}/{index}.;base64,"
    return facts + base64.b64encode(generation.contents[index]).decode()


@boundaries(Upstream, "upstream", pure=("freeze",))
@dataclass(slots=True, kw_only=True)
class Gateway:
    """An upstream that bills each generation once, collapses repeats if it promises to, and misbehaves by script.

    `before_accepting` and `after_accepting` hold errors for the next POSTs; `looking` for the next GETs, or the id of another
    task that they answer about; `hearing` for the next callbacks. `not_before` says
    until when the gateway asked to be left alone about a key. If it is synchronous, `generate` brings a generation to its end
    while the POST waits; one that has none leaves the POST without an answer.
    """

    downloads: MemoryDownloads
    promises: Promises = COLLAPSING
    name: str = "hiapi"
    clock: Callable[[], float] = timeless
    on_call: OnCall = nothing_happens
    on_post: Callable[[str, bytes], None] = nobody_watches
    on_look: OnCall = nothing_happens
    generations: dict[str, Generation] = field(default_factory=dict)
    billed: list[str] = field(default_factory=list)
    posts: list[tuple[str, bytes]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    before_accepting: list[Exception] = field(default_factory=list)
    after_accepting: list[Exception] = field(default_factory=list)
    looking: list[Exception | str] = field(default_factory=list)
    hearing: list[Exception] = field(default_factory=list)
    not_before: dict[str, float] = field(default_factory=dict)
    while_accepting: Callable[[Generation], None] | None = None
    while_looking: Callable[[], None] | None = None
    generate: Callable[[Generation], None] | None = None
    answers: Callable[[News], News] = lambda news: news

    def freeze(self, *, model: str, route: str | None, input: Mapping[str, Any], callback_url: str | None) -> bytes:
        return json.dumps(
            {"model": model, "route": route, "input": dict(input), "callback": callback_url}, sort_keys=True
        ).encode()

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:
        self.posts.append((key, body))
        self.on_post(key, body)
        if self.before_accepting:
            raise self._asked_to_wait(key, self.before_accepting.pop(0))
        known = self.of_key(key) if self.promises.collapses_repeats else None
        generation = known or self._bill(key, json.loads(body)["callback"])
        if self.while_accepting:
            self.while_accepting(generation)
        if self.after_accepting:
            said = self.after_accepting.pop(0)
            generation.free |= isinstance(said, UpstreamUnavailable)
            raise self._asked_to_wait(key, said)
        if self.promises.synchronous:
            return self._answer(generation)
        return Accepted(upstream_task_id=generation.id, replayed=known is not None, request_id="req-1")

    def look(self, upstream_task_id: str, *, attempt: int, timeout_s: float) -> News:
        self.looks.append(upstream_task_id)
        self.on_look(upstream_task_id)
        said = self.looking.pop(0) if self.looking else None
        if isinstance(said, Exception):
            raise self._asked_to_wait(upstream_task_id, said)
        if self.while_looking:
            self.while_looking()
        if upstream_task_id not in self.generations:
            raise UpstreamTaskNotFound("no such task", status=404)
        news = self.generations[upstream_task_id].news(attempt, "poll")
        return replace(news, upstream_task_id=said) if said else news

    def hear(self, headers: Mapping[str, str], raw: bytes, *, attempt: int, now: float) -> Heard:
        if self.hearing:
            raise self.hearing.pop(0).with_traceback(None)
        if headers.get("trusted") == "forged":
            raise SignatureRejected("the signature does not fit the bytes")
        body = json.loads(raw)
        generation = self.generations.get(body.get("taskId", ""))
        trusted = headers.get("trusted") == "yes"
        if "lie" in body:
            lie = News(says=Says.SUCCEEDED, attempt=attempt, by="callback", upstream_task_id=body["taskId"], outputs=EVIL)
            return Heard(trusted=False, news=lie, raw=raw)
        if generation is None or not generation.is_finished:
            return Heard(trusted=trusted, news=None, why="not terminal", raw=raw)
        news = generation.news(attempt, "callback")
        return Heard(trusted=trusted, news=replace(news, upstream_task_id=None) if body.get("anonymous") else news, raw=raw)

    def of_key(self, key: str) -> Generation | None:
        """The generation that a repeat of `key` is collapsed into."""
        same = [one for one in self.generations.values() if one.key == key]
        return next((one for one in same if self.clock() < one.made_at + KEYS_KEPT_S), None)

    def of_task(self, task_id: str) -> Generation:
        """The generation of the task's latest attempt."""
        return [one for one in self.generations.values() if one.key.startswith(task_id)][-1]

    def succeed(self, of: str | Generation, *, pictures: int = 1, content: bytes = PNG) -> Generation:
        """Finish a generation, or a task's; its outputs can be downloaded from now on."""
        generation = self.of_task(of) if isinstance(of, str) else of
        generation.contents = tuple(content + bytes([index]) for index in range(pictures))
        urls = [f"https://cdn.test/{generation.id}/{index}.png" for index in range(pictures)]
        if generation.inside:
            urls = [data_uri(generation, index) for index in range(pictures)]
        for url, one in zip(urls, generation.contents, strict=True):
            self.downloads.serve(url, one)
        generation.says, generation.outputs = Says.SUCCEEDED, tuple(Output(url=url) for url in urls)
        generation.told.add(Says.SUCCEEDED)
        generation.after_all |= generation.free
        generation.free = False
        return generation

    def fail(self, of: str | Generation, code: str = "generation_failed", *, passing: bool = False) -> Generation:
        """Finish a generation, or a task's, without a picture; `passing`: for nothing, by a trouble that may pass."""
        generation = self.of_task(of) if isinstance(of, str) else of
        generation.says = Says.FAILED
        generation.free |= passing
        retryable, charged = ("later", "no") if passing else ("manual", "unknown")
        generation.error = TaskError(
            code=code, message="the model said no", upstream_code="TASK_FAILED", retryable=retryable, charged=charged
        )
        generation.told.add(Says.FAILED)
        return generation

    def _answer(self, generation: Generation) -> Accepted:
        if self.generate:
            self.generate(generation)
        else:
            self.succeed(generation)
        if not generation.is_finished:
            raise OutcomeUnknown("no answer: ReadTimeout")
        news = self.answers(replace(generation.news(0, "create"), upstream_task_id=None))
        return Accepted(upstream_task_id="", request_id="req-1", news=news)

    def _bill(self, key: str, callback_url: str | None) -> Generation:
        generation = Generation(id=f"tk-{len(self.billed) + 1}", key=key, made_at=self.clock(), callback_url=callback_url)
        self.generations[generation.id] = generation
        self.billed.append(key)
        return generation

    def _asked_to_wait(self, about: str, error: Exception) -> Exception:
        if isinstance(error, UpstreamError) and error.retry_after is not None:
            self.not_before[about] = self.clock() + error.retry_after
        # Stories raise one error again and again, which would remember every way that it went.
        return error.with_traceback(None)
