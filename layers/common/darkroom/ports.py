"""What the use-cases need from the outside, as Protocols: the adapters and the in-memory ports both keep them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from darkroom.domain.admission import Account, Waiter
from darkroom.domain.news import News
from darkroom.domain.task import Request, Task

Clock = Callable[[], float]
"""Unix seconds, now."""

Prepare = Callable[[Task, Request], Request]
"""The request of a task as it is to be sent, now or again; raises StorageUnavailable, and then nothing was sent."""


class CallbackUrl(Protocol):
    """Makes the address for an attempt's callback; `origin` is where upstreams reach this deployment."""

    def __call__(self, origin: str, *, upstream: str, task_id: str, attempt: int) -> str: ...


Randomness = Callable[[int], bytes]
"""So many unguessable bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who an owner's idempotency key belongs to; `fresh` when this very call took it."""

    task_id: str
    fingerprint: str
    fresh: bool


EVIDENCE_CHARACTERS = 4096

MAX_UNREAD = 1024 * 1024
"""So many bytes are kept of an answer that could not be read, and cannot be asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The upstream's last body for a support ticket: capped, without URL queries; `at` in Unix seconds.

    `kept_as`: the key in the bucket under which more of it lies, as it came.
    """

    body: str = field(repr=False)
    at: float
    source: str
    status: int | None = None
    request_id: str | None = None
    kept_as: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """One page of an owner's tasks, newest first; `before` is the id that the last page ended with."""

    owner: str
    limit: int
    before: str | None = None
    created_after: float | None = None
    created_before: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Tasks in order; `last_seen` is where the next page starts, None when there is none."""

    tasks: Sequence[Task]
    last_seen: str | None


class Tasks(Protocol):
    """The tasks' table. It knows versions and due times, and nothing of states.

    Every method raises StorageUnavailable when the table does not answer within its retries.
    """

    def add(self, task: Task) -> None:
        """Write a new row; raises TaskExists when the id is taken. Our own lost answer is success."""

    def get(self, task_id: str, *, consistent: bool = True) -> Task | None:
        """The row, with its images; `request` comes along only where it is stored in the row.

        Not `consistent`, for half the price: it may be as it was a moment ago, or not be there yet.
        """

    def move(self, before: Task, after: Task) -> None:
        """Write `after` if the row still has `before.version`, otherwise raise TaskChanged. Our own lost answer is success."""

    def request_of(self, task: Task) -> Request:
        """The task's request, from the row or from its own; `body` is the first attempt's."""

    def keep_sent(self, task: Task, body: bytes, *, good_for_s: float) -> bytes:
        """Keep what is about to be sent for the task's attempt, and give back what is to be sent.

        That is what was kept before, unless it was kept more than `good_for_s` before this sending began (`first_sent_at`): so a
        repeat sends the very same bytes.
        """

    def overdue(self, now: float, *, limit: int) -> Sequence[str]:
        """Ids that the index has as due (`Task.listed_due_at`), oldest first; a hint (eventually consistent), the row decides."""

    def list(self, query: ListQuery) -> ListPage:
        """An owner's tasks; eventually consistent."""

    def keep_evidence(self, task_id: str, evidence: Evidence) -> None:
        """Replace the upstream's last body."""

    def evidence(self, task_id: str) -> Evidence | None:
        """The upstream's last body, where one was kept."""


class Claims(Protocol):
    """Which task an (owner, Idempotency-Key) names."""

    def claim(self, owner: str, key: str, *, fingerprint: str, task_id: str, now: float) -> Claim:
        """Take the key for `task_id`, or say whose it is; kept at least 24 h."""

    def known(self, owner: str, key: str, *, now: float) -> Claim | None:
        """Whose the key is, without taking it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is stored of a caller's key: never the key itself, only its SHA-256 (hex).

    `presets`: all that it may ask for, by name (every version) or by id (that one); None: everything.
    """

    id: str
    sha256: str
    owner: str
    scopes: frozenset[str]
    created_at: float
    name: str | None = None
    hint: str = ""
    revoked_at: float | None = None
    presets: frozenset[str] | None = None

    def may_use(self, preset: str | None) -> bool:
        """Whether it may ask for the preset of that id; None is a model without a preset."""
        if self.presets is None:
            return True
        return preset is not None and bool({preset, preset.partition("@")[0]} & self.presets)


class ApiKeys(Protocol):
    """The callers' keys."""

    def find(self, sha256: str) -> ApiKey | None:
        """The key with this hash (revoked ones too); cached for as long as the deployment says."""

    def add(self, key: ApiKey) -> None:
        """Store a new key."""

    def list(self) -> Sequence[ApiKey]:
        """All keys, oldest first."""

    def revoke(self, key_id: str, *, now: float) -> bool:
        """Whether such a key exists; revoking twice is fine."""


class Body(Protocol):
    """A readable body, asked for at most `size` bytes at a time."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Peek:
    """The first bytes of an object, its whole size, and the type that it is served as."""

    head: bytes = field(repr=False)
    size: int
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPut:
    """A URL that takes one object from anybody who sends exactly these headers along."""

    url: str = field(repr=False)
    headers: Mapping[str, str]


class Bucket(Protocol):
    """The owners' pictures and uploads. Every method raises StorageUnavailable when the bucket does not answer."""

    def put(self, key: str, body: Body, *, size: int, content_type: str, filename: str) -> bool:
        """Write `size` bytes unless the key is taken; False when it was. Errors of `body.read` pass through."""

    def replace(self, key: str, content: bytes, *, content_type: str) -> None:
        """Write over what is there: for what the deployment keeps for itself, never for an owner's bytes."""

    def read(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """The stored bytes in chunks; raises KeyError when there are none."""

    def exists(self, key: str) -> bool: ...

    def peek(self, key: str, size: int) -> Peek | None:
        """The first `size` bytes at most; None when there is no such object."""

    def presign(self, key: str, *, expires_s: int) -> str:
        """A URL that gives the bytes to anybody for so long."""

    def presign_put(self, key: str, *, content_type: str, size: int, expires_s: int) -> SignedPut:
        """A URL that takes `size` bytes of that type for so long, once: what is there is never replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """An opened output: `size` is None when the server does not say; `chunks` raises DownloadInterrupted when it breaks.

    `repeatable`: opening it again may bring other bytes.
    """

    size: int | None
    chunks: Iterator[bytes]
    repeatable: bool = True


class Downloads(Protocol):
    """Fetching what an upstream names, and nothing inside our network."""

    def open(self, url: str, *, timeout_s: float) -> AbstractContextManager[Download]:
        """GET `url`; raises DownloadInterrupted, OutputGone or OutputRefused. `timeout_s` bounds the whole fetch.

        A `data:…;base64,` URI holds its bytes itself: they are decoded while they are read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A message of the work queue: `do` is submit or store."""

    do: str
    task_id: str
    attempt: int
    lease: str | None = None


MOST_DELAY_S = 900
"""A message can be delayed so long (SQS Developer Guide, message timers)."""


class Queue(Protocol):
    """The work queue and its dead letters."""

    def send(self, job: Job, *, delay_s: float = 0.0) -> None:
        """Have the job delivered, not before `delay_s` seconds (at most MOST_DELAY_S count); raises StorageUnavailable."""

    def redrive(self, *, limit: int) -> int:
        """Move dead letters back; how many."""


SEEN_AT_ONCE = 24
"""Who waits and is read with the account: as many as one read unit pays for, beside a row that is full."""


class Accounts(Protocol):
    """The accounts at the upstreams, each one row, and who waits for them. Every method raises StorageUnavailable."""

    def get(self, name: str, *, consistent: bool = False) -> Account:
        """The account's row; an empty account where there is none yet."""

    def see(self, name: str) -> tuple[Account, Sequence[Waiter]]:
        """The row and whoever stands first in the queue, at most `SEEN_AT_ONCE` of them, read consistently."""

    def save(self, before: Account, after: Account) -> None:
        """Write `after` if the row still has `before.version`, otherwise raise AccountChanged. Our own lost answer is success."""

    def release(self, name: str, key: str) -> Account:
        """The row without that holder, as it is now written: no race can be lost. One that is not there changes nothing."""

    def wait(self, name: str, waiter: Waiter) -> None:
        """Join the queue; joining twice changes nothing, but that `refused_at` is written where it is set."""

    def leave(self, name: str, waiter: Waiter) -> None:
        """Leave the queue; leaving twice changes nothing."""

    def waiters(self, name: str, *, limit: int, behind: str = "") -> Sequence[Waiter]:
        """The first `limit` whose place is behind that one, read consistently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What an upstream promises; the pipeline asks these and never the upstream's name.

    `synchronous`: `submit` answers with the end itself (`Accepted.news`), which may take minutes, and a task cannot be
    looked at afterwards. `answers_within_s`: how long the answer to a POST is waited for, where that can be afforded.
    `in_flight` and `per_minute`: so many tasks and requests an account is documented to allow; None: nobody says. They hold
    where `settings` has nothing for the account.

    The last three are facts for people, and nothing is decided by them; docs/adding-an-upstream.md shows what each adapter
    states. `signs_callbacks`: a callback's body can be trusted. `can_cancel`: a task that runs can be stopped.
    `outputs_kept_s`: how long an output's URL lives; None: nobody says.
    """

    collapses_repeats_for_s: float = 0.0  # same key, same bytes: one task; 0 = it does not
    calls_back: bool = False
    synchronous: bool = False
    answers_within_s: float = 60.0
    in_flight: int | None = None
    per_minute: int | None = None
    signs_callbacks: bool = False
    can_cancel: bool = False
    outputs_kept_s: float | None = None

    @property
    def collapses_repeats(self) -> bool:
        return self.collapses_repeats_for_s > 0

    @property
    def submits_inline(self) -> bool:
        """Whether whoever creates a task may POST it: a repeat does no harm, and the answer comes soon."""
        return self.collapses_repeats and not self.synchronous


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The upstream took the task; `replayed` when it says that it had it already.

    `news` is a synchronous upstream's end, by `create`, and None everywhere else. Whoever submitted knows of which attempt:
    `news.attempt` is 0. Its outputs may be `data:` URIs of many megabytes. Such an upstream need not name its tasks: then
    `upstream_task_id` is empty.
    """

    upstream_task_id: str
    replayed: bool = False
    request_id: str | None = None
    news: News | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A callback that came through the door: `trusted` when signed and fresh, otherwise only a hint.

    `news` is None when the body is unreadable or not terminal; `why` says so in a few words.
    """

    trusted: bool
    news: News | None
    why: str = ""
    raw: bytes = field(default=b"", repr=False)


class Upstream(Protocol):
    """One gateway. Errors are UpstreamError's leaves; raw bodies are capped and hold no key."""

    name: str
    promises: Promises

    def freeze(self, *, model: str, route: str | None, input: Mapping[str, Any], callback_url: str | None) -> bytes:
        """The exact bytes to send, now and at every repeat."""

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:
        """POST once; raises UpstreamUnavailable, UpstreamRefused or OutcomeUnknown."""

    def look(self, upstream_task_id: str, *, attempt: int, timeout_s: float) -> News:
        """Ask about a task; raises UpstreamUnavailable, UpstreamRefused, OutcomeUnknown or UpstreamTaskNotFound."""

    def hear(self, headers: Mapping[str, str], raw: bytes, *, attempt: int, now: float) -> Heard:
        """Read a callback; raises SignatureRejected. Header names come in any case."""


class Secrets(Protocol):
    """The deployment's secrets, cached; a rotation needs no deploy. Values never appear in a repr."""

    def get(self, name: str) -> str:
        """The trimmed value, empty when not set; raises StorageUnavailable."""

    def refresh(self) -> None:
        """Forget the cache: the next get reads anew."""
