"""One model of everything that may happen: hypothesis makes up lives, and the five promises are checked after each step."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from darkroom.domain.admission import Limits
from darkroom.domain.callback_token import SigningKey, sign
from darkroom.domain.news import Says
from darkroom.errors import (
    DarkroomError,
    DownloadInterrupted,
    OutcomeUnknown,
    OutputGone,
    UpstreamRefused,
    UpstreamUnavailable,
)
from tests.support.boundaries import Killed, Surprise
from tests.support.gateway import COLLAPSING, SILENT, SYNCHRONOUS, Generation
from tests.support.knife import Knife
from tests.support.life import Fate, Life
from tests.support.outages import fault_at
from tests.support.stories import CONTENT, NO_MODEL, OTHER, TOO_MANY
from tests.support.trials import Tally, Trial
from tests.support.witness import NEVER_FOOLED
from tests.support.world import World

BROKEN = (
    *(f"tasks.{name}" for name in ("add", "get", "move", "request_of", "keep_sent", "overdue", "keep_evidence")),
    *("claims.claim", "bucket.put", "bucket.read", "bucket.chunk", "queue.send", "upstream.hear", "downloads.chunk"),
    *(f"accounts.{name}" for name in ("get", "see", "save", "wait", "leave", "waiters", "save:done")),
    *("tasks.add:done", "tasks.move:done", "claims.claim:done", "bucket.put:done", "queue.send:done", "upstream.submit:done"),
)
SURPRISING = (*BROKEN, "upstream.submit", "upstream.look", "upstream.look:done", "upstream.hear:done", "accounts.release")
BEFORE: dict[str, DarkroomError] = {
    "lost": OutcomeUnknown("time-out"),
    "429": UpstreamUnavailable("too many", status=429, retry_after=90),
    "503": UpstreamUnavailable("busy", status=503),
    "429 in its own words": TOO_MANY,
    "model down": NO_MODEL,
    "401": UpstreamRefused("who?", reason="upstream_auth"),
    "402": UpstreamRefused("no money", reason="upstream_quota"),
    "refused": UpstreamRefused("not that", reason="content_rejected"),
}
LOOKING: dict[str, DarkroomError] = {
    "429": UpstreamUnavailable("too many", status=429, retry_after=600),
    "500": UpstreamUnavailable("broken", status=500, raw=b"<html>"),
    "401": UpstreamRefused("who?", reason="upstream_auth"),
}
ANSWERS: dict[str, tuple[Any, ...]] = {
    "at once": (),
    "late": (OutputGone("404"), OutputGone("404"), CONTENT),
    "in the end": (*[DownloadInterrupted("reset")] * 6, CONTENT),
    "never": (OutputGone("410"),),
    "no picture": (b"<html>sorry</html>",),
}
SPANS = (1.0, 20.0, 61.0, 400.0, 1900.0, 7200.0, 90_000.0)
WHICH = st.integers(0, 3)
AFTER = st.sampled_from([0.0, 20.0, 300.0, 3000.0])


@dataclass(slots=True, kw_only=True)
class Mischief(Knife):
    """Kills the process that reaches its `fuse`-th boundary from now; lets boundaries fail as often as `broken` says.

    `surprising` boundaries raise what no code expects.
    """

    fuse: int | None = None
    broken: Counter[str] = field(default_factory=Counter)
    surprising: Counter[str] = field(default_factory=Counter)

    def __call__(self, boundary: str) -> None:
        Knife.__call__(self, boundary)
        if self.fuse is not None:
            self._burn(boundary)
        if self.broken[boundary] > 0:
            self.broken[boundary] -= 1
            self.faults, self.last_fault = self.faults + 1, boundary
            raise fault_at(boundary)
        if self.surprising[boundary] > 0:
            self.surprising[boundary] -= 1
            self.faults, self.last_fault = self.faults + 1, boundary
            raise Surprise(boundary)

    def calm(self) -> None:
        """From now on nothing fails."""
        self.fuse = None
        self.broken.clear()
        self.surprising.clear()

    def _burn(self, boundary: str) -> None:
        self.fuse = (self.fuse or 0) - 1
        if self.fuse < 0:
            self.fuse, self.dead, self.kills = None, True, self.kills + 1
            raise Killed(boundary)


class Pipeline(RuleBasedStateMachine):
    """Clients, gateway, liars, crashes, outages and clocks around the real use-cases. `tally` sums up all lives."""

    make_world: ClassVar[Callable[..., World]] = World
    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        self.mischief = Mischief()
        self.secrets = 0
        self.steps = 0
        self.world = self.make_world()
        self.life = Life(self.world, knife=self.mischief)

    @initialize(
        silent=st.booleans(),
        after=AFTER,
        fuse=st.none() | st.integers(0, 12),
        synchronous=st.sampled_from([False, False, True]),
        slots=st.sampled_from([1, 2, 10]),
        per_minute=st.sampled_from([1, 5, 60]),
    )
    def begin(
        self,
        silent: bool,
        after: float,
        fuse: int | None,
        synchronous: bool = False,
        slots: int = 10,
        per_minute: int = 60,
    ) -> None:
        """A task is there from the start, or somebody dies over it."""
        limits = Limits(account="hiapi", in_flight=slots, per_minute=per_minute)
        promises = SYNCHRONOUS if synchronous else SILENT if silent else COLLAPSING
        self.world = self.make_world(promises=promises, limits=limits)
        self.life = Life(self.world, knife=self.mischief, fate=Fate(after=after))
        self.mischief.fuse = fuse
        self.life.order("a", prompt="a kite")

    # -- clients ------------------------------------------------------------------------------------

    @rule(
        key=st.sampled_from(["a", "b", None]),
        owner=st.sampled_from(["shop", "press"]),
        prompt=st.sampled_from(["a kite", "a dog", "long " * 900]),
        timeout_s=st.sampled_from([60, 600, 1800]),
        ends=st.sampled_from([Says.SUCCEEDED, Says.SUCCEEDED, Says.FAILED, None]),
        after=AFTER,
        answers=st.sampled_from(sorted(ANSWERS)),
        called_back=st.booleans(),
        trusted=st.booleans(),
        inside=st.booleans(),
        passing=st.booleans(),
        models=st.integers(1, 3),
        retries=st.integers(0, 2),
    )
    def order(
        self,
        key: str | None,
        prompt: str,
        timeout_s: int,
        answers: str,
        models: int = 1,
        retries: int = 1,
        owner: str = "shop",
        **fate: Any,
    ) -> None:
        self.life.fate = Fate(answers=ANSWERS[answers], **fate)
        others = (OTHER,) * (models - 1)
        self.life.order(key, prompt=prompt, timeout_s=timeout_s, alternatives=others, max_auto_retries=retries, owner=owner)

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        if keys := sorted(self.life.answered):
            self.life.cancel(keys[which % len(keys)])

    # -- the gateway, and who pretends to be it -----------------------------------------------------

    @rule(which=WHICH, trusted=st.booleans())
    def repeat_news(self, which: int, trusted: bool) -> None:
        if one := self._generation(which, finished=True):
            self.life.deliver(one, attempt=3, trusted=trusted)

    @rule(which=WHICH)
    def contradict(self, which: int) -> None:
        """The gateway says now that the end was another one."""
        if one := self._generation(which, finished=True):
            if one.says is Says.SUCCEEDED:
                self.world.gateway.fail(one)
            else:
                self.world.gateway.succeed(one)
            self.life.deliver(one, attempt=3)

    @rule(which=WHICH)
    def talk_nonsense(self, which: int) -> None:
        if one := self._generation(which):
            self.life.hear_nonsense(one)

    @rule(which=WHICH)
    def progress(self, which: int) -> None:
        if (one := self._generation(which)) and not one.is_finished:
            one.says = Says.GENERATING

    @rule(which=WHICH, how=st.sampled_from(["token", "signature", "another's token", "another's body", "unsigned lie"]))
    def forge(self, which: int, how: str) -> None:
        one, other = self._generation(which), self._generation(which + 1)
        if one is None or other is None:
            return
        before = self.world.task(one.task_id)
        self.life.witness.counts["forgeries"] += 1
        if how == "another's body" and before.upstream_task_id in (None, other.id):
            return
        ended = self.life.process("forger", lambda: self._forged(one, other, how))
        rejected = not ended.well or how in ("another's body", "unsigned lie")
        changed = self.world.task(one.task_id) != before and how != "unsigned lie"
        self.life.witness.that(NEVER_FOOLED, rejected and not changed, f"a callback with a forged {how} was let in")

    @rule(kind=st.sampled_from(sorted(BEFORE)), times=st.integers(1, 3))
    def refuse_posts(self, kind: str, times: int) -> None:
        self.world.gateway.before_accepting += [BEFORE[kind]] * times

    @rule(times=st.integers(1, 2))
    def lose_answers(self, times: int) -> None:
        self.world.gateway.after_accepting += [OutcomeUnknown("reset")] * times

    @rule(times=st.integers(1, 3))
    def answer_about_another(self, times: int) -> None:
        self.world.gateway.looking += ["tk-other"] * times

    @rule(to=st.sampled_from(["posts", "looks", "callbacks"]), times=st.sampled_from([1, 3, 20]))
    def answer_what_nobody_can_read(self, to: str, times: int) -> None:
        gateway = self.world.gateway
        answers: list[Any] = {"posts": gateway.after_accepting, "looks": gateway.looking, "callbacks": gateway.hearing}[to]
        answers += [Surprise(to)] * times

    @rule(kind=st.sampled_from(sorted(LOOKING)), times=st.integers(1, 3))
    def refuse_looks(self, kind: str, times: int) -> None:
        self.world.gateway.looking += [LOOKING[kind]] * times

    # -- our own side -------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from(SPANS))
    def go_on(self, seconds: float) -> None:
        self.life.run(until=self.world.now + seconds)

    @rule()
    def tick(self) -> None:
        self.life.tick()

    @rule(which=WHICH)
    def repeat_a_message(self, which: int) -> None:
        if self.life.sent:
            self.life.repeat_message(self.life.sent[-1 - which % len(self.life.sent)])

    @rule(boundaries=st.integers(0, 25), seconds=st.sampled_from(SPANS))
    def kill(self, boundaries: int, seconds: float) -> None:
        self.mischief.fuse = boundaries
        self.go_on(seconds)

    @rule(boundary=st.sampled_from(BROKEN), times=st.sampled_from([1, 2, 20]), seconds=st.sampled_from(SPANS))
    def break_down(self, boundary: str, times: int, seconds: float) -> None:
        self.mischief.broken[boundary] = times
        self.go_on(seconds)

    @rule(boundary=st.sampled_from(SURPRISING), times=st.sampled_from([1, 2, 20]), seconds=st.sampled_from(SPANS))
    def surprise(self, boundary: str, times: int, seconds: float) -> None:
        self.mischief.surprising[boundary] = times
        self.go_on(seconds)

    @rule()
    def mend(self) -> None:
        self.mischief.calm()

    @rule(seconds=st.sampled_from([1.0, 30.0, 120.0]))
    def set_the_clock_back(self, seconds: float) -> None:
        self.world.now -= seconds

    @rule()
    def rotate_secrets(self) -> None:
        self.secrets += 1
        self.world.rotate(f"another-stack-secret-{self.secrets}")

    # -- what must be true ----------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        self.steps += 1
        self.life.witness.check()

    def teardown(self) -> None:
        """Nothing fails any more: everything comes to its end."""
        self.mischief.calm()
        gateway = self.world.gateway
        gateway.before_accepting, gateway.after_accepting, gateway.looking, gateway.hearing = [], [], [], []
        self.life.run_to_rest()
        counts = Counter(lives=1, steps=self.steps, crashes=self.mischief.kills, faults=self.mischief.faults)
        self.tally.add(Trial(what="model", witness=self.life.witness, counts=counts))
        self.life.witness.check()

    def _generation(self, which: int, *, finished: bool = False) -> Generation | None:
        found = [one for one in self.world.gateway.generations.values() if one.is_finished or not finished]
        return found[which % len(found)] if found else None

    def _forged(self, one: Generation, other: Generation, how: str) -> object:
        stranger = sign(SigningKey("not-our-secret"), upstream="hiapi", task_id=one.task_id, attempt=1, now=self.world.now)
        theirs, ours = ((each.callback_url or "").rpartition("/")[2] for each in (other, one))
        if how == "another's token":
            token = theirs if theirs and other.task_id != one.task_id else stranger
            return self.world.call_back(one.task_id, token=token)
        if how == "unsigned lie":
            return self.world.call_back(one.task_id, token=ours, trusted=False, body={"taskId": one.id, "lie": True})
        if how == "another's body":
            return self.world.call_back(one.task_id, token=ours, body={"taskId": other.id})
        return self.world.call_back(one.task_id, token=stranger if how == "token" else ours, forged=how == "signature")


def made_up_lives(
    number: int, *, steps: int, always_the_same: bool, shorten: bool = True, world: Callable[..., World] = World
) -> Tally:
    """Try about so many lives of up to so many steps each; raises Broken.

    `shorten`: the life that broke a promise is made as short as hypothesis can, which takes a while.
    """

    class Lives(Pipeline):
        tally = Tally()
        make_world = staticmethod(world)

    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=number,
            stateful_step_count=steps,
            derandomize=always_the_same,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink] if shorten else [Phase.generate],
        ),
    )
    return Lives.tally
