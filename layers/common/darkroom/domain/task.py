"""The life of one task: every state it can be in, every move it can make, and when to look at it next.

    accepted ──▶ submitting ──▶ upstream_queued ─▶ generating ─▶ upstream_archiving ──▶ storing ──▶ succeeded
        │            │  ▲  ╲            (in any order, some left out)                       │
        ▼            ▼  │   ╲▶ submission_unknown ──▶ any of the three, or storing          ▼
     canceled   waiting_for_slot                                                         failed

Every open phase before `storing` can also end `failed` (unless it was never sent), `canceled` or `expired`. From `storing` on
the picture is kept. Where it would end `failed` and nothing was charged, a further attempt may begin instead: it is `accepted`
again, under a new number. A terminal task never moves again, but an `expired` one may still gain late pictures. Besides
moving, an open or expired task may be rewritten in its phase: looked at later, leased, asked to cancel. A task is born
`submitting` where it has a slot and its request goes out at once, `accepted` where the worker sends it, and otherwise waiting.

Times are Unix seconds; spans are seconds. Nothing here reads a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from darkroom.domain.attempts import Alternative, Attempt, Begun, Way, begun_after
from darkroom.domain.missing import shortened
from darkroom.errors import IllegalMove

LAST_DELIVERY_S = 27 * 60
"""HiAPI's last callback attempt comes about 26 minutes after the end; one look follows it (HiAPI examples, README)."""

TAIL_S = 24 * 3600
"""How long after the first POST an expired task is still asked about."""

TAIL_MAX_S = 4 * 3600
WAITING_CHECK_S = 140
WAITING_MAX_S = 3600
"""A waiting task is called when its turn has come, so the looks at it are few: they are for a call that was lost for good. The
first one is near enough that a short wait moves the look no more (`_FAR_S`): moving it costs two writes."""

PASSED_OVER_S = 360
"""A look within so many seconds leaves the index key where it is: a few sweeps pass over the task, for a read unit each. To move
the key costs two write units, which is as much as ten."""

HINT_EVERY_S = 60
"""A hint that nobody signed makes us ask the upstream about its task at most once in so many seconds."""

_FAR_S = 120
_RESEND_S = 60


class Status(StrEnum):
    """What an application acts on: a closed set."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class Phase(StrEnum):
    """Where exactly a task is, for people: an open set."""

    ACCEPTED = "accepted"
    WAITING = "waiting_for_slot"
    SUBMITTING = "submitting"
    UNKNOWN = "submission_unknown"
    QUEUED = "upstream_queued"
    GENERATING = "generating"
    ARCHIVING = "upstream_archiving"
    STORING = "storing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


_P = Phase
IN_FLIGHT = frozenset({_P.QUEUED, _P.GENERATING, _P.ARCHIVING})
_END_EARLY = frozenset({_P.CANCELED, _P.EXPIRED})
# What has failed may begin anew.
_HEARD = IN_FLIGHT | {_P.STORING, _P.FAILED, _P.ACCEPTED} | _END_EARLY

MOVES: Mapping[Phase, frozenset[Phase]] = {
    # Its model is shut before it is sent: the next one is to serve it.
    _P.ACCEPTED: frozenset({_P.SUBMITTING, _P.ACCEPTED}) | _END_EARLY,
    # A gateway's proxy may answer 503 although the work was accepted: news for a waiting task is believed.
    _P.WAITING: frozenset({_P.SUBMITTING}) | _HEARD,
    _P.SUBMITTING: frozenset({_P.WAITING, _P.UNKNOWN}) | _HEARD,
    _P.UNKNOWN: _HEARD,
    _P.QUEUED: _HEARD - {_P.QUEUED},
    _P.GENERATING: _HEARD - {_P.GENERATING},
    _P.ARCHIVING: _HEARD - {_P.ARCHIVING},
    _P.STORING: frozenset({_P.SUCCEEDED, _P.FAILED}),
    _P.SUCCEEDED: frozenset(),
    _P.FAILED: frozenset(),
    _P.CANCELED: frozenset(),
    _P.EXPIRED: frozenset(),
}

TERMINAL = frozenset(phase for phase, onward in MOVES.items() if not onward)
OPEN = frozenset(MOVES) - TERMINAL
NOT_SENT = frozenset({_P.ACCEPTED, _P.WAITING})
SENDING = frozenset({_P.SUBMITTING, _P.UNKNOWN})
_AMENDABLE = OPEN | {_P.EXPIRED}

STATUS: Mapping[Phase, Status] = {
    phase: Status(phase.value)
    if phase in TERMINAL
    else (Status.QUEUED if phase in NOT_SENT | {_P.SUBMITTING} else Status.RUNNING)
    for phase in Phase
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How patient this deployment is; all in seconds."""

    first_check_s: float = 60
    recheck_max_s: float = 300
    max_wait_s: float = 24 * 3600
    inline_lease_s: float = 25
    queued_lease_s: float = 150

    @property
    def waiting_check_s(self) -> float:
        """Until the first look at a task that waits for a slot, or that has waited long and is about to be sent."""
        return min(self.recheck_max_s, WAITING_CHECK_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One result as the upstream offers it: a URL that may die soon, and opens the picture to anybody until then."""

    url: str = field(repr=False)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The facts of one stored picture; its bytes are in the bucket. `size` is in bytes, `width` and `height` are in pixels.

    They are None where the file does not tell its measures within its first half megabyte.
    """

    index: int
    content_type: str
    size: int
    width: int | None
    height: int | None
    sha256: str
    created_at: float
    attempt: int = 1
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task ended without (all of) what was asked; `charged` is yes, no or unknown."""

    code: str
    message: str = field(repr=False)  # the upstream's words may be in it, and they may quote the prompt
    retryable: str = "manual"
    charged: str = "unknown"
    upstream_code: str | None = None
    upstream_message: str | None = field(default=None, repr=False)
    upstream_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Request:
    """What the application asked, and the exact bytes that are (re-)sent upstream for it; none of it is in a repr.

    `body` is the first attempt's. The rest is the plan for further ones, so that they need no catalogue: what the upstream calls
    the model ("": as we do), the preset's `alternatives` in their order, and the `origin` under which upstreams reach us.
    """

    input: Mapping[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
    metadata: Mapping[str, str] = field(repr=False)
    wire_model: str = field(default="", repr=False)
    alternatives: tuple[Alternative, ...] = field(default=(), repr=False)
    origin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One row of the table. `request` is None where it was not read along; `images` are the stored ones,
    `missing` says in short texts which outputs of the same success could not be had.

    `next_check_at` is when the task is looked at next. Sweeps are offered it from `offered_at` on, where that is earlier: they
    then find in the row that it is not due.

    `upstream`, `model` and `route` are the present attempt's: the request's n-th alternative with `alternative` n, what was asked
    for with 0. `earlier` are the attempts before it. `hinted_at` is when an unsigned callback last made us ask.
    """

    id: str
    owner: str
    upstream: str
    model: str
    timeout_s: int
    created_at: float
    phase: Phase
    next_check_at: float | None
    offered_at: float | None = None
    route: str | None = None
    preset: str | None = None
    user: str | None = field(default=None, repr=False)
    retry_of: str | None = None
    version: int = 1
    attempt: int = 1
    max_auto_retries: int = 0
    alternative: int = 0
    earlier: tuple[Attempt, ...] = ()
    cancel_requested: bool = False
    callback_expected: bool = False
    upstream_task_id: str | None = None
    upstream_request_id: str | None = None
    first_sent_at: float | None = None
    submitted_at: float | None = None
    terminal_at: float | None = None
    looks: int = 0
    lease: str | None = None
    lease_until: float | None = None
    news_at: float | None = None
    news_by: str | None = None
    hinted_at: float | None = None
    outputs: tuple[Output, ...] = ()
    images: tuple[Image, ...] = ()
    missing: tuple[str, ...] = field(default=(), repr=False)  # addresses may be in it
    error: TaskError | None = None
    request: Request | None = None

    # -- what can be asked of a task ----------------------------------------------------------------

    @property
    def status(self) -> Status:
        return STATUS[self.phase]

    @property
    def is_terminal(self) -> bool:
        return self.phase in TERMINAL

    @property
    def deadline_at(self) -> float | None:
        """Counted from submission; None until then."""
        return None if self.submitted_at is None else self.submitted_at + self.timeout_s

    @property
    def submission_key(self) -> str:
        """The upstream's idempotency key: one per attempt."""
        return f"{self.id}:{self.attempt}"

    @property
    def way(self) -> Way:
        """The present attempt's."""
        return self.upstream, self.model, self.route

    @property
    def asked_way(self) -> Way:
        """The first attempt's."""
        return self.earlier[0].way if self.earlier else self.way

    @property
    def begun(self) -> Begun:
        """How the present attempt came about."""
        return begun_after(self.earlier[-1] if self.earlier else None, self.way)

    @property
    def retries_left(self) -> int:
        """How often it may still be tried again by itself; taking an alternative does not count."""
        return self.max_auto_retries - (len(self.earlier) - self.alternative)

    @property
    def listed_due_at(self) -> float | None:
        """Where the index of what is due has it; None: not in there."""
        return self.next_check_at if self.offered_at is None else self.offered_at

    def leased(self, now: float) -> bool:
        """Whether somebody is storing this task's pictures right now."""
        return self.lease_until is not None and now < self.lease_until

    def follows_hint(self, now: float) -> bool:
        """Whether an unsigned callback makes us ask the upstream: news may still come, and none made us ask just now."""
        may_come = not self.is_terminal or (self.phase is Phase.EXPIRED and self.next_check_at is not None)
        rested = self.hinted_at is None or now >= self.hinted_at + HINT_EVERY_S
        return may_come and rested

    def give_up_at(self, timing: Timing) -> float:
        """When waiting for news of this open task ends."""
        if self.phase in NOT_SENT:
            return self.created_at + timing.max_wait_s
        return (self.submitted_at or self.first_sent_at or self.created_at) + self.timeout_s

    def next_look(self, now: float, timing: Timing, *, jitter: float) -> float | None:
        """When to look again after a look at `now`; `jitter` in [0, 1) spreads looks by ±10 %. None: never."""
        if self.phase is Phase.EXPIRED:
            return self._next_late_look(now, timing)
        spread = 0.9 + 0.2 * jitter
        if self.phase is Phase.WAITING:
            gap = _doubling(timing.waiting_check_s, 2 * (self.looks + 1), WAITING_MAX_S)
            return min(now + gap * spread, max(now, self.give_up_at(timing)))
        due = now + _doubling(timing.first_check_s, self.looks, timing.recheck_max_s) * spread
        landmarks = ((self.submitted_at or self.created_at) + LAST_DELIVERY_S, self.give_up_at(timing))
        return min([due, *(at for at in landmarks if now < at)])

    def _next_late_look(self, now: float, timing: Timing) -> float | None:
        if self.lease is not None:
            # A success is known: whoever brings it home is looked after, however late it is.
            return now + timing.recheck_max_s
        end = (self.first_sent_at or self.created_at) + TAIL_S
        if self.upstream_task_id is None or self.images or now >= end:
            return None
        return min(now + _doubling(timing.recheck_max_s, self.looks, TAIL_MAX_S), end)

    # -- moves: sending -----------------------------------------------------------------------------

    def submitting(self, now: float, *, callback_expected: bool | None = None, look_by: float | None = None) -> Self:
        """The POST goes out next; whatever was sent before provably did no work, so the times of this attempt begin now.

        A look that lies behind `look_by` is moved there: the looks at a waiting task are far apart.
        """
        expected = self.callback_expected if callback_expected is None else callback_expected
        late = look_by is not None and (self.next_check_at is None or self.next_check_at > look_by)
        due = {"next_check_at": look_by} if late else {}
        return self._move(Phase.SUBMITTING, first_sent_at=now, callback_expected=expected, **due)

    def submitted(self, now: float, *, upstream_task_id: str, request_id: str | None = None) -> Self:
        """The upstream has accepted. The next look stays where it was: moving the key would cost two writes."""
        return self._move(Phase.QUEUED, **self._adopted(now, upstream_task_id), upstream_request_id=request_id)

    def wait(self, *, until: float) -> Self:
        """Refused before any work was done: the same bytes go again at `until`."""
        return self._move(Phase.WAITING, next_check_at=until)

    def lost(self, *, next_check_at: float) -> Self:
        """The answer to the POST was lost: nobody knows whether it was accepted."""
        return self._move(Phase.UNKNOWN, next_check_at=next_check_at)

    def again(self, now: float, error: TaskError, *, instead: Alternative | None = None, wait_s: float = 0.0) -> Self:
        """The present attempt failed with `error`; the next one begins, by the preset's next alternative where one is given.

        Nobody has sent it yet: somebody is told to, or finds it when it is due. Raises IllegalMove unless `error` cost nothing.
        """
        if error.charged != "no":
            raise IllegalMove(f"{self.id}: attempt {self.attempt} may have been charged")
        upstream, model, route = (instead.upstream, instead.model, instead.route) if instead else self.way
        return self._move(
            Phase.ACCEPTED,
            attempt=self.attempt + 1,
            alternative=self.alternative + (instead is not None),
            upstream=upstream,
            model=model,
            route=route,
            earlier=(*self.earlier, self._ended(now, error)),
            next_check_at=now + wait_s if wait_s else self._soon(now),
            **_NOT_BEGUN,
        )

    # -- moves: news --------------------------------------------------------------------------------

    def progressed(self, phase: Phase, now: float, *, upstream_task_id: str | None = None) -> Self:
        """The upstream is at work on it."""
        return self._move(phase, **self._adopted(now, upstream_task_id))

    def storing(
        self,
        now: float,
        *,
        by: str,
        lease: str,
        lease_s: float,
        outputs: tuple[Output, ...],
        missing: tuple[str, ...] = (),
        upstream_task_id: str | None = None,
    ) -> Self:
        """The success is known and safe; the holder of `lease` fetches the bytes. An expired task stays expired."""
        # The answer to the POST may be the end, without an id: it was under way since it was sent.
        sent = {"submitted_at": self.first_sent_at} if self.phase is Phase.SUBMITTING else {}
        heard = {
            **sent,
            **self._adopted(now, upstream_task_id),
            **self._lease(now, lease, lease_s),
            "news_at": now,
            "news_by": by,
            "outputs": outputs,
            "missing": shortened(missing),
        }
        return self._amend(**heard) if self.phase is Phase.EXPIRED else self._move(Phase.STORING, **heard)

    def lease_taken(
        self,
        now: float,
        *,
        lease: str,
        lease_s: float,
        outputs: tuple[Output, ...] | None = None,
        missing: tuple[str, ...] = (),
    ) -> Self:
        """Somebody else stores now: the former holder handed over or died. Fresh `outputs` come with what is `missing` there."""
        named = {} if outputs is None else {"outputs": outputs, "missing": shortened(missing)}
        return self._amend(**self._lease(now, lease, lease_s), **named)

    # -- moves: ends --------------------------------------------------------------------------------

    def stored(self, now: float, images: tuple[Image, ...], *, missing: tuple[str, ...] = ()) -> Self:
        """The bytes are in the bucket: `succeeded`, or an expired task's late pictures.

        `missing` says of which further outputs they are not; it joins what could not even be read.
        """
        had: dict[str, Any] = {"images": images, "missing": shortened((*self.missing, *missing))}
        if self.phase is Phase.EXPIRED:
            had["images"] = tuple(replace(image, late=True) for image in images)
            return self._amend(**had, next_check_at=None, lease=None, lease_until=None, outputs=())
        return self._end(Phase.SUCCEEDED, now, **had)

    def failed(self, now: float, error: TaskError, *, by: str, upstream_task_id: str | None = None) -> Self:
        """It will never succeed; a task whose cancelling was asked for before its result was known ends canceled."""
        if self.cancel_requested and self.phase is not Phase.STORING:
            return self.canceled(now, charged=error.charged, by=by, upstream_task_id=upstream_task_id)
        adopted = self._adopted(now, upstream_task_id)
        return self._end(Phase.FAILED, now, error=error, news_by=by, **adopted)

    def canceled(self, now: float, *, charged: str, by: str, upstream_task_id: str | None = None) -> Self:
        """Nobody wants the result any more; `charged` says what it cost all the same."""
        error = TaskError(code="canceled", message="canceled on request", charged=charged)
        adopted = self._adopted(now, upstream_task_id)
        return self._end(Phase.CANCELED, now, error=error, news_by=by, **adopted)

    def cancel_asked(self) -> Self:
        """Any later end makes it `canceled`."""
        return self._amend(cancel_requested=True)

    def expired(self, now: float, error: TaskError, timing: Timing, *, not_before: float = 0.0) -> Self:
        """The deadline has passed; asked about a little longer, from `not_before` on, where the upstream knows the task."""
        if self.cancel_requested:
            return self.canceled(now, charged=error.charged, by="deadline")
        ended = self._end(Phase.EXPIRED, now, error=error, news_by="deadline", looks=0)
        look_at = ended.next_look(now, timing, jitter=0.5)
        return replace(ended, next_check_at=None if look_at is None else max(look_at, not_before))

    # -- changes within a phase ---------------------------------------------------------------------

    def looked(self, now: float, *, next_check_at: float | None, crowded: bool) -> Self:
        """Written before asking, so that a crash means a later look, not none.

        Unless the sweep is `crowded`, the index keeps the task where it is for a while (`PASSED_OVER_S`).
        """
        stays = not crowded and next_check_at is not None and next_check_at <= now + PASSED_OVER_S
        offered_at = self.listed_due_at if stays else None
        return self._amend(looks=self.looks + 1, next_check_at=next_check_at, offered_at=offered_at)

    def hinted(self, now: float) -> Self:
        """An unsigned callback makes us ask the upstream; written before asking, so that any number of them makes us ask once."""
        return self._amend(hinted_at=now)

    def asked_to_wait(self, *, until: float) -> Self:
        """The upstream wants to be left alone about this task until then."""
        return self._amend(next_check_at=until)

    def released(self, *, next_check_at: float) -> Self:
        """The holder gives the lease back: the bytes cannot be had just now."""
        return self._amend(lease=None, lease_until=None, next_check_at=next_check_at)

    def given_up_late(self) -> Self:
        """Nothing more will come for this expired task."""
        return self._amend(next_check_at=None, lease=None, lease_until=None, outputs=())

    def charged_after_all(self, attempt: int) -> Self:
        """Put right what an attempt cost that was taken for unpaid. That changes no end: it is allowed in any phase."""
        earlier = tuple(replace(one, paid=True) if number == attempt else one for number, one in enumerate(self.earlier, start=1))
        error = replace(self.error, charged="yes") if self.error else None
        return self._changed(earlier=earlier, error=error)

    def _adopted(self, now: float, upstream_task_id: str | None) -> dict[str, Any]:
        if self.upstream_task_id is not None or upstream_task_id is None:
            return {}
        submitted = {} if self.is_terminal else {"submitted_at": self.submitted_at or now}
        return {"upstream_task_id": upstream_task_id, **submitted}

    def _ended(self, now: float, error: TaskError) -> Attempt:
        upstream, model, route = self.way
        return Attempt(upstream=upstream, model=model, route=route, sent_at=self.first_sent_at, ended_at=now, code=error.code)

    def _soon(self, now: float) -> float:
        """The next look as it is, where it is near: moving the key would cost two writes."""
        at = self.next_check_at or 0.0
        return at if now < at <= now + _FAR_S else now + _RESEND_S

    def _lease(self, now: float, lease: str, lease_s: float) -> dict[str, Any]:
        """A lease, and a look soon after its end where the next one lies far behind it."""
        until = now + lease_s
        late = self.next_check_at is None or self.next_check_at > until + _FAR_S
        due = {"next_check_at": until + 1} if late else {}
        return {"lease": lease, "lease_until": until, **due}

    def _end(self, to: Phase, now: float, **changes: Any) -> Self:
        closed = {"terminal_at": now, "next_check_at": None, "lease": None, "lease_until": None, "outputs": ()}
        return self._move(to, **(closed | changes))

    def _move(self, to: Phase, **changes: Any) -> Self:
        if to not in MOVES[self.phase]:
            raise IllegalMove(f"{self.id}: {self.phase} → {to}")
        return self._changed(phase=to, **changes)

    def _amend(self, **changes: Any) -> Self:
        if self.phase not in _AMENDABLE:
            raise IllegalMove(f"{self.id}: {self.phase} is closed")
        return self._changed(**changes)

    def _changed(self, **changes: Any) -> Self:
        # Who sets the next look anew says where the index has it, or means the same place.
        placed = {"offered_at": None} if "next_check_at" in changes else {}
        return replace(self, version=self.version + 1, **(placed | changes))


_NOT_BEGUN: Mapping[str, Any] = dict.fromkeys(
    (
        "upstream_task_id",
        "upstream_request_id",
        "first_sent_at",
        "submitted_at",
        "lease",
        "lease_until",
        "news_at",
        "news_by",
        "hinted_at",
    )
) | {"looks": 0, "callback_expected": False}
"""What is known of an attempt that nobody has sent."""


def _doubling(first: float, times: int, ceiling: float) -> float:
    return float(min(first * 2 ** min(times, 30), ceiling))
