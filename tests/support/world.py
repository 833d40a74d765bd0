"""The whole pipeline in memory: real use-cases over the in-memory ports, a gateway with a bill, and a clock that a test moves."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from darkroom.domain.callback_token import SigningKey, sign
from darkroom.domain.news import News, Says
from darkroom.domain.task import Output, Task, TaskError, Timing
from darkroom.errors import DarkroomError, StoreError, UpstreamTaskNotFound
from darkroom.ports import Accepted, Heard, Job, Promises
from darkroom.usecases.cancel_task import Cancel, cancel_task
from darkroom.usecases.create_task import Created, Order, create_task
from darkroom.usecases.look_at_task import Look, look_at_task
from darkroom.usecases.receive_callback import Received, receive_callback
from darkroom.usecases.reconcile_tasks import Report, reconcile_tasks
from darkroom.usecases.store_pictures import Stored, store_pictures
from darkroom.usecases.work_job import Worked, work_job
from tests.support.memory import MemoryBucket, MemoryClaims, MemoryDownloads, MemoryQueue, MemoryTasks, OnCall, nothing_happens

T0 = 1_700_000_000.0
KEY = SigningKey("a-stack-secret-of-some-length")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000200000003080600000000000000"
    "0000000a49444154789c63000100000500010d0a2db40000000049454e44ae426082"
)
"""A picture of 2 × 3 pixels, as far as its header goes."""

COLLAPSING = Promises(collapses_repeats_for_s=23 * 3600, calls_back=True, signs_callbacks=True)
SILENT = Promises()


@dataclass(slots=True, kw_only=True)
class Generation:
    """One task at the gateway."""

    id: str
    key: str
    says: Says = Says.QUEUED
    outputs: tuple[Output, ...] = ()
    error: TaskError | None = None

    def news(self, attempt: int, by: str) -> News:
        return News(
            says=self.says,
            attempt=attempt,
            by=by,
            upstream_task_id=self.id,
            outputs=self.outputs if self.says is Says.SUCCEEDED else (),
            error=self.error,
            word=self.says.value,
            request_id="req-9",
            raw=json.dumps({"taskId": self.id, "status": self.says.value}).encode(),
        )


@dataclass(slots=True, kw_only=True)
class Gateway:
    """An upstream that bills each generation once, collapses repeats if it promises to, and misbehaves by script.

    `before_accepting` and `after_accepting` hold errors for the next POSTs; `looking` for the next GETs.
    """

    downloads: MemoryDownloads
    promises: Promises = COLLAPSING
    name: str = "hiapi"
    on_call: OnCall = nothing_happens
    generations: dict[str, Generation] = field(default_factory=dict)
    billed: list[str] = field(default_factory=list)
    posts: list[tuple[str, bytes]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    before_accepting: list[DarkroomError] = field(default_factory=list)
    after_accepting: list[DarkroomError] = field(default_factory=list)
    looking: list[DarkroomError] = field(default_factory=list)
    while_accepting: Callable[[Generation], None] | None = None
    while_looking: Callable[[], None] | None = None

    def freeze(self, *, model: str, route: str | None, input: Mapping[str, Any], callback_url: str | None) -> bytes:
        return json.dumps(
            {"model": model, "route": route, "input": dict(input), "callback": callback_url}, sort_keys=True
        ).encode()

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:
        self.on_call("upstream.submit")
        self.posts.append((key, body))
        if self.before_accepting:
            raise self.before_accepting.pop(0)
        known = self.of_key(key) if self.promises.collapses_repeats else None
        generation = known or self._bill(key)
        if self.while_accepting:
            self.while_accepting(generation)
        if self.after_accepting:
            raise self.after_accepting.pop(0)
        self.on_call("upstream.submit:done")
        return Accepted(upstream_task_id=generation.id, replayed=known is not None, request_id="req-1")

    def look(self, upstream_task_id: str, *, attempt: int, timeout_s: float) -> News:
        self.on_call("upstream.look")
        self.looks.append(upstream_task_id)
        if self.looking:
            raise self.looking.pop(0)
        if self.while_looking:
            self.while_looking()
        if upstream_task_id not in self.generations:
            raise UpstreamTaskNotFound("no such task", status=404)
        self.on_call("upstream.look:done")
        return self.generations[upstream_task_id].news(attempt, "poll")

    def hear(self, headers: Mapping[str, str], raw: bytes, *, attempt: int, now: float) -> Heard:
        self.on_call("upstream.hear")
        body = json.loads(raw)
        generation = self.generations.get(body.get("taskId", ""))
        trusted = headers.get("trusted") == "yes"
        if generation is None or generation.says not in (Says.SUCCEEDED, Says.FAILED):
            return Heard(trusted=trusted, news=None, why="not terminal", raw=raw)
        news = generation.news(attempt, "callback")
        return Heard(trusted=trusted, news=replace(news, upstream_task_id=None) if body.get("anonymous") else news, raw=raw)

    def of_key(self, key: str) -> Generation | None:
        return next((one for one in self.generations.values() if one.key == key), None)

    def of_task(self, task_id: str) -> Generation:
        return next(one for one in self.generations.values() if one.key.startswith(task_id))

    def succeed(self, task_id: str, *, pictures: int = 1, content: bytes = PNG) -> Generation:
        """Finish the generation of `task_id`; its outputs can be downloaded from now on."""
        generation = self.of_task(task_id)
        urls = [f"https://cdn.test/{generation.id}/{index}.png" for index in range(pictures)]
        for index, url in enumerate(urls):
            self.downloads.serve(url, content + bytes([index]))
        generation.says, generation.outputs = Says.SUCCEEDED, tuple(Output(url=url) for url in urls)
        return generation

    def fail(self, task_id: str, code: str = "generation_failed") -> Generation:
        generation = self.of_task(task_id)
        generation.says = Says.FAILED
        generation.error = TaskError(code=code, message="the model said no", upstream_code="TASK_FAILED")
        return generation

    def _bill(self, key: str) -> Generation:
        generation = Generation(id=f"tk-{len(self.billed) + 1}", key=key)
        self.generations[generation.id] = generation
        self.billed.append(key)
        return generation


class World:
    """Applications, gateway, schedule and queue around one table and one bucket; each method is one trigger."""

    def __init__(
        self, *, promises: Promises = COLLAPSING, on_call: OnCall = nothing_happens, timing: Timing | None = None
    ) -> None:
        self.now = T0
        self.timing = timing or Timing()
        self.delays: tuple[float, ...] = (0.0, 2.0, 8.0, 30.0)
        self.max_bytes = 32 * 1024 * 1024
        self.tasks = MemoryTasks(clock=self.clock, on_call=on_call)
        self.claims = MemoryClaims(on_call=on_call)
        self.bucket = MemoryBucket(on_call=on_call)
        self.queue = MemoryQueue(on_call=on_call)
        self.downloads = MemoryDownloads(on_call=on_call)
        self.gateway = Gateway(downloads=self.downloads, promises=promises, on_call=on_call)
        self._made = 0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds

    def fresh(self, size: int) -> bytes:
        self._made += 1
        return self._made.to_bytes(size)

    def lease(self) -> str:
        self._made += 1
        return f"lease-{self._made}"

    def jitter(self) -> float:
        return 0.5

    # -- triggers -----------------------------------------------------------------------------------

    def create(
        self, *, prompt: str = "a red kite", key: str | None = None, callbacks: bool = True, timeout_s: int = 1800
    ) -> Created:
        order = Order(
            owner="shop",
            model="gpt-image-2/text-to-image",
            input={"prompt": prompt},
            timeout_s=timeout_s,
            metadata={},
            idempotency_key=key,
            fingerprint=prompt,
        )
        return create_task(
            order,
            clock=self.clock,
            fresh=self.fresh,
            jitter=self.jitter,
            tasks=self.tasks,
            claims=self.claims,
            queue=self.queue,
            upstream=self.gateway,
            callback_url=self._callback_url if callbacks else lambda _task, _attempt: None,
            timing=self.timing,
            submit_timeout_s=8,
        )

    def call_back(
        self, task_id: str, *, trusted: bool = True, body: Mapping[str, Any] | None = None, token: str | None = None
    ) -> Received:
        """Deliver the callback of `task_id` as it would be now."""
        raw = json.dumps(body if body is not None else {"taskId": self.gateway.of_task(task_id).id}).encode()
        return receive_callback(
            upstream=self.gateway,
            task_id=task_id,
            token=token or sign(KEY, upstream="hiapi", task_id=task_id, attempt=1),
            headers={"trusted": "yes" if trusted else "no"},
            raw=raw,
            keys=[KEY],
            lease=self.lease(),
            clock=self.clock,
            tasks=self.tasks,
            queue=self.queue,
            timing=self.timing,
            store=lambda task: self.store(task, resume=False, until=self.now + 7),
        )

    def work(self, job: Job) -> Worked:
        return work_job(
            job,
            lease=self.lease(),
            clock=self.clock,
            jitter=self.jitter,
            tasks=self.tasks,
            upstream_of=lambda _name: self.gateway,
            timing=self.timing,
            store=lambda task, resume: self.store(task, resume=resume, until=self.now + 115),
        )

    def work_all(self) -> list[Worked]:
        """Every message of the queue once; one that fails comes back, as SQS would have it."""
        done = []
        for job in list(self.queue.jobs):
            self.queue.jobs.remove(job)
            try:
                done.append(self.work(job))
            except StoreError:
                self.queue.jobs.append(job)
        return done

    def tick(self) -> Report:
        return reconcile_tasks(clock=self.clock, tasks=self.tasks, look=self.look, limit=1000, until=self.now + 40, threads=1)

    def look(self, task_id: str) -> Look:
        return look_at_task(
            task_id,
            lease=self.lease(),
            clock=self.clock,
            jitter=self.jitter,
            tasks=self.tasks,
            queue=self.queue,
            upstream_of=lambda _name: self.gateway,
            timing=self.timing,
        )

    def cancel(self, task_id: str) -> tuple[Cancel, Task]:
        return cancel_task(self.task(task_id), clock=self.clock, tasks=self.tasks)

    def store(self, task: Task, *, resume: bool, until: float) -> Stored:
        return store_pictures(
            task,
            resume=resume,
            until=until,
            delays=self.delays,
            max_bytes=self.max_bytes,
            clock=self.clock,
            sleep=self.sleep,
            tasks=self.tasks,
            bucket=self.bucket,
            downloads=self.downloads,
        )

    # -- seeing -------------------------------------------------------------------------------------

    def task(self, task_id: str) -> Task:
        """The row as it is, without a call that a crash could hit."""
        return self.tasks.tasks[task_id]

    def change(self, task_id: str, **changes: Any) -> Task:
        """Put the row into a state that would take long to reach."""
        self.tasks.tasks[task_id] = replace(self.task(task_id), **changes)
        return self.task(task_id)

    def live_on(self, seconds: float, *, step: float = 60.0) -> None:
        """Let the schedule tick and the queue be worked for so long."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + step, end)
            self.tick()
            self.work_all()

    def _callback_url(self, task_id: str, attempt: int) -> str:
        return f"https://pics.test/v1/callbacks/hiapi/{task_id}/{sign(KEY, upstream='hiapi', task_id=task_id, attempt=attempt)}"
