"""What can happen to a task, and what each may cost: the budget, exact. tests/benchmarks puts a price on the same list.

A scenario costs what its task costs from the order to the end, alone in the table, in a warm environment whose caches are full.
`sweeps` of the reconciler are counted apart: their queries are paid per minute, not per task.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.budgets.driven import Driven, Used
from tests.support.loopback import Reply

LONG_PROMPT = (
    "An upright poster for the summer night of a small botanical garden. In the lower third stands the old palm house, its "
    "iron ribs thin and dark, its panes lit from within by hundreds of paper lanterns in apricot, lemon and pale green. "
    "Visitors walk towards it on a gravel path: a grandmother with a folding chair, two students who share one bicycle, a "
    "boy on his father's shoulders who points at a bat. Left of the path a pond with water lilies, in which the lanterns "
    "are mirrored, a little blurred by wind. Above the roof a wide sky that turns from copper at the horizon to a deep "
    "blue, with the first stars and a thin moon, no clouds. Leave the upper quarter calm, for the title: 'Night of the "
    "Palms' in tall, narrow capitals without serifs, cream, slightly uneven as if printed from wood; below it in small "
    "letters 'Saturday, 19 June, from eight o'clock. Free entry for everybody under sixteen.' Every letter must be readable "
    "and correctly spelt, nothing else may be written anywhere. The style is a lithograph of four colours with visible "
    "grain, flat areas and a soft outline; no photograph, no gloss, no lens flare. The mood is quiet, warm and expectant."
)
VERY_LONG_PROMPT = " ".join(f"{number * 7919 % 65_521:x}" for number in range(290))
"""Its row is some 30 bytes smaller than a unit: ids and tokens, which are made by chance, pack to five bytes more or less."""
KEY_MOVES = 2
"""Write units that a look costs more in a crowded sweep, which moves the task's key in the index of what is due."""
SWEEP_READS = 6.0
"""Read units of a sweep that finds nothing: half a unit for each of the eight shards, and one for each of two accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Units of the table; requests to the upstream, to the bucket and to the queue; sweeps that were needed."""

    write: float
    read: float
    posts: int = 0
    gets: int = 0
    uploads: int = 0
    messages: int = 0
    sweeps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Units of the table that the budget grants, which was set before anything was built; None: it does not say."""

    write: float | None = None
    read: float | None = None


TASK = Granted(write=9, read=1)
"""7 write units for a task, 2 for its slot."""
LOOK = Granted(write=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`before` happens first and is not counted; `act` is. `ends` is the status that the task must have afterwards."""

    name: str
    act: Callable[[Driven], object]
    cost: Cost
    before: Callable[[Driven], object] = lambda _: None
    ends: str | None = None
    granted: Granted = Granted()


def measure(darkroom: Driven, scenario: Scenario) -> Cost:
    """What the scenario costs here and now; raises AssertionError when it does not end as it should."""
    scenario.before(darkroom)
    sweeps = darkroom.sweeps
    used = darkroom.used(lambda: scenario.act(darkroom))
    if scenario.ends is not None:
        assert darkroom.status() == scenario.ends
    return cost_of(used, sweeps=darkroom.sweeps - sweeps)


def cost_of(used: Used, *, sweeps: int) -> Cost:
    """`used` as a cost, without what the sweeps cost that found nothing."""
    write, read = used.units
    return Cost(
        write=write,
        read=read - sweeps * SWEEP_READS,
        posts=used.posts,
        gets=used.gets,
        uploads=used.uploads,
        messages=used.aws.calls.get("SendMessage", 0),
        sweeps=sweeps,
    )


def table_calls(darkroom: Driven) -> tuple[int, int]:
    """Requests to the table of an order and of its callback, here and now."""
    order = darkroom.used(darkroom.create)
    callback = darkroom.used(lambda: darkroom.call_back(darkroom.succeed()))
    return _table_calls(order), _table_calls(callback)


def _table_calls(used: Used) -> int:
    return sum(count for name, count in used.aws.calls.items() if not name.startswith("s3:"))


def _plainly(darkroom: Driven, prompt: str | None = None, **headers: str) -> None:
    darkroom.create(**({"prompt": prompt} if prompt else {}), **headers)
    darkroom.call_back(darkroom.succeed())


def _failing(darkroom: Driven) -> None:
    darkroom.create()
    darkroom.upstream.fail(darkroom.upstream.last)
    darkroom.call_back(darkroom.upstream.last)


def _lost_callback(darkroom: Driven) -> None:
    darkroom.create()
    darkroom.succeed()
    darkroom.pass_time(61)
    darkroom.tick()
    darkroom.work()


def _busy_once(darkroom: Driven) -> None:
    busy = {"code": 429, "message": "rate limit", "data": None, "error_code": "rate_limit_exceeded"}
    darkroom.upstream.next_replies.append(Reply(status=429, headers={"Retry-After": "5"}, body=json.dumps(busy).encode()))


def _with_fallbacks(darkroom: Driven) -> None:
    darkroom.create(preset="poster")
    darkroom.call_back(darkroom.succeed())


def _falls_back(darkroom: Driven) -> None:
    """The upstream says 429 to the preset's model, and a worker asks for the next one."""
    _busy_once(darkroom)
    darkroom.create(preset="poster")
    darkroom.pass_time(6)
    darkroom.work()
    darkroom.call_back(darkroom.succeed())


def _fails_for_nothing(darkroom: Driven) -> None:
    """The model is down; a sweep has it tried again."""
    down = {"code": 400, "message": "model unavailable", "data": None, "error_code": "MODEL_UNAVAILABLE"}
    darkroom.upstream.next_replies.append(Reply(status=400, body=json.dumps(down).encode()))
    darkroom.create()
    darkroom.pass_time(61)
    darkroom.tick()
    darkroom.work()
    darkroom.call_back(darkroom.succeed())


def _refused_at_first(darkroom: Driven) -> None:
    """The upstream says 429 to the order, and takes it when it may be asked again."""
    _busy_once(darkroom)
    darkroom.create()
    darkroom.pass_time(6)
    darkroom.work()
    darkroom.call_back(darkroom.succeed())


def _full(darkroom: Driven) -> None:
    """Somebody else's task has the only slot."""
    darkroom.allow(in_flight=1)
    darkroom.create()


def _busy(darkroom: Driven) -> None:
    """Somebody else's task has one of three slots: with one more, more than half are taken."""
    darkroom.allow(in_flight=3)
    darkroom.create()


def _nearly_full(darkroom: Driven) -> None:
    """Somebody else's task has one of two slots."""
    darkroom.allow(in_flight=2)
    darkroom.create()


def _waits(darkroom: Driven, *, minutes: int = 0) -> None:
    before = darkroom.upstream.last
    darkroom.create()
    for _ in range(minutes):
        darkroom.pass_time(60)
        darkroom.tick()
        darkroom.work()
    darkroom.upstream.succeed(before, picture_bytes=100_000)
    darkroom.call_back(before)
    darkroom.work()
    darkroom.call_back(darkroom.succeed())


def _waits_long(darkroom: Driven) -> None:
    _waits(darkroom, minutes=10)


def _refused(darkroom: Driven) -> None:
    wrong = {"code": 400, "message": "no such model", "data": None, "error_code": "INVALID_REQUEST"}
    darkroom.upstream.next_replies.append(Reply(status=400, body=json.dumps(wrong).encode()))
    darkroom.create()


def _repeat(darkroom: Driven) -> None:
    darkroom.call_back(darkroom.upstream.last)


def _ordered(darkroom: Driven) -> None:
    darkroom.create()


def _ordered_and_seen(darkroom: Driven) -> None:
    darkroom.create()
    _look(darkroom)


def _look(darkroom: Driven) -> None:
    darkroom.pass_time(200)
    darkroom.tick()


def _with_key(darkroom: Driven) -> None:
    _plainly(darkroom, idempotency_key="order-8472-hero")


def _replay(darkroom: Driven) -> None:
    darkroom.create(idempotency_key="order-8472-hero")


def _after_the_key_cache(darkroom: Driven) -> None:
    darkroom.pass_time(61)


SCENARIOS = (
    # A slot taken and handed on: 2. Born: row, entry in both indexes; submitted; storing; closed, and out of the index of what
    # is due. Read: the account when the slot is taken, the task when its news comes.
    Scenario(name="happy path", act=_plainly, ends="succeeded", cost=Cost(write=9, read=1, posts=1, uploads=1), granted=TASK),
    Scenario(
        name="with an Idempotency-Key",
        act=_with_key,
        ends="succeeded",
        cost=Cost(write=10, read=1, posts=1, uploads=1),
        granted=replace(TASK, write=10),
    ),
    Scenario(
        name="a long prompt",
        act=lambda darkroom: _plainly(darkroom, LONG_PROMPT),
        ends="succeeded",
        cost=Cost(write=10, read=1, posts=1, uploads=1),
        granted=replace(TASK, write=10),
    ),
    # Hardly to be compressed, and just within a unit: a longer one costs a unit for each 1,024 bytes that are begun.
    Scenario(
        name="a prompt of numbers by chance",
        act=lambda darkroom: _plainly(darkroom, VERY_LONG_PROMPT),
        ends="succeeded",
        cost=Cost(write=10, read=1, posts=1, uploads=1),
        granted=replace(TASK, write=10),
    ),
    Scenario(name="replay of a known key", before=_with_key, act=_replay, cost=Cost(write=1, read=1), granted=Granted(write=1)),
    Scenario(
        name="repeated callback", before=_plainly, act=_repeat, cost=Cost(write=0, read=0.5), granted=Granted(write=0, read=1)
    ),
    Scenario(name="failure", act=_failing, ends="failed", cost=Cost(write=8, read=1, posts=1), granted=TASK),
    # Read: the account. The answer needs no evidence: none was kept of a task that its own order has ended.
    Scenario(
        name="refused by the upstream",
        act=_refused,
        ends="failed",
        cost=Cost(write=7, read=0.5, posts=1),
        granted=TASK,
    ),
    # Beside the happy path: the look and its request, 2; and the worker's own lease on the row, for the bytes change hands: 1.
    Scenario(
        name="lost callback",
        act=_lost_callback,
        ends="succeeded",
        cost=Cost(write=12, read=4, posts=1, gets=1, uploads=1, messages=1, sweeps=1),
        granted=Granted(write=9 + 3),
    ),
    # The row says when the next look is, its index key stays, and a request is reserved. A look that finds the task a phase
    # further on writes that down, for one unit more.
    Scenario(
        name="one look",
        before=_ordered_and_seen,
        act=_look,
        ends="running",
        cost=Cost(write=2, read=2.5, gets=1, sweeps=1),
        granted=LOOK,
    ),
    Scenario(
        name="one look that sees progress",
        before=_ordered,
        act=_look,
        cost=Cost(write=3, read=2.5, gets=1, sweeps=1),
        granted=LOOK,
    ),
    # Beside the happy path: a look at the account and whoever waits in it, when the slot is given back.
    Scenario(
        name="a slot in a busy account",
        before=_busy,
        act=_plainly,
        ends="succeeded",
        cost=Cost(write=9, read=2, posts=1, uploads=1),
        granted=Granted(write=9),
    ),
    # As above, and another look, when that is written: somebody may have seen the account full meanwhile.
    Scenario(
        name="the last free slot",
        before=_nearly_full,
        act=_plainly,
        ends="succeeded",
        cost=Cost(write=9, read=3, posts=1, uploads=1),
        granted=Granted(write=9),
    ),
    # The queue's row twice, the row that says "submitting", its own handing on: 4 more than without admission. The other's
    # end is in here too: storing, handing on, closed, and out of the index: 4 writes, 2 reads and a picture.
    Scenario(
        name="a wait for a slot",
        before=_full,
        act=_waits,
        ends="succeeded",
        cost=Cost(write=11 + 4, read=7 + 0.5, posts=1, uploads=2, messages=1),
        granted=Granted(write=7 + 4 + 4),
    ),
    # As above, and ten sweeps: four looks at the other, of which one sees progress, and one at the task that waits, which puts
    # its next look so far off that its key moves. The other's end finds its next look far off and moves that: 2. A sweep reads
    # 2 units more while anybody waits, and one for each task that it passes over.
    Scenario(
        name="a wait of ten minutes for a slot",
        before=_full,
        act=_waits_long,
        ends="succeeded",
        cost=Cost(write=15 + 4 * 2 + 1 + 4 + 2, read=53, posts=1, gets=4, uploads=2, messages=1, sweeps=10),
        granted=Granted(write=15 + 5 * 3),
    ),
    # Beside the happy path: the account's pause and the new slot, another second for a message that came late, the queue's row
    # twice, a move of the index key (3), and the row that says "submitting" again.
    Scenario(
        name="429 at first",
        act=_refused_at_first,
        ends="succeeded",
        cost=Cost(write=18, read=5.5, posts=2, uploads=1, messages=1),
    ),
    Scenario(
        name="with fallbacks in hand",
        act=_with_fallbacks,
        ends="succeeded",
        cost=Cost(write=9, read=1, posts=1, uploads=1),
        granted=TASK,
    ),
    # Beside the happy path: the next attempt, what it sends, that it is being sent; a slot for each attempt, and the pause that
    # the 429 asks for.
    Scenario(
        name="refused, the next model serves",
        act=_falls_back,
        ends="succeeded",
        cost=Cost(write=15, read=5, posts=2, uploads=1, messages=1),
    ),
    # As above; the wait moves the index key.
    Scenario(
        name="failed for nothing, tried again",
        act=_fails_for_nothing,
        ends="succeeded",
        cost=Cost(write=17, read=5.5, posts=2, uploads=1, messages=1, sweeps=1),
    ),
    Scenario(
        name="a key that is not in the cache",
        before=_after_the_key_cache,
        act=_plainly,
        ends="succeeded",
        cost=Cost(write=9, read=1.5, posts=1, uploads=1),
        granted=replace(TASK, read=1.5),
    ),
)
