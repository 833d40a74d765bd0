"""The whole pipeline in memory: real use-cases over the in-memory ports, a gateway with a bill, and a clock that a test moves."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from darkroom.domain.callback_token import SigningKey, sign
from darkroom.domain.task import Task, Timing
from darkroom.errors import StoreError
from darkroom.ports import Job, Promises
from darkroom.usecases.cancel_task import Cancel, cancel_task
from darkroom.usecases.create_task import Created, Order, create_task
from darkroom.usecases.look_at_task import Look, look_at_task
from darkroom.usecases.receive_callback import Received, receive_callback
from darkroom.usecases.reconcile_tasks import Report, reconcile_tasks
from darkroom.usecases.store_pictures import Stored, store_pictures
from darkroom.usecases.work_job import Worked, work_job
from tests.support.boundaries import OnCall, nothing_happens
from tests.support.gateway import COLLAPSING, PNG, SILENT, Gateway
from tests.support.memory import MemoryBucket, MemoryClaims, MemoryDownloads, MemoryQueue, MemoryTasks

__all__ = ["COLLAPSING", "KEY", "PNG", "SILENT", "T0", "World"]

T0 = 1_700_000_000.0
KEY = SigningKey("a-stack-secret-of-some-length")


class World:
    """Applications, gateway, schedule and queue around one table and one bucket; each method is one trigger.

    `hook` hears every boundary; it may be replaced at any time.
    """

    def __init__(
        self,
        *,
        promises: Promises = COLLAPSING,
        on_call: OnCall = nothing_happens,
        timing: Timing | None = None,
        table: Callable[..., MemoryTasks] = MemoryTasks,
    ) -> None:
        self.now = T0
        self.hook = on_call
        self.keys = [KEY]
        self.timing = timing or Timing()
        self.delays: tuple[float, ...] = (0.0, 2.0, 8.0, 30.0)
        self.max_bytes = 32 * 1024 * 1024
        self.tasks = table(clock=self.clock, on_call=self._on_call)
        self.claims = MemoryClaims(on_call=self._on_call)
        self.bucket = MemoryBucket(on_call=self._on_call)
        self.queue = MemoryQueue(on_call=self._on_call)
        self.downloads = MemoryDownloads(on_call=self._on_call)
        self.gateway = Gateway(downloads=self.downloads, promises=promises, clock=self.clock, on_call=self._on_call)
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
        self,
        task_id: str,
        *,
        trusted: bool = True,
        forged: bool = False,
        body: Mapping[str, Any] | None = None,
        token: str | None = None,
    ) -> Received:
        """Deliver the callback of `task_id` as it would be now."""
        raw = json.dumps(body if body is not None else {"taskId": self.gateway.of_task(task_id).id}).encode()
        seal = "forged" if forged else "yes" if trusted else "no"
        return receive_callback(
            upstream=self.gateway,
            task_id=task_id,
            token=token or sign(KEY, upstream="hiapi", task_id=task_id, attempt=1),
            headers={"trusted": seal},
            raw=raw,
            keys=self.keys,
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

    def rotate(self, secret: str) -> None:
        """A new stack secret signs from now on; the old one is retired."""
        self.keys = [SigningKey(secret), *(replace(key, retired_at=key.retired_at or self.now) for key in self.keys)]

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
        token = sign(self.keys[0], upstream="hiapi", task_id=task_id, attempt=attempt)
        return f"https://pics.test/v1/callbacks/hiapi/{task_id}/{token}"

    def _on_call(self, name: str) -> None:
        self.hook(name)
