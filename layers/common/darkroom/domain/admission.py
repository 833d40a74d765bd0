"""Who may ask an upstream now, and who has to wait: one account's slots, and its requests in any minute; pure.

Slots bound the tasks in flight; the rate bounds POSTs and GETs together, in *any* minute. A task holds its slot from its
admission until its news arrives. The queue itself is not in here: whoever waits has a row of its own (`Waiter`).

Times are Unix seconds. The account is one row, and every change here is one conditional write of it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from darkroom.domain.breaker import ACCOUNT, Shut, parts_of, shut_now

LONGEST_BACKOFF_S = 300.0
_FIRST_BACKOFF_S = 5.0
_SLOT_BACKOFF_S = 1.0
_RAISE_EVERY_S = 120.0
_ONE_BURST_S = 5.0
_ONE_SWEEP_S = 15.0
_LEAST = 1
_MOST_SHUT = 6
# A request may go out a second later than it was meant to.
_DRIFT_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an upstream allows an account: tasks in flight, and requests in any `window_s` seconds (a minute).

    `look_share` of those is kept for looks while looks are being refused.
    """

    account: str
    in_flight: int = 10
    per_minute: int = 60
    look_share: float = 0.2
    window_s: int = 60

    @property
    def ahead_s(self) -> int:
        """How far ahead a request may be reserved: a window always has room somewhere, unless the future is taken."""
        return self.window_s + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """A task's attempt in the queue of its account. One owner's tasks are served in the order of their ids.

    `refused_at`: it tried whether the paused account is back, and was refused; 0: it did not.
    """

    owner: str
    task_id: str
    attempt: int
    refused_at: float = 0.0

    @property
    def key(self) -> str:
        """Of the slot that it will hold."""
        return f"{self.task_id}:{self.attempt}"

    @property
    def place(self) -> str:
        """Where it stands in the queue; places sort as text, those of one owner together."""
        return f"{self.owner}#{self.task_id}#{self.attempt}"


def behind(owner: str) -> str:
    """A place behind everybody of `owner`, before everybody of the next one."""
    return f"{owner}#~"


def _model_in(name: str) -> str:
    """The model without its upstream: one model by two ways is one that the plan may not have."""
    return parts_of(name)[0].partition("/")[2]


def is_late(at: float, now: float) -> bool:
    """Whether a request that was meant to go out at `at` would no longer count where it was reserved."""
    return now > at + _DRIFT_S


@dataclass(frozen=True, slots=True)
class Window:
    """Requests counted per second: `counts` maps a whole second to how many went out in it, or will."""

    counts: Mapping[int, int] = field(default_factory=dict)

    def pruned(self, now: float, span_s: int) -> "Window":
        """Without what lies more than a window back."""
        return Window({second: count for second, count in self.counts.items() if second >= int(now) - span_s - _DRIFT_S})

    def used(self, second: int, span_s: int) -> int:
        """Requests in the whole seconds that end with `second`, so many that no `span_s` seconds ending in it can hold more."""
        return sum(count for at, count in self.counts.items() if second - span_s - _DRIFT_S <= at <= second)

    def earliest(self, now: float, limit: Callable[[int], int], span_s: int) -> int:
        """The first second, not before `now` nor before an earlier reservation, with room for one request more.

        `limit` tells how many the window that ends with a second may hold.
        """
        second = max([int(now), *self.counts])
        while self.used(second, span_s) >= limit(second):
            second += 1
        return second

    def fitting(self, now: float, limit: Callable[[int], int], span_s: int) -> int:
        """The first second, not before `now`, in which a request more fits between the reservations that are there."""
        second = int(now)
        while self.most_used(second, span_s) >= limit(second):
            second += 1
        return second

    def most_used(self, second: int, span_s: int) -> int:
        """The most that any window holds that a request of `second` would be in: what is reserved for later counts too."""
        return max(self.used(end, span_s) for end in range(second, min(second + span_s, max([second, *self.counts])) + 1))

    def spent(self, second: int, count: int = 1) -> "Window":
        """With `count` requests more in that second; fewer, when negative."""
        left = max(0, self.counts.get(second, 0) + count)
        return Window({**{at: n for at, n in self.counts.items() if at != second}, **({second: left} if left else {})})


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The task may POST at `at`: now, or a little later when the rate is used up."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """The task's model is shut: it stands in nobody's way, and asks again at `until`."""

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An upstream account's row. `holders` maps a task's attempt (`Task.submission_key`) to the time from which it may POST.

    `turn` is the owner who was served last, `not_before` when the upstream may be asked again, `faults` how often in a row it
    was away. `looks_made` is how many looks were granted together, beginning at `looks_made_at`: those of the last sweep.
    `in_flight` and `per_minute` are what was learned from 429 answers at `learned_at`; None: nothing yet. `shut` are the models
    that are left alone, as `names_of` a task; where all of them are, it is `ACCOUNT`.
    """

    name: str
    version: int = 0
    holders: Mapping[str, float] = field(default_factory=dict)
    window: Window = Window()
    turn: str = ""
    not_before: float = 0.0
    faults: int = 0
    in_flight: int | None = None
    per_minute: int | None = None
    learned_at: float = 0.0
    looks_refused_at: float = 0.0
    looks_made: int = 0
    looks_made_at: float = 0.0
    shut: Mapping[str, Shut] = field(default_factory=dict)

    # -- slots --------------------------------------------------------------------------------------

    def ask(
        self, key: str, *, now: float, limits: Limits, turn: str | None = None, names: Sequence[str] = ()
    ) -> tuple[Self, Slot | Parked | None]:
        """A slot, where one is free; asking twice changes nothing. `turn`: it was this owner's turn in the queue.

        A task of which one of `names` is shut goes as the probe or not at all. The queue does not know the models of those who
        wait: they ask for theirs when they are served. While the account is paused, its probe is the queue's choice.
        """
        holder = key if key in self.holders else None
        barring = {name: one for name, one in self._shut_for(names).items() if not one.lets(holder, now)}
        if until := max((barring[name].probe_at for name in names if name in barring), default=None):
            return self._unprobed(key, now).given_up(key), Parked(until=until)
        if barring:
            return self.given_up(key), None
        if holder is None and turn is None and ACCOUNT in self.shut:
            return self, None
        if holder is not None:
            at = self.holders[key]
            probing = self._probed(key, names, now=now, at=max(now, at))
            return (self._changed(shut=probing) if probing != self.shut else self), Slot(at=at)
        start = max(now, self.not_before)
        window = self.window.pruned(now, limits.window_s)
        second = window.earliest(start, self._limit_of_posts(now, limits), limits.window_s)
        at = max(start, float(second))
        if self._vacant(now, limits) <= 0 or at > now + limits.ahead_s:
            return self, None
        return self._changed(
            holders={**self.holders, key: at},
            window=window.spent(second),
            turn=self.turn if turn is None else turn,
            shut=self._probed(key, names, now=now, at=at),
        ), Slot(at=at)

    def on_time(self, key: str, *, now: float, limits: Limits) -> tuple[Self, float]:
        """When the holder `key` may POST. Whoever comes later than its second takes another one: that one no longer counts."""
        at = self.holders[key]
        if not is_late(at, now):
            return self, at
        window = self.window.spent(int(at), -1).pruned(now, limits.window_s)
        second = window.fitting(now, self._limit_of_posts(now, limits), limits.window_s)
        after = max(now, float(second))
        return self._changed(holders={**self.holders, key: after}, window=window.spent(second)), after

    def release(self, *keys: str) -> Self:
        """Their news has arrived, or they will never be sent: their slots are free. Releasing twice changes nothing."""
        held = {one: at for one, at in self.holders.items() if one not in keys}
        return self if len(held) == len(self.holders) else self._changed(holders=held, faults=0)

    def put_off(self, key: str | None, *, now: float, retry_after: float | None, limited: bool, limits: Limits) -> Self:
        """The upstream was too busy: nobody asks before it wants to be asked.

        `key` gives its slot back; `limited`: it said 429; `retry_after`: in so many seconds, where it said so.
        """
        held = {one: at for one, at in self.holders.items() if one != key}
        learned = self._learned(held, now, limits) if limited else {}
        # A burst of refusals is one incident.
        faults = self.faults + 1 if now >= self.not_before else self.faults
        # Where there were too many at once, it is a slot that has to come free, not the upstream.
        crowded = learned.get("in_flight", math.inf) < self.ceiling(now, limits)
        # An upstream that is away concerns the model that was asked for: after a few tries that one is shut, and no other.
        longer = 2 ** min(self.faults, 10) if limited else 1
        backoff = _SLOT_BACKOFF_S if crowded else min(_FIRST_BACKOFF_S * longer, LONGEST_BACKOFF_S)
        pause = backoff if retry_after is None else retry_after
        return self._changed(holders=held, not_before=max(self.not_before, now + pause), faults=faults, **learned)

    def free(self, now: float, limits: Limits) -> int:
        """Slots that nobody holds and anybody may have; while the account is paused there is one, when its probe is due."""
        pause = self.shut.get(ACCOUNT)
        vacant = self._vacant(now, limits)
        return vacant if pause is None else min(vacant, int(now >= pause.probe_at))

    def _vacant(self, now: float, limits: Limits) -> int:
        """None while the upstream wants to be left alone for long."""
        paused = self.not_before > now + limits.ahead_s
        return 0 if paused else max(0, self.ceiling(now, limits) - len(self.holders))

    def is_quiet(self, now: float, limits: Limits, *, freed: int = 0) -> bool:
        """Whether nobody waits for a slot here: at least half of them were free before `freed` of them became so.

        Nothing is reserved for later either, and the upstream may be asked, whatever the model.
        """
        reserved = any(second > now for second in self.window.counts)
        few = 2 * (len(self.holders) + freed) <= self.ceiling(now, limits)
        return few and not reserved and not self.shut and now >= self.not_before

    def given_up(self, key: str) -> Self:
        """Without that holder, who waits again without any news; nothing is learned from that."""
        held = {one: at for one, at in self.holders.items() if one != key}
        return self if len(held) == len(self.holders) else self._changed(holders=held)

    # -- what is shut -------------------------------------------------------------------------------

    def shut_off(self, name: str, why: str, *, now: float) -> Self:
        """From now on one task at a time tries whether it is back. What is shut already stays as it is.

        But what was left alone for its failures, and is refused now, is tried as rarely as anything refused. The row is read
        with every task, so it keeps few: the one that is shut longest goes, and is shut again if it must.
        """
        shut = shut_now(why, now)
        if name in self.shut and (self.shut[name].is_refused or not shut.is_refused):
            return self
        others = sorted((one for one in self.shut if one != name), key=self._worth_keeping)
        return self._changed(shut={**{one: self.shut[one] for one in others[-(_MOST_SHUT - 1) :]}, name: shut})

    def denied(self, name: str, why: str, *, now: float, good_at: float) -> Self:
        """The upstream refuses the key for this model. Where it refused another one too, and has taken nothing since `good_at`,
        it is the key, and the account is paused.
        """
        after = self.shut_off(name, why, now=now)
        if after is self:
            return self
        model = _model_in(name)
        others = [one for at, one in self.shut.items() if at != ACCOUNT and one.is_refused and _model_in(at) != model]
        return after.shut_off(ACCOUNT, why, now=now) if any(one.since >= good_at for one in others) else after

    def opened(self, *names: str) -> Self:
        """They answer again. What is open stays as it is."""
        left = {name: one for name, one in self.shut.items() if name not in names}
        return self if len(left) == len(self.shut) else self._changed(shut=left)

    def _worth_keeping(self, name: str) -> tuple[bool, bool, float]:
        return name == ACCOUNT, parts_of(name)[1] is None, self.shut[name].since

    def _shut_for(self, names: Sequence[str]) -> Mapping[str, Shut]:
        return {name: self.shut[name] for name in (ACCOUNT, *names) if name in self.shut}

    def _probed(self, key: str, names: Sequence[str], *, now: float, at: float) -> Mapping[str, Shut]:
        probed = {name: one.probed(key, now=now, at=at) for name, one in self._shut_for(names).items()}
        return {**self.shut, **probed}

    def _unprobed(self, key: str, now: float) -> Self:
        """Without `key` as a probe: it does not go, for the sake of a model, and another task may try the account."""
        left = {name: one.unprobed(key, now=now) if key in self.holders else one for name, one in self.shut.items()}
        return self if left == self.shut else self._changed(shut=left)

    # -- requests -----------------------------------------------------------------------------------

    def look(self, wanted: int, *, now: float, limits: Limits) -> tuple[Self, int]:
        """How many requests may go out now, of `wanted`; a refusal keeps a share of the rate free for the next minute."""
        window, second = self.window.pruned(now, limits.window_s), int(now)
        room = self.rate(now, limits) - window.most_used(second, limits.window_s)
        granted = 0 if now < self.not_before else max(0, min(wanted, room))
        refused = now if granted < wanted else self.looks_refused_at
        if granted == 0 and (granted == wanted or now < self.looks_refused_at + limits.window_s / 2):
            return self, 0
        changed = self._changed(window=window.spent(second, granted), looks_refused_at=refused)
        if granted and now < self.looks_made_at + _ONE_SWEEP_S:
            changed = replace(changed, looks_made=self.looks_made + granted)
        elif granted:
            changed = replace(changed, looks_made=granted, looks_made_at=now)
        return changed, granted

    def unlook(self, second: int, count: int) -> Self:
        """Requests that were granted in that second and not made."""
        if not count:
            return self
        return self._changed(window=self.window.spent(second, -count), looks_made=max(0, self.looks_made - count))

    # -- limits -------------------------------------------------------------------------------------

    def ceiling(self, now: float, limits: Limits) -> int:
        """Tasks in flight allowed now: the configured number, or less after a 429, raised by one every two minutes."""
        return self._recovered(self.in_flight, limits.in_flight, now, step=1)

    def rate(self, now: float, limits: Limits) -> int:
        """Requests per minute allowed now; recovers by a twentieth of the configured number every two minutes."""
        return self._recovered(self.per_minute, limits.per_minute, now, step=limits.per_minute / 20)

    def used(self, now: float, limits: Limits) -> int:
        """Requests of the last minute."""
        return self.window.used(int(now), limits.window_s)

    def _limit_of_posts(self, now: float, limits: Limits) -> Callable[[int], int]:
        """How many requests the window that ends with a second may hold, for a POST to fit in it.

        While looks are being refused their share of every window stays free, but for those that they have had in it.
        """
        rate = self.rate(now, limits)
        if now >= self.looks_refused_at + limits.window_s:
            return lambda _: rate
        share = math.ceil(rate * limits.look_share)
        last = int(self.looks_made_at) + limits.window_s + _DRIFT_S
        return lambda second: max(_LEAST, rate - max(0, share - (self.looks_made if second <= last else 0)))

    def _recovered(self, learned: int | None, configured: int, now: float, *, step: float) -> int:
        if learned is None:
            return configured
        times = max(0.0, now - self.learned_at) // _RAISE_EVERY_S
        return max(_LEAST, min(configured, int(learned + times * step)))

    def _learned(self, held: Mapping[str, float], now: float, limits: Limits) -> dict[str, int | float]:
        """What a 429 teaches: of slots and rate, the one that was closer to its limit was too high."""
        ceiling, rate, used = self.ceiling(now, limits), self.rate(now, limits), self.used(now, limits)
        running = sum(at <= now for at in held.values())
        slots, requests = (running + 1) / ceiling, used / rate
        learned: dict[str, int | float] = {}
        if slots >= requests:
            # Those that are running were taken; one refusal alone does not take away more than half.
            learned["in_flight"] = max(_LEAST, min(ceiling - 1, max(running, math.ceil(ceiling / 2))))
        if requests > min(slots, 0.5) and now >= self.learned_at + _ONE_BURST_S:
            learned["per_minute"] = max(_LEAST, int(min(rate, used) * 0.75))
        return {"in_flight": ceiling, "per_minute": rate, "learned_at": now} | learned if learned else {}

    def _changed(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]  # named fields of this class
