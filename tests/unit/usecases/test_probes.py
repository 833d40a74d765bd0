"""Nobody is rude to an upstream that refuses, and nobody is stopped by one task, one prompt, one model or one owner."""

import json
import math
from collections import Counter
from itertools import pairwise

import pytest

from darkroom.domain.admission import Limits
from darkroom.domain.attempts import Alternative
from darkroom.domain.breaker import ACCOUNT
from darkroom.domain.task import Phase
from darkroom.errors import About, OutcomeUnknown, StorageUnavailable, UpstreamError, UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Accepted, Job
from darkroom.usecases.breaker import Turned
from tests.support.gateway import Gateway
from tests.support.world import World

GOOD, BAD, WORSE = "gpt-image-2/text-to-image", "not-in-our-plan", "nor-is-this-one"
MODEL = f"hiapi/{GOOD}"
WIDE = Limits(account="hiapi", in_flight=200, per_minute=6000)
NARROW = Limits(account="hiapi", in_flight=10, per_minute=60)
REVOKED = UpstreamRefused("who are you?", reason="upstream_auth", status=401)
DENIED = UpstreamRefused("not in your plan", reason="upstream_auth", status=403)
EMPTY = UpstreamRefused("balance too low", reason="upstream_quota", status=402)
BROKEN = OutcomeUnknown("internal", status=500)
OTHER = Alternative(upstream="hiapi", model="banana", route=None, wire_model="banana", input={"prompt": "a red kite"})


class Picky(Gateway):
    """Refuses by what is asked: `refusals` by model or prompt, and everything while it has `revoked` our key."""

    refusals: dict[str, UpstreamError]
    revoked: UpstreamError | None = None

    def submit(self, body: bytes, *, key: str, timeout_s: float) -> Accepted:
        asked = json.loads(body)
        refused = self.revoked or self.refusals.get(asked["model"]) or self.refusals.get(asked["input"]["prompt"])
        self.before_accepting = [refused] if refused else []
        return super().submit(body, key=key, timeout_s=timeout_s)


def a_world(limits: Limits = WIDE, **refusals: UpstreamError) -> tuple[World, Picky]:
    world = World(limits=limits)
    gateway = Picky(downloads=world.downloads, clock=world.clock, on_call=lambda name: world.hook(name))
    gateway.refusals = {BAD: DENIED, WORSE: DENIED} | refusals
    world.gateway = gateway
    return world, gateway


def posts(gateway: Picky, model: str = GOOD) -> int:
    return sum(json.loads(body)["model"] == model for _, body in gateway.posts)


def shut(world: World) -> set[str]:
    return set(world.accounts.accounts["hiapi"].shut)


def phase(world: World, task_id: str) -> Phase:
    return world.task(task_id).phase


# -- an account: as few probes as is documented, by everybody in turn ------------------------------------


@pytest.mark.parametrize("waiting", [1, 10, 100])
@pytest.mark.parametrize("owners", [1, 3])
def test_a_revoked_key_is_tried_28_times_in_6_hours_however_many_wait(waiting: int, owners: int) -> None:
    world, gateway = a_world(NARROW)
    gateway.revoked = REVOKED
    for number in range(waiting + 1):
        world.create(prompt=f"kite {number}", owner=f"owner-{number % owners}")
    paused_at = world.now
    probed_at: list[float] = []
    gateway.on_post = lambda _key, _body: probed_at.append(world.now - paused_at)

    world.live_on(6 * 3600)

    # A minute, then 2, 4, 8 and 15; a sweep a minute chooses the probe, so that each may be a minute late.
    gaps = [after - before for before, after in pairwise([0.0, *probed_at])]
    assert 24 <= len(gateway.posts) <= 28
    assert gaps[:4] == pytest.approx([60, 120, 240, 480], abs=61)
    assert all(900 <= gap <= 961 for gap in gaps[4:])
    assert max(Counter(key for key, _ in gateway.posts).values()) <= math.ceil(27 / waiting)
    assert world.accounts.held() == {}


def test_every_waiting_task_is_tried_before_one_is_tried_again() -> None:
    world, gateway = a_world()
    gateway.revoked = REVOKED
    first = world.create().task.id
    waiting = [world.create(prompt=str(number), owner=("shop", "press")[number % 2]).task.id for number in range(30)]

    world.live_on(31 * 960)

    tried = [key.partition(":")[0] for key, _ in gateway.posts]
    assert tried[0] == first
    assert sorted(tried[1:31]) == sorted(waiting)
    assert tried[1] in tried[31:]


def test_owners_take_turns_with_probes() -> None:
    world, gateway = a_world()
    gateway.revoked = EMPTY
    world.create(owner="a")
    owner_of = {world.create(prompt=str(number), owner="a").task.id: "a" for number in range(5)}
    owner_of[world.create(owner="b").task.id] = "b"

    world.live_on(600)

    assert [owner_of[key.partition(":")[0]] for key, _ in gateway.posts[1:3]] == ["a", "b"]


def test_a_refused_task_lets_the_others_go_first_and_one_that_goes_well_brings_all_behind_it() -> None:
    """A balance that is too low for one large order is enough for the small ones."""
    world, gateway = a_world(NARROW, huge=EMPTY)
    first = world.create(prompt="huge").task.id
    second = world.create(prompt="huge").task.id
    small = [world.create(prompt=f"small {number}").task.id for number in range(9)]

    world.live_on(300)

    assert {phase(world, one) for one in small} == {Phase.QUEUED}
    assert len(gateway.posts) <= 2 + 1 + 9
    assert phase(world, first) is Phase.FAILED
    # It was refused as the one that met it first now, and so it ends.
    assert phase(world, second) is Phase.FAILED


def test_a_refused_probe_waits_without_a_slot_and_is_the_probe_no_more() -> None:
    world, gateway = a_world()
    gateway.revoked = REVOKED
    world.create()
    waiting = world.create().task.id
    world.now += 61
    world.tick()
    world.work_all()

    before = len(gateway.posts)
    for _ in range(20):
        world.now += 5
        world.work(Job(do="submit", task_id=waiting, attempt=1))
        world.change(waiting, next_check_at=world.now)
        world.look(waiting)

    assert (before, len(gateway.posts)) == (2, 2)
    assert world.accounts.held() == {}
    assert [one.task_id for one in world.accounts.waiting()] == [waiting]


def test_a_new_order_is_no_probe_while_others_wait() -> None:
    world, gateway = a_world()
    gateway.revoked = REVOKED
    world.create()
    waiting = world.create().task.id
    world.now += 61

    new = world.create(prompt="new").task.id
    world.work_all()

    assert [key for key, _ in gateway.posts[1:]] == [f"{waiting}:1"]
    assert phase(world, new) is Phase.WAITING


def test_an_order_that_comes_alone_is_the_probe_when_one_is_due() -> None:
    world, gateway = a_world()
    gateway.revoked = REVOKED
    world.create()
    gateway.revoked = None
    world.now += 61

    task = world.create().task

    assert task.phase is Phase.QUEUED
    assert shut(world) == set()


def test_a_probe_whose_model_is_shut_leaves_its_turn_to_the_next() -> None:
    world, gateway = a_world()
    gateway.revoked = REVOKED
    world.create()
    stuck, free = world.create(model="slow").task.id, world.create().task.id
    account = world.accounts.accounts["hiapi"].shut_off("hiapi/slow", "upstream_unavailable", now=world.now + 60)
    world.accounts.accounts["hiapi"] = account
    gateway.revoked = None
    world.now += 61

    world.tick()
    for _ in range(3):
        world.work_all()

    assert (phase(world, stuck), phase(world, free)) == (Phase.WAITING, Phase.QUEUED)
    assert ACCOUNT not in shut(world)


# -- a model ---------------------------------------------------------------------------------------------


def test_a_403_shuts_its_model_and_nobody_elses() -> None:
    world, gateway = a_world()

    first, second = world.create(model=BAD).task, world.create(model=BAD).task
    good = [world.create(prompt=str(number)).task for number in range(10)]

    assert shut(world) == {f"hiapi/{BAD}"}
    assert (first.phase, first.error.code if first.error else "") == (Phase.FAILED, "upstream_auth")
    assert second.phase is Phase.WAITING
    assert {one.phase for one in good} == {Phase.QUEUED}
    assert posts(gateway, BAD) == 1


@pytest.mark.parametrize("waiting", [1, 10, 100])
def test_a_model_that_is_not_in_the_plan_is_tried_as_rarely_as_a_refused_account(waiting: int) -> None:
    world, gateway = a_world()
    for number in range(waiting + 1):
        world.create(model=BAD, prompt=str(number))

    world.live_on(6 * 3600)

    tried = [key for key, _ in gateway.posts]
    assert 24 <= len(tried) <= 28
    assert waiting == 1 or all(before != after for before, after in pairwise(tried))


def test_one_refused_order_a_minute_delays_no_other_model() -> None:
    world, gateway = a_world(NARROW)
    good = []
    for _ in range(240):
        world.create(model=BAD, owner="mallory")
        good.append(world.create().task)
        world.gateway.succeed(good[-1].id)
        world.call_back(good[-1].id)
        world.live_on(60)

    assert {one.phase for one in good} == {Phase.QUEUED}
    assert posts(gateway, BAD) <= 28


def test_a_model_that_the_plan_has_now_is_open_after_its_next_probe() -> None:
    world, gateway = a_world()
    world.create(model=BAD)
    waiting = [world.create(model=BAD, prompt=str(number)).task.id for number in range(3)]
    world.live_on(1800)
    gateway.refusals = {}

    world.live_on(1800)

    assert {phase(world, one) for one in waiting} == {Phase.QUEUED}
    assert shut(world) == set()


def test_a_presets_next_model_serves_instead_of_one_that_is_denied() -> None:
    world, gateway = a_world()

    task = world.create(model=BAD, alternatives=(OTHER,)).task
    world.work_all()
    later = world.create(model=BAD, alternatives=(OTHER,)).task
    world.work_all()

    assert [(world.task(one.id).model, phase(world, one.id)) for one in (task, later)] == [("banana", Phase.QUEUED)] * 2
    assert posts(gateway, BAD) == 1


def test_a_model_that_was_failing_and_is_denied_now_is_tried_as_rarely_as_one_that_is_denied() -> None:
    world, _ = a_world()
    account = world.accounts.get("hiapi").shut_off(f"hiapi/{BAD}", "upstream_unavailable", now=world.now)

    denied = account.denied(f"hiapi/{BAD}", "upstream_auth", now=world.now + 30, good_at=0.0)
    again = denied.denied(f"hiapi/{BAD}", "upstream_auth", now=world.now + 90, good_at=0.0)

    assert (denied.shut[f"hiapi/{BAD}"].why, denied.shut[f"hiapi/{BAD}"].probe_at) == ("upstream_auth", world.now + 90)
    assert again is denied


def test_two_models_that_are_refused_pause_the_account() -> None:
    world, gateway = a_world()
    heard: list[Turned] = []
    world.admission.memory.tell = heard.append

    world.create(model=BAD)
    world.create(model=WORSE)
    good = world.create().task
    assert good.phase is Phase.WAITING
    assert [one.name for one in heard] == [f"hiapi/{BAD}", f"hiapi/{WORSE}", ACCOUNT]
    assert posts(gateway) == 0

    world.live_on(120)
    assert phase(world, good.id) is Phase.QUEUED
    # Both stay shut for themselves, and pause nothing again.
    assert shut(world) == {f"hiapi/{BAD}", f"hiapi/{WORSE}"}
    world.create(model=BAD)
    world.create(model=WORSE)
    world.live_on(1800)
    assert world.create(prompt="later").task.phase is Phase.QUEUED


def test_two_refused_models_pause_nothing_where_the_key_was_good_for_a_third_in_between() -> None:
    world, _ = a_world()

    world.create(model=BAD)
    world.now += 1
    world.create()
    world.create(model=WORSE)

    assert shut(world) == {f"hiapi/{BAD}", f"hiapi/{WORSE}"}


def test_one_model_by_two_ways_is_one_model() -> None:
    world, _ = a_world()
    account = world.accounts.get("hiapi").denied("hiapi/kite", "upstream_auth", now=world.now, good_at=0.0)

    account = account.denied("hiapi_chat/kite", "upstream_auth", now=world.now, good_at=0.0)

    assert set(account.shut) == {"hiapi/kite", "hiapi_chat/kite"}


def test_a_403_that_speaks_of_the_key_pauses_the_account() -> None:
    spoken = UpstreamRefused("the API key was revoked", reason="upstream_auth", about=About.ACCOUNT, status=403)
    world, _ = a_world(**{BAD: spoken})

    world.create(model=BAD)

    assert shut(world) == {ACCOUNT}


def test_a_refusal_that_cannot_be_written_shuts_nothing() -> None:
    world, gateway = a_world()

    def away(name: str) -> None:
        if name == "accounts.save" and gateway.posts:
            raise StorageUnavailable(name)

    world.hook = away
    first = world.create(model=BAD).task

    assert first.phase is Phase.FAILED
    assert shut(world) == set()


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (UpstreamRefused("no credit", reason="upstream_quota", status=429), True),
        (UpstreamRefused("unauthorized", reason="upstream_auth", status=200), True),
        (UpstreamRefused("the key was revoked", reason="upstream_auth", about=About.ACCOUNT, status=403), False),
        (UpstreamRefused("the secret's field is empty", reason="upstream_auth"), False),
    ],
    ids=str,
)
def test_a_look_pauses_the_account_where_the_upstream_says_so_and_could_mean_no_other_account(
    error: UpstreamError, pauses: bool
) -> None:
    world, gateway = a_world()
    world.create(callbacks=False)
    gateway.looking = [error]

    world.now += 120
    world.tick()

    assert (ACCOUNT in shut(world)) is pauses


# -- one prompt, one owner -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [BROKEN, UpstreamUnavailable("down", status=503)], ids=str)
def test_one_prompt_that_makes_a_model_fail_shuts_it_for_nobody(error: UpstreamError) -> None:
    world, _ = a_world(crash=error)

    for number in range(12):
        world.create(prompt="crash", owner=("poison", "accomplice")[number % 2])
        world.now += 4.9

    world.now += 6
    assert shut(world) == set()
    assert world.create(owner="poison", prompt="well").task.phase is Phase.QUEUED


def test_one_owner_with_many_prompts_that_fail_shuts_the_model_for_that_owner_alone() -> None:
    world, gateway = a_world()
    for number in range(4):
        world.create(owner="good", prompt=f"good {number}")
    gateway.refusals |= {f"crash {number}": BROKEN for number in range(9)}

    for number in range(9):
        world.create(owner="poison", prompt=f"crash {number}")

    assert shut(world) == {f"{MODEL}#poison"}
    assert world.create(owner="good", prompt="now").task.phase is Phase.QUEUED
    assert world.create(owner="poison", prompt="well").task.phase is Phase.WAITING
    assert len(gateway.posts) == 4 + 5 + 1


def test_the_only_owner_is_left_waiting_by_a_model_in_trouble_until_a_probe_goes_well() -> None:
    world, gateway = a_world()
    gateway.revoked = BROKEN
    for number in range(5):
        world.create(prompt=f"kite {number}")
    gateway.revoked = None

    waiting = world.create(prompt="well").task
    assert (waiting.phase, shut(world)) == (Phase.WAITING, {f"{MODEL}#shop"})

    world.live_on(60)
    assert phase(world, waiting.id) is Phase.QUEUED
    assert shut(world) == set()


def test_a_model_that_fails_most_of_its_owners_is_shut_for_everybody() -> None:
    world, gateway = a_world()
    gateway.revoked = BROKEN
    for number in range(6):
        world.create(prompt=f"kite {number}", owner=f"owner-{number % 3}")

    assert shut(world) == {MODEL}


def test_what_goes_well_for_most_owners_is_not_shut_by_two_who_fail() -> None:
    world, gateway = a_world()
    gateway.refusals |= {f"crash {number}": BROKEN for number in range(20)}
    for number in range(5):
        world.create(owner=f"good-{number}", prompt="well")

    for number in range(8):
        world.create(owner=f"poison-{number % 2}", prompt=f"crash {number}")

    assert MODEL not in shut(world)


def test_requests_that_were_not_read_along_count_as_different_ones() -> None:
    world, gateway = a_world()
    for _ in range(5):
        task_id = world.create(max_auto_retries=0).task.id
        world.change(task_id, request=None)
        gateway.fail(task_id, "model_unavailable")
        world.call_back(task_id)

    assert shut(world) == {f"{MODEL}#shop"}
