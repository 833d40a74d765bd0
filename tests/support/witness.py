"""Watches everything that happens in a `World` and holds it against the five promises, at every write and at every request."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from darkroom.domain.admission import Account
from darkroom.domain.news import Says
from darkroom.domain.task import IN_FLIGHT, MOVES, NOT_SENT, SENDING, TERMINAL, Phase, Task
from darkroom.domain.uploads import waits_for
from darkroom.usecases.store_pictures import picture_key
from tests.support.gateway import Generation
from tests.support.world import World

PAID_ONCE, NEVER_LOST, ONE_END, NEVER_FOOLED, NEVER_RUDE = range(1, 6)
NOT_STORED = frozenset({"storage_failed", "output_expired", "output_incomplete", "no_output"})


@dataclass(frozen=True, slots=True)
class Complaint:
    """Which promise, and what happened."""

    promise: int
    what: str


class Broken(AssertionError):
    """Promises were broken while something was tried."""

    def __init__(self, what: str, complaints: Sequence[Complaint]) -> None:
        super().__init__("\n".join([what, *(f"promise {one.promise}: {one.what}" for one in complaints)]).strip())
        self.complaints = complaints


def somebody() -> str:
    """For a world in which it does not matter who acts."""
    return "somebody"


class Witness:
    """The promises' memory. `actor` names whoever acts now; `process` is the trigger, where one at a time runs."""

    def __init__(self, world: World, *, actor: Callable[[], str] = somebody) -> None:
        self.world = world
        self.actor = actor
        self.process = ""
        self.messages_repeat = False
        self.complaints: list[Complaint] = []
        self.checks: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()
        self._holders: dict[str, set[str]] = defaultdict(set)
        self._taken_by: dict[str, str] = {}
        self._first_bytes: dict[str, bytes] = {}
        self.watch()

    def watch(self) -> None:
        """(Again) see what the world's ports do."""
        world = self.world
        world.tasks.on_write = self._wrote
        world.accounts.on_save = self._accounted
        world.gateway.on_post = self._posted
        world.gateway.on_look = self._asked
        world.downloads.on_open = self._opened

    def check(self, what: str = "") -> None:
        """Raise Broken when a promise was broken so far; `what` was tried."""
        for task in self.world.tasks.tasks.values():
            self._truth_about_money(task)
        if self.complaints:
            raise Broken(what, self.complaints)

    def settled(self) -> None:
        """Nothing is left to do in this world: look whether everything has come to its end."""
        for task in self.world.tasks.tasks.values():
            self.that(NEVER_LOST, task.is_terminal, f"{_brief(task)} never ended")
            self.that(NEVER_LOST, task.lease is None, f"{_brief(task)} is held by {task.lease} for ever")
            self._pictures(task)
            self._no_stray_objects(task)
        for key in self.world.accounts.held():
            self.that(NEVER_LOST, False, f"{key} holds a slot for ever")
        for waiter in self.world.accounts.waiting():
            self.that(NEVER_LOST, False, f"{waiter.key} stands in the queue for ever")
        for key, times in Counter(self.world.gateway.billed).items():
            self.that(PAID_ONCE, times == 1, f"{key} was billed {times} times")
        for task in self.world.tasks.tasks.values():
            self._truth_about_money(task)
            broke_its_word = {one.key for one in self.world.gateway.generations.values() if one.after_all}
            charged = [key for key in self._charged(task.id) if key not in broke_its_word]
            self.that(PAID_ONCE, len(charged) <= 1, f"{_brief(task)} was charged for {len(charged)} attempts")

    def that(self, promise: int, kept: bool, what: str) -> None:
        """Note whether a promise was kept."""
        self.checks[promise] += 1
        if not kept:
            self.complaints.append(Complaint(promise, f"{what} [{self.process or self.actor()}, t={self.world.now:.1f}]"))

    def _accounted(self, _before: Account, after: Account) -> None:
        self.counts["slots"] += 1
        crowd, most = len(after.holders), self.world.limits.in_flight
        self.that(NEVER_RUDE, crowd <= most, f"{crowd} tasks hold the {most} slots of {after.name}")

    # -- at each write ------------------------------------------------------------------------------

    def _wrote(self, before: Task | None, after: Task) -> None:
        self.counts["writes"] += 1
        watched = after.is_terminal or after.next_check_at is not None
        self.that(NEVER_LOST, watched, f"{_brief(after)} has no time at which it is looked at")
        looked_after = after.lease is None or after.next_check_at is not None
        self.that(NEVER_LOST, looked_after, f"{_brief(after)} is being stored and nobody looks after it")
        if after.lease is not None and (before is None or before.lease != after.lease):
            self._lease_taken(before, after.lease, after.id)
        if before is not None:
            self._one_end(before, after)
        if before is not None and before.attempt != after.attempt:
            self._next_attempt(before, after)
        if before is None or before.phase is not after.phase:
            self._true_news(before, after)
        if after.images and (before is None or not before.images):
            self._pictures(after)
        self._truth_about_money(after)

    def _one_end(self, before: Task, after: Task) -> None:
        same_phase, here = before.phase is after.phase, f"{_brief(before)} → {_brief(after)}"
        self.that(ONE_END, after.version == before.version + 1, f"{here}: somebody's write was overwritten")
        self.that(ONE_END, same_phase or after.phase in MOVES[before.phase], f"{here} is no legal move")
        if before.phase in TERMINAL and _is_corrected(before, after):
            self.counts["bills put right"] += 1
        elif before.phase in TERMINAL:
            self.that(ONE_END, before.phase is Phase.EXPIRED, f"{here}: written after its end")
            ends = [(one.phase, one.error, one.terminal_at) for one in (before, after)]
            self.that(ONE_END, ends[0] == ends[1], f"{here}: its end was changed")
            self.that(ONE_END, before.images in ((), after.images), f"{here}: its pictures were changed")
        elif after.is_terminal:
            self.counts["ends"] += 1

        self._kept_wishes(before, after)

    def _next_attempt(self, before: Task, after: Task) -> None:
        """Another one follows only where the one before cost nothing, and where somebody still wants it."""
        self.counts["further attempts"] += 1
        here = f"{_brief(before)} → {_brief(after)}"
        self.that(ONE_END, after.attempt == before.attempt + 1, f"{here}: an attempt was left out")
        self.that(ONE_END, not before.cancel_requested, f"{here}: it was to be canceled and goes on")
        self.that(PAID_ONCE, not self._charged(before.submission_key), f"{here}: the attempt before was billed")
        never_sent = before.phase in NOT_SENT and before.first_sent_at is None
        if before.phase not in SENDING and not never_sent:
            self.that(NEVER_FOOLED, Says.FAILED in self._told(before), f"{here}, but its upstream never said that it failed")

    def _kept_wishes(self, before: Task, after: Task) -> None:
        """Who was told that a task will be canceled sees it canceled; a success that is known is not talked away."""
        if after.is_terminal and not before.is_terminal:
            wished = before.cancel_requested and after.phase is not Phase.CANCELED
            self.that(ONE_END, not wished, f"{_brief(before)} was to be canceled and ended {after.phase.value}")
        if before.phase is Phase.STORING and after.phase is Phase.FAILED and after.error is not None:
            self.that(ONE_END, after.error.code in NOT_STORED, f"{_brief(before)} had succeeded and ended {after.error.code}")

    def _lease_taken(self, before: Task | None, lease: str, task_id: str) -> None:
        """A living lease is its holder's, unless the holder has handed it over."""
        if before is not None and before.lease is not None and before.leased(self.world.now):
            handed_over = any(job.lease == before.lease for job in self.world.queue.sent)
            own = self._taken_by.get(before.lease) == self.actor()
            self.that(ONE_END, handed_over or own, f"{_brief(before)}: its lease was taken from a living holder")
        self._taken_by[lease] = self.actor()
        self._holders[task_id].add(self.actor())

    def _true_news(self, before: Task | None, after: Task) -> None:
        """What an upstream is said to have said, it has said."""
        told = self._told(after)
        if after.phase in (Phase.STORING, Phase.SUCCEEDED):
            self.that(NEVER_FOOLED, Says.SUCCEEDED in told, f"{_brief(after)}, but its upstream never said so")
        if after.phase is Phase.FAILED and after.news_by in ("callback", "poll") and before and before.phase is not Phase.STORING:
            self.that(NEVER_FOOLED, bool(told), f"{_brief(after)}, but its upstream never said so")

    def _pictures(self, task: Task) -> None:
        """The recorded pictures are the upstream's, each under its own key, byte for byte."""
        if not task.images:
            self.that(ONE_END, task.phase is not Phase.SUCCEEDED, f"{_brief(task)} without a picture")
            return
        generation = self._generation(task)
        contents = generation.contents if generation else ()
        told_of = len(task.images) + len(task.missing)
        self.that(ONE_END, told_of == len(contents), f"{_brief(task)}: {told_of} of {len(contents)} pictures are told of")
        for image in task.images:
            content = contents[image.index] if image.index < len(contents) else b""
            found = self.world.bucket.objects.get(picture_key(task, image.attempt, image.index))
            stored = found.content if found else b""
            theirs = {content} | (generation.variants if generation and image.index == 0 else frozenset())
            self.that(ONE_END, stored in theirs, f"{_brief(task)}: other bytes in the bucket")
            facts = (hashlib.sha256(stored).hexdigest(), len(stored))
            self.that(ONE_END, (image.sha256, image.size) == facts, f"{_brief(task)}: other facts in the row")

    def _no_stray_objects(self, task: Task) -> None:
        if task.status == "succeeded" or task.images:
            paid = [f"/{task.id}/{number}/" for number, one in enumerate(task.earlier, start=1) if one.paid]
            ours = [key for key in self.world.bucket.objects if f"/{task.id}/" in key]
            stored = sum(not any(beside in key for beside in paid) for key in ours)
            self.that(ONE_END, stored == len(task.images), f"{_brief(task)}: {stored} objects for {len(task.images)} pictures")

    def _truth_about_money(self, task: Task) -> None:
        if task.is_terminal and task.error is not None and task.error.charged == "no":
            self.that(PAID_ONCE, not self._charged(task.id), f"{_brief(task)} says that it cost nothing, and it was billed")

    def _charged(self, beginning: str) -> list[str]:
        """The billed keys that begin so, but for those that are free as far as the gateway has told us."""
        gateway = self.world.gateway
        free = {one.key for one in gateway.generations.values() if one.free or (one.after_all and not one.heard)}
        return [key for key in gateway.billed if key.startswith(beginning) and key not in free]

    # -- at each request ----------------------------------------------------------------------------

    def _posted(self, key: str, body: bytes) -> None:
        self.counts["posts"] += 1
        gateway = self.world.gateway
        task = self.world.tasks.tasks.get(key.partition(":")[0])
        # Where repeats collapse, the answer to the first POST may be written down while the second is on its way.
        harmless = gateway.promises.collapses_repeats and key in gateway.billed
        remembered = task is not None and (task.submission_key == key or (harmless and task.attempt > _attempt(key)))
        sending = task is not None and (task.phase in SENDING or harmless)
        self.that(PAID_ONCE, remembered and sending, f"{key} was sent, and the row says {_brief(task) if task else 'nothing'}")
        if task is not None and key not in gateway.billed and waits_for(self.world.tasks.requests[task.id].body, as_data=False):
            # Not accepted so far: after a long wait its uploads have other addresses.
            self._first_bytes.pop(key, None)
        same = self._first_bytes.setdefault(key, body) == body
        self.that(PAID_ONCE, same, f"{key} was sent again with other bytes")
        if known := self._generation(task) if task else None:
            age, collapsed_for = self.world.now - known.made_at, gateway.promises.collapses_repeats_for_s
            self.that(PAID_ONCE, age < collapsed_for, f"{key} was sent again {age:.0f} s after it was taken")
        if task is not None and self.process == "tick":
            self.that(PAID_ONCE, not task.cancel_requested, f"{key} was sent although it is to be canceled")
        self.that(NEVER_RUDE, key in self.world.accounts.held(), f"{key} was sent without a slot")
        crowd, most = (
            sum(one.phase in IN_FLIGHT | SENDING for one in self.world.tasks.tasks.values()),
            self.world.limits.in_flight,
        )
        self.that(NEVER_RUDE, crowd <= most, f"{key} makes {crowd} in flight, where {most} may be")
        # A message that the queue delivers twice cannot know that the upstream has refused its twin a moment ago.
        if not self.messages_repeat:
            self._polite(key)
        self._looked_first(task)

    def _asked(self, upstream_task_id: str) -> None:
        self.counts["looks"] += 1
        if self.process == "tick":
            self._polite(upstream_task_id)
        generation = self.world.gateway.generations.get(upstream_task_id)
        if generation is not None:
            self._looked_first(self.world.tasks.tasks.get(generation.task_id))

    def _looked_first(self, task: Task | None) -> None:
        """A look writes the next look down before it asks, so that a crash means a later look and not one every minute."""
        if task is not None and self.process == "tick":
            ahead = task.next_check_at is None or task.next_check_at > self.world.now
            self.that(NEVER_RUDE, ahead, f"{_brief(task)}: the upstream was asked before the next look was written down")

    def _polite(self, about: str) -> None:
        waits_until = self.world.gateway.not_before.get(about, 0.0)
        self.that(NEVER_RUDE, self.world.now >= waits_until, f"{about} was asked {waits_until - self.world.now:.1f} s too early")

    def _opened(self, url: str) -> None:
        self.counts["downloads"] += 1
        generation = self.world.gateway.generations.get(url.split("/")[3])
        task = self.world.tasks.tasks.get(generation.task_id) if generation else None
        if task is None:
            self.that(NEVER_FOOLED, False, f"{url} was fetched for no task")
            return
        if generation is not None and generation.after_all:
            return
        stored = f"images/{task.owner}/{task.id}/{task.attempt}/{url.split('/')[4].split('.')[0]}" in self.world.bucket.objects
        self.that(ONE_END, not (stored and self.process.startswith("worker")), f"{url} was fetched again, though it is stored")
        # Whoever held the lease once may find out late that somebody else has taken over.
        held = self.actor() in self._holders[task.id]
        over = (task.is_terminal and task.phase is not Phase.EXPIRED) or bool(task.images)
        self.that(ONE_END, held or not over, f"{_brief(task)}: fetched after its end")
        self.that(ONE_END, held, f"{_brief(task)}: fetched by somebody who never held its lease")

    def _generation(self, task: Task) -> Generation | None:
        return next((one for one in self.world.gateway.generations.values() if one.key == task.submission_key), None)

    def _told(self, task: Task) -> set[Says]:
        return {said for one in self.world.gateway.generations.values() if one.key == task.submission_key for said in one.told}


def _attempt(key: str) -> int:
    return int(key.partition(":")[2].partition(".")[0])


def _is_corrected(before: Task, after: Task) -> bool:
    """Whether only what the task and its earlier attempts cost was put right."""
    error = replace(before.error, charged="yes") if before.error else None
    return after.error == error and replace(after, version=before.version, earlier=before.earlier, error=before.error) == before


def _brief(task: Task) -> str:
    return f"{task.id[-4:]} v{task.version} {task.phase.value}"
