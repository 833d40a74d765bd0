"""The ports in memory: what the use-cases are tested against. tests/contract/ports runs them beside the real adapters.

`on_call` of a port hears each operation before and after it takes effect (tests/support/boundaries.py): whatever it raises is
a crash, an outage or a lost answer at just that point.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

from darkroom.adapters import listing, rows
from darkroom.adapters.claims import CLAIM_KEPT_S, api_key_id
from darkroom.domain.news import News, Says
from darkroom.domain.task import Request, Task
from darkroom.errors import DarkroomError, OutputGone, StorageUnavailable, TaskChanged, TaskExists
from darkroom.ports import (
    MOST_DELAY_S,
    Accepted,
    ApiKey,
    Body,
    Bucket,
    Claim,
    Claims,
    Download,
    Downloads,
    Evidence,
    Heard,
    Job,
    ListPage,
    ListQuery,
    Peek,
    Promises,
    Queue,
    SignedPut,
    Tasks,
    Upstream,
)
from tests.support.boundaries import OnCall, boundaries, nothing_happens

OnWrite = Callable[[Task | None, Task], None]


def nobody_watches(_before: Task | None, _after: Task) -> None:
    """No witness."""


@boundaries(Tasks, "tasks")
@dataclass(slots=True, kw_only=True)
class MemoryTasks:
    """`Tasks` in a dictionary. Like the table it keeps a long request apart, drops long output URLs and forgets old tasks.

    `on_write` sees every row that is written, with the one that it replaces. `lag` says how many versions behind a read is that
    need not be consistent.
    """

    clock: Callable[[], float]
    retention_days: int = 30
    on_call: OnCall = nothing_happens
    on_write: OnWrite = nobody_watches
    lag: Callable[[], int] = lambda: 0
    tasks: dict[str, Task] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    kept_evidence: dict[str, Evidence] = field(default_factory=dict)
    sent: dict[tuple[str, int], tuple[float, bytes]] = field(default_factory=dict)
    writes: int = 0
    _versions: dict[str, list[Task]] = field(default_factory=dict)
    _embedded: dict[tuple[str, int], bool] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, task: Task) -> None:
        with self._lock:
            if self._alive(task.id) is not None:
                raise TaskExists(task.id)
            self._embedded.pop((task.id, 0), None)
            if task.request is not None:
                self.requests[task.id] = task.request
            self._write(task)

    def get(self, task_id: str, *, consistent: bool = True) -> Task | None:
        with self._lock:
            current = self._alive(task_id)
            behind = 0 if consistent else self.lag()
            versions = self._versions.get(task_id, [])
            return current if behind == 0 or current is None else versions[-1 - behind] if behind < len(versions) else None

    def move(self, before: Task, after: Task) -> None:
        with self._lock:
            current = self.tasks.get(before.id)
            if current is None or current.version != before.version:
                raise TaskChanged(before.id)
            self._write(after)

    def request_of(self, task: Task) -> Request:
        with self._lock:
            request = task.request or self.requests.get(task.id)
            if request is None:
                raise StorageUnavailable(f"the request of {task.id} is not there")
            return request

    def keep_sent(self, task: Task, body: bytes, *, good_for_s: float) -> bytes:
        with self._lock:
            now = task.first_sent_at or task.created_at
            since, kept = self.sent.get((task.id, task.attempt), (now, body))
            if since < now - good_for_s:
                since, kept = now, body
            self.sent[task.id, task.attempt] = since, kept
            return kept

    def overdue(self, now: float, *, limit: int) -> Sequence[str]:
        with self._lock:
            due = [(at, task.id) for task in self.tasks.values() if (at := task.listed_due_at) is not None]
            return [task_id for at, task_id in sorted(due) if at <= now][:limit]

    def list(self, query: ListQuery) -> ListPage:
        with self._lock:
            found = [task for task in map(self._alive, sorted(self.tasks, reverse=True)) if task and _listed(query, task)]
            page = found[: query.limit]
            return ListPage(tasks=page, last_seen=page[-1].id if len(found) > len(page) else None)

    def keep_evidence(self, task_id: str, evidence: Evidence) -> None:
        with self._lock:
            self.kept_evidence[task_id] = evidence

    def evidence(self, task_id: str) -> Evidence | None:
        with self._lock:
            found = self.kept_evidence.get(task_id)
            return found if found and self.clock() < int(found.at + rows.EVIDENCE_KEPT_S) else None

    def _write(self, task: Task) -> None:
        self.writes += 1
        request = self.requests.get(task.id) if self._is_embedded(task) else None
        outputs = rows.kept_outputs(task.outputs)
        before, self.tasks[task.id] = self.tasks.get(task.id), replace(task, request=request, outputs=outputs)
        self._versions.setdefault(task.id, []).append(self.tasks[task.id])
        self.on_write(before, self.tasks[task.id])

    def _is_embedded(self, task: Task) -> bool:
        """Whether the request lives in the state row: decided when an attempt begins, and slow to find out."""
        known = (task.id, len(task.earlier))
        if known not in self._embedded:
            self._embedded[known] = rows.fits_in_row(replace(task, request=self.requests.get(task.id)))
        return self._embedded[known]

    def _alive(self, task_id: str) -> Task | None:
        task = self.tasks.get(task_id)
        ends = rows.expires_at(task, self.retention_days) if task else None
        return None if ends is not None and ends <= self.clock() else task


@boundaries(Claims, "claims")
@dataclass(slots=True, kw_only=True)
class MemoryClaims:
    """`Claims` in a dictionary."""

    on_call: OnCall = nothing_happens
    claims: dict[tuple[str, str], tuple[float, Claim]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def claim(self, owner: str, key: str, *, fingerprint: str, task_id: str, now: float) -> Claim:
        with self._lock:
            until, known = self.claims.get((owner, key), (now, None))
            taken = known if known and now < until else Claim(task_id=task_id, fingerprint=fingerprint, fresh=True)
            if taken is not known:
                self.claims[owner, key] = (int(now + CLAIM_KEPT_S), replace(taken, fresh=False))
        return taken

    def known(self, owner: str, key: str, *, now: float) -> Claim | None:
        until, known = self.claims.get((owner, key), (now, None))
        return known if now < until else None


@dataclass(slots=True)
class MemoryApiKeys:
    """`ApiKeys` in a dictionary, without a cache."""

    keys: dict[str, ApiKey] = field(default_factory=dict)

    def find(self, sha256: str) -> ApiKey | None:
        return next((key for key in self.keys.values() if key.sha256 == sha256), None)

    def add(self, key: ApiKey) -> None:
        if key.id != api_key_id(key.sha256):
            raise ValueError(f"{key.id} is not the id that belongs to its hash")
        self.keys[key.id] = key

    def list(self) -> Sequence[ApiKey]:
        return sorted(self.keys.values(), key=lambda key: (key.created_at, key.id))

    def revoke(self, key_id: str, *, now: float) -> bool:
        found = self.keys.get(key_id)
        if found is not None and found.revoked_at is None:
            self.keys[key_id] = replace(found, revoked_at=now)
        return found is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object of the bucket."""

    content: bytes
    content_type: str
    filename: str


@boundaries(Bucket, "bucket", pure=("presign", "presign_put"))
@dataclass(slots=True)
class MemoryBucket:
    """`Bucket` in a dictionary; `puts` counts the attempts to write, `signed` the addresses that were made."""

    on_call: OnCall = nothing_happens
    objects: dict[str, Stored] = field(default_factory=dict)
    puts: int = 0
    signed: int = 0

    def put(self, key: str, body: Body, *, size: int, content_type: str, filename: str) -> bool:
        self.puts += 1
        content = b"".join(iter(lambda: body.read(65_536), b""))
        if len(content) != size:
            raise ValueError(f"the body has {len(content)} bytes, not the {size} that were promised")
        stored = Stored(content=content, content_type=content_type, filename=filename)
        return self.objects.setdefault(key, stored) is stored

    def replace(self, key: str, content: bytes, *, content_type: str) -> None:
        self.objects[key] = Stored(content=content, content_type=content_type, filename="")

    @contextmanager
    def read(self, key: str) -> Iterator[Iterator[bytes]]:
        content = self.objects[key].content
        yield (content[at : at + 65_536] for at in range(0, len(content), 65_536))

    def exists(self, key: str) -> bool:
        return key in self.objects

    def peek(self, key: str, size: int) -> Peek | None:
        found = self.objects.get(key)
        if found is None:
            return None
        return Peek(head=found.content[:size], size=len(found.content), content_type=found.content_type)

    def presign(self, key: str, *, expires_s: int) -> str:
        """Another one each time, as where time or credentials have moved on."""
        self.signed += 1
        return f"https://bucket.test/{key}?signature={self.signed}&expires={expires_s}"

    def presign_put(self, key: str, *, content_type: str, size: int, expires_s: int) -> SignedPut:
        self.signed += 1
        headers = {"Content-Type": content_type, "Content-Length": str(size), "If-None-Match": "*"}
        return SignedPut(url=f"https://bucket.test/{key}?signature={self.signed}&expires={expires_s}", headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a URL gives: bytes, then perhaps a fault in the middle; `announced` says whether the size is told.

    `repeatable` is false where the URL holds the bytes itself.
    """

    content: bytes
    fault: DarkroomError | None = None
    announced: bool = True
    chunk: int = 65_536
    repeatable: bool = True

    def chunks(self) -> Iterator[bytes]:
        for at in range(0, len(self.content), self.chunk):
            yield self.content[at : at + self.chunk]
        if self.fault is not None:
            raise self.fault.with_traceback(None)


@boundaries(Downloads, "downloads")
@dataclass(slots=True)
class MemoryDownloads:
    """`Downloads` by script: each URL gives its answers in turn, the last one for ever; an unknown URL is gone."""

    script: dict[str, list[Page | DarkroomError]] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    on_call: OnCall = nothing_happens
    on_open: OnCall = nothing_happens

    def serve(self, url: str, *answers: bytes | Page | DarkroomError) -> None:
        self.script[url] = [Page(content=one) if isinstance(one, bytes) else one for one in answers]

    @contextmanager
    def open(self, url: str, *, timeout_s: float) -> Iterator[Download]:
        self.opened.append(url)
        self.on_open(url)
        answers = self.script.get(url) or [OutputGone("scripted: nothing there")]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, DarkroomError):
            raise answer.with_traceback(None)
        size = len(answer.content) if answer.announced else None
        yield Download(size=size, chunks=answer.chunks(), repeatable=answer.repeatable)


@boundaries(Queue, "queue")
@dataclass(slots=True)
class MemoryQueue:
    """`Queue` as lists; a test takes its jobs from `jobs`, after `arrive` where some were delayed."""

    on_call: OnCall = nothing_happens
    clock: Callable[[], float] = time.time
    jobs: list[Job] = field(default_factory=list)
    delayed: list[tuple[float, Job]] = field(default_factory=list)
    sent: list[Job] = field(default_factory=list)
    dead: list[Job] = field(default_factory=list)

    def send(self, job: Job, *, delay_s: float = 0.0) -> None:
        self.sent.append(job)
        if delay_s > 0:
            self.delayed.append((self.clock() + min(MOST_DELAY_S, math.ceil(delay_s)), job))
        else:
            self.jobs.append(job)

    def arrive(self) -> None:
        """Put those into `jobs` whose delay is over."""
        self.jobs += [job for at, job in sorted(self.delayed, key=itemgetter(0)) if at <= self.clock()]
        self.delayed = [(at, job) for at, job in self.delayed if at > self.clock()]

    def redrive(self, *, limit: int) -> int:
        moved, self.dead = self.dead[:limit], self.dead[limit:]
        self.jobs += moved
        return len(moved)


@dataclass(slots=True, repr=False)
class MemorySecrets:
    """`Secrets` from a dictionary; a change of `values` is seen after `refresh`, as with a cache that never ends."""

    values: dict[str, str] = field(default_factory=dict)
    _cached: dict[str, str] | None = None

    def get(self, name: str) -> str:
        if self._cached is None:
            self._cached = dict(self.values)
        return self._cached.get(name, "").strip()

    def refresh(self) -> None:
        self._cached = None


@boundaries(Upstream, "upstream", pure=("freeze",))
@dataclass(slots=True, kw_only=True)
class MemoryUpstream:
    """`Upstream` by script: `submits`, `looks` and `hears` hold the next answers (an exception is raised).

    With nothing scripted it accepts (collapsing repeats if it promises to), is at work, and hears nothing that it can read.
    """

    name: str = "hiapi"
    promises: Promises = field(
        default_factory=lambda: Promises(collapses_repeats_for_s=82_800, calls_back=True, signs_callbacks=True)
    )
    submits: list[Accepted | DarkroomError] = field(default_factory=list)
    looks: list[News | DarkroomError] = field(default_factory=list)
    hears: list[Heard | DarkroomError] = field(default_factory=list)
    submitted: list[tuple[str, bytes]] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    generations: dict[str, str] = field(default_factory=dict)
    on_call: OnCall = nothing_happens

    def freeze(self, *, model: str, route: str | None, input: Mapping[str, Any], callback_url: str | None) -> bytes:
        facts = {"model": model, "route": route, "input": input, "callback": callback_url}
        return json.dumps({name: value for name, value in facts.items() if value is not None}, sort_keys=True).encode()

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:
        self.submitted.append((key, body))
        answer = self.submits.pop(0) if self.submits else self._accept(key)
        if isinstance(answer, DarkroomError):
            raise answer
        return answer

    def look(self, upstream_task_id: str, *, attempt: int, timeout_s: float) -> News:
        self.looked.append(upstream_task_id)
        working = News(says=Says.WORKING, attempt=attempt, by="poll", upstream_task_id=upstream_task_id)
        answer = self.looks.pop(0) if self.looks else working
        if isinstance(answer, DarkroomError):
            raise answer
        return answer

    def hear(self, headers: Mapping[str, str], raw: bytes, *, attempt: int, now: float) -> Heard:
        answer = self.hears.pop(0) if self.hears else Heard(trusted=True, news=None, why="nothing scripted", raw=raw)
        if isinstance(answer, DarkroomError):
            raise answer
        return answer

    def _accept(self, key: str) -> Accepted:
        """What is billed: one generation per key where repeats collapse, otherwise one per call."""
        if key in self.generations and self.promises.collapses_repeats:
            return Accepted(upstream_task_id=self.generations[key], replayed=True)
        number = len(self.submitted)
        self.generations[key if self.promises.collapses_repeats else f"{key}/{number}"] = f"up-{number}"
        return Accepted(upstream_task_id=f"up-{number}")


def _listed(query: ListQuery, task: Task) -> bool:
    below = query.before is None or task.id < query.before
    return task.owner == query.owner and below and listing.wanted(query, task)
