"""The whole pipeline in memory: real use-cases over the in-memory ports, a gateway with a bill, and a clock that a test moves."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from typing import Any

from darkroom.domain.admission import Limits
from darkroom.domain.attempts import Alternative
from darkroom.domain.callback_token import SigningKey, callback_url, sign
from darkroom.domain.task import Request, Task, Timing
from darkroom.ports import Job, Promises
from darkroom.usecases.account import Admission
from darkroom.usecases.allowance import Allowance
from darkroom.usecases.cancel_task import Cancel, cancel_task
from darkroom.usecases.create_task import Created, Order, create_task
from darkroom.usecases.keep_unread import keep_unread
from darkroom.usecases.look_at_task import Look, look_at_task
from darkroom.usecases.prepare_request import prepare_request
from darkroom.usecases.receive_callback import Received, receive_callback
from darkroom.usecases.reconcile_tasks import Report, reconcile_tasks
from darkroom.usecases.store_pictures import Stored, keep_pictures, store_pictures
from darkroom.usecases.tend_account import Tended, tend_account
from darkroom.usecases.work_job import Worked, work_job
from tests.support.boundaries import OnCall, nothing_happens
from tests.support.gateway import COLLAPSING, PNG, SILENT, SYNCHRONOUS, Gateway
from tests.support.memory import MemoryBucket, MemoryClaims, MemoryDownloads, MemoryQueue, MemoryTasks
from tests.support.memory_accounts import MemoryAccounts

__all__ = ["COLLAPSING", "KEY", "PNG", "SILENT", "SYNCHRONOUS", "T0", "World"]

T0 = 1_700_000_000.0
LIMITS = Limits(account="hiapi")
ORIGIN = "https://pics.test"
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
        limits: Limits = LIMITS,
        table: Callable[..., MemoryTasks] = MemoryTasks,
    ) -> None:
        self.now = T0
        self.hook = on_call
        self.keys = [KEY]
        self.timing = timing or Timing()
        self.delays: tuple[float, ...] = (0.0, 2.0, 8.0, 30.0)
        self.max_bytes = 32 * 1024 * 1024
        # Reads that need not be consistent are now and then a version or two behind.
        self.tasks = table(clock=self.clock, on_call=self._on_call, lag=cycle((1, 0, 2, 0, 9)).__next__)
        self.claims = MemoryClaims(on_call=self._on_call)
        self.bucket = MemoryBucket(on_call=self._on_call)
        self.queue = MemoryQueue(on_call=self._on_call, clock=self.clock)
        self.limits = limits
        self.accounts = MemoryAccounts(on_call=self._on_call)
        self.admission = Admission(
            accounts=self.accounts,
            limits_of=self._limits_of,
            queue=self.queue,
            clock=self.clock,
            sleep=self.sleep,
            jitter=self.jitter,
        )
        self.downloads = MemoryDownloads(on_call=self._on_call)
        self.gateway = Gateway(downloads=self.downloads, promises=promises, clock=self.clock, on_call=self._on_call)
        self.others: dict[str, Gateway] = {}
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

    def upstream(self, name: str) -> Gateway:
        """The gateway of that name: the one there is, unless a test adds another to `others`."""
        return self.others.get(name, self.gateway)

    def _limits_of(self, upstream: str) -> Limits:
        return replace(self.limits, account=upstream) if upstream in self.others else self.limits

    def jitter(self) -> float:
        return 0.5

    # -- triggers -----------------------------------------------------------------------------------

    def create(
        self,
        *,
        prompt: str = "a red kite",
        key: str | None = None,
        callbacks: bool = True,
        timeout_s: int = 1800,
        images: Sequence[str] = (),
        alternatives: tuple[Alternative, ...] = (),
        max_auto_retries: int = 1,
        owner: str = "shop",
        model: str = "gpt-image-2/text-to-image",
    ) -> Created:
        order = Order(
            owner=owner,
            model=model,
            input={"prompt": prompt} | ({"image_urls": list(images)} if images else {}),
            timeout_s=timeout_s,
            metadata={},
            idempotency_key=key,
            fingerprint=prompt,
            alternatives=alternatives,
            max_auto_retries=max_auto_retries,
        )
        return create_task(
            order,
            clock=self.clock,
            fresh=self.fresh,
            jitter=self.jitter,
            tasks=self.tasks,
            claims=self.claims,
            upstream=self.gateway,
            prepare=self.prepare,
            admission=self.admission,
            origin=ORIGIN if callbacks else None,
            callback_url=self._callback_url,
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
        task = self.tasks.tasks.get(task_id)
        attempt = task.attempt if task else 1
        seal = "forged" if forged else "yes" if trusted else "no"
        return receive_callback(
            upstream=self.gateway,
            task_id=task_id,
            token=token or sign(KEY, upstream="hiapi", task_id=task_id, attempt=attempt, now=self.now),
            headers={"trusted": seal},
            raw=raw,
            keys=self.keys,
            lease=self.lease(),
            clock=self.clock,
            tasks=self.tasks,
            queue=self.queue,
            admission=self.admission,
            may_ask=Allowance(self.admission).may_ask,
            timing=self.timing,
            store=lambda task: self.store(task, resume=False, until=self.now + 7),
            keep=lambda task: self.keep(task, until=self.now + 7),
        )

    def work(self, job: Job) -> Worked:
        return work_job(
            job,
            lease=self.lease(),
            clock=self.clock,
            jitter=self.jitter,
            tasks=self.tasks,
            queue=self.queue,
            upstream_of=self.upstream,
            prepare=self.prepare,
            admission=self.admission,
            may_ask=Allowance(self.admission).may_ask,
            timing=self.timing,
            sleep=self.sleep,
            keep_unread=lambda task, body: keep_unread(task, body, bucket=self.bucket),
            store=lambda task, resume: self.store(task, resume=resume, until=(task.lease_until or self.now) - 5),
        )

    def work_all(self) -> list[Worked]:
        """Every message of the queue once; one that fails comes back, as SQS would have it."""
        done = []
        self.queue.arrive()
        for job in list(self.queue.jobs):
            self.queue.jobs.remove(job)
            try:
                done.append(self.work(job))
            except Exception:
                self.queue.jobs.append(job)
        return done

    def tick(self) -> Report:
        with suppress(Exception):
            self.tend()
        allowance, until = Allowance(self.admission), self.now + 40
        report = reconcile_tasks(
            clock=self.clock,
            tasks=self.tasks,
            look=lambda task_id, crowded: self.look(task_id, allowance, crowded=crowded),
            limit=1000,
            until=until,
            threads=1,
        )
        allowance.close()
        return report

    def tend(self) -> Tended:
        return tend_account(self.limits, admission=self.admission, tasks=self.tasks)

    def look(self, task_id: str, allowance: Allowance | None = None, *, crowded: bool = False) -> Look:
        return look_at_task(
            task_id,
            lease=self.lease(),
            clock=self.clock,
            jitter=self.jitter,
            tasks=self.tasks,
            queue=self.queue,
            upstream_of=self.upstream,
            prepare=self.prepare,
            admission=self.admission,
            may_ask=(allowance or Allowance(self.admission)).may_ask,
            timing=self.timing,
            crowded=crowded,
            timeout_s=10.0,
        )

    def cancel(self, task_id: str) -> tuple[Cancel, Task]:
        return cancel_task(self.task(task_id), clock=self.clock, tasks=self.tasks, admission=self.admission)

    def prepare(self, task: Task, request: Request) -> Request:
        return prepare_request(
            task,
            request,
            tasks=self.tasks,
            bucket=self.bucket,
            upstream_of=self.upstream,
            callback_url=self._callback_url,
        )

    def keep(self, task: Task, *, until: float) -> Stored:
        return keep_pictures(
            task,
            resume=False,
            until=until,
            delays=self.delays,
            max_bytes=self.max_bytes,
            clock=self.clock,
            sleep=self.sleep,
            bucket=self.bucket,
            downloads=self.downloads,
        )

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

    def _callback_url(self, origin: str, *, upstream: str, task_id: str, attempt: int) -> str:
        return callback_url(self.keys[0], origin, upstream=upstream, task_id=task_id, attempt=attempt, now=self.now)

    def _on_call(self, name: str) -> None:
        self.hook(name)
