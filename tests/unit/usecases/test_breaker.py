"""An upstream that is in trouble is left alone: tasks wait instead of failing, one at a time tries, and nothing is paid twice."""

import pytest

from darkroom.domain.admission import Limits
from darkroom.domain.attempts import Alternative
from darkroom.domain.breaker import ACCOUNT, Shut, Trouble
from darkroom.domain.task import Phase
from darkroom.errors import NotAsked, OutcomeUnknown, StorageUnavailable, UpstreamError, UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Job
from darkroom.usecases.breaker import Memory, Turned
from darkroom.usecases.shut_off import open_again
from tests.support.world import World

MODEL = "hiapi/gpt-image-2/text-to-image"
ALL = Limits(account="hiapi", in_flight=20, per_minute=600)
DOWN = UpstreamUnavailable("down", status=503)
NO_KEY = UpstreamRefused("who are you?", reason="upstream_auth", status=401)


def listening(world: World) -> list[Turned]:
    heard: list[Turned] = []
    world.admission.memory.tell = heard.append
    return heard


def fail(world: World, error: UpstreamError, times: int = 5) -> list[str]:
    """So many tasks of two owners meet the error, each after the account's moment of patience."""
    ids = []
    for number in range(times):
        world.gateway.before_accepting = [error]
        ids.append(world.create(prompt=f"kite {number}", owner=("shop", "press")[number % 2]).task.id)
        world.now += 5.1
    world.gateway.before_accepting = []
    return ids


def shut(world: World) -> dict[str, Shut]:
    account = world.accounts.accounts.get("hiapi")
    return dict(account.shut) if account else {}


def shut_model(world: World) -> str:
    """Shut the model; the id of a task that waits for it."""
    fail(world, OutcomeUnknown("lost"))
    return world.create().task.id


# -- a model -------------------------------------------------------------------------------------------


def test_a_gateway_that_was_not_asked_has_not_failed() -> None:
    world = World(limits=ALL)

    fail(world, NotAsked("nothing was sent: the secret could not be read"), times=9)

    assert shut(world) == {}


def test_five_failures_shut_a_model_one_probe_goes_and_on_its_success_all_are_served() -> None:
    world = World(limits=ALL)
    heard = listening(world)
    failed = fail(world, DOWN)
    posts = len(world.gateway.posts)

    sixth = world.create().task
    seventh = world.create().task
    world.work_all()

    assert (sixth.phase, len(world.gateway.posts)) == (Phase.WAITING, posts)
    assert world.accounts.held() == {}
    probe_at = shut(world)[MODEL].probe_at
    assert probe_at < (sixth.next_check_at or 0) < probe_at + 5

    world.gateway.before_accepting = [DOWN] * 9
    world.now = probe_at + 6
    world.tick()
    world.work_all()
    probed = len(world.gateway.posts)
    world.gateway.before_accepting = []
    world.live_on(120)

    assert probed == posts + 1
    assert [world.task(one).phase for one in (*failed, sixth.id, seventh.id)] == [Phase.QUEUED] * 7
    assert len(world.gateway.billed) == 7
    assert [(one.name, one.shut, one.is_pause) for one in heard] == [(MODEL, True, False), (MODEL, False, False)]
    assert shut(world) == {}


@pytest.mark.parametrize(
    "error", [DOWN, OutcomeUnknown("lost"), UpstreamRefused("gone", reason="model_unavailable", status=503)], ids=repr
)
def test_what_says_that_a_model_is_in_trouble_shuts_it(error: UpstreamError) -> None:
    world = World(limits=ALL)

    fail(world, error)

    assert set(shut(world)) == {MODEL}


@pytest.mark.parametrize(
    "error",
    [UpstreamUnavailable("slow down", status=429, retry_after=1), UpstreamRefused("no", reason="content_rejected")],
    ids=repr,
)
def test_what_says_that_a_model_is_there_does_not_shut_it(error: UpstreamError) -> None:
    world = World(limits=ALL)

    fail(world, error)

    assert shut(world) == {}


def test_a_failed_probe_keeps_the_model_shut_and_the_task_waiting() -> None:
    world = World(limits=ALL)
    waiting = shut_model(world)
    world.gateway.before_accepting = [DOWN]
    world.now = (world.task(waiting).next_check_at or 0) + 1

    world.look(waiting)

    task, (one,) = world.task(waiting), shut(world).values()
    assert (task.phase, one.probes) == (Phase.WAITING, 1)
    assert one.probe_at == world.now + 30
    assert (task.next_check_at or 0) > one.probe_at
    assert f"{waiting}:1" not in world.accounts.held()
    assert world.accounts.waiting() == []


def test_a_probe_that_died_before_its_request_left_costs_nobody_more_than_its_turn() -> None:
    world = World(limits=ALL)
    first = shut_model(world)
    second = world.create().task.id
    world.now = (world.task(second).next_check_at or 0) + 1

    def die(name: str) -> None:
        if name == "upstream.submit":
            raise KeyboardInterrupt

    world.hook = die
    with pytest.raises(KeyboardInterrupt):
        world.look(first)
    world.hook = lambda _name: None
    still_shut = world.look(second).outcome
    world.live_on(240)

    assert still_shut == "waiting"
    assert {world.task(one).phase for one in (first, second)} == {Phase.QUEUED}
    assert shut(world) == {}


def test_other_models_go_on_while_one_is_shut() -> None:
    world = World(limits=ALL)
    shut_model(world)
    waiting = world.create().task
    world.change(waiting.id, model="another/model")

    world.now += 1
    world.change(waiting.id, next_check_at=world.now)
    world.look(waiting.id)

    assert world.task(waiting.id).phase is Phase.QUEUED
    assert set(shut(world)) == {MODEL}


def test_a_task_that_was_in_the_queue_when_its_model_was_shut_gives_its_slot_back() -> None:
    world = World(limits=Limits(account="hiapi", in_flight=5, per_minute=600))
    running = [world.create().task.id for _ in range(5)]
    queued = world.create().task
    world.admission.memory.failed(MODEL, "shop", "a kite", world.now)
    account = world.accounts.accounts["hiapi"]
    world.accounts.accounts["hiapi"] = account.shut_off(MODEL, "upstream_unavailable", now=world.now)
    world.gateway.fail(running[0])
    world.call_back(running[0])

    (worked,) = world.work_all()

    after = world.task(queued.id)
    assert (worked.outcome, after.phase) == ("waits", Phase.WAITING)
    assert (after.next_check_at or 0) < world.now + 40
    assert f"{queued.id}:1" not in world.accounts.held()
    assert len(world.gateway.posts) == 5


def test_a_task_that_moved_while_it_was_parked_stays_as_it_is() -> None:
    world = World(limits=ALL)
    waiting = shut_model(world)

    def cancel_first(name: str) -> None:
        if name == "accounts.leave":
            world.hook = lambda _name: None
            world.cancel(waiting)

    world.hook = cancel_first
    worked = world.work(Job(do="submit", task_id=waiting, attempt=1))

    assert worked.outcome == "waits"
    assert world.task(waiting).phase is Phase.CANCELED


def test_a_task_whose_model_stays_shut_for_a_day_expires_and_costs_nothing() -> None:
    world = World(limits=ALL)
    waiting = shut_model(world)
    world.now += world.timing.max_wait_s

    world.look(waiting)

    task = world.task(waiting)
    assert task.error is not None
    assert (task.phase, task.error.charged) == (Phase.EXPIRED, "no")


def test_nothing_is_shut_where_the_row_cannot_be_written_and_no_create_fails() -> None:
    world = World(limits=ALL)

    def away(name: str) -> None:
        if name == "accounts.save" and len(world.gateway.posts) == 5:
            raise StorageUnavailable(name)

    world.hook = away
    fail(world, OutcomeUnknown("lost"))
    world.hook = lambda _name: None

    assert shut(world) == {}
    assert world.create().task.phase is Phase.QUEUED


def test_an_opening_that_cannot_be_written_is_left_to_the_next_success() -> None:
    world = World(limits=ALL)
    waiting = shut_model(world)
    world.now = (world.task(waiting).next_check_at or 0) + 1

    def away(name: str) -> None:
        if name == "accounts.save" and len(world.gateway.posts) == 6:
            raise StorageUnavailable(name)

    world.hook = away
    world.look(waiting)
    world.hook = lambda _name: None

    assert world.task(waiting).phase is Phase.QUEUED
    assert set(shut(world)) == {MODEL}
    world.now += 31
    world.create()
    assert shut(world) == {}


# -- another model -------------------------------------------------------------------------------------

OTHER = Alternative(upstream="hiapi", model="banana", route=None, wire_model="Nano-Banana-Pro", input={"prompt": "a red kite"})
THIRD = Alternative(upstream="hiapi", model="apple", route=None, wire_model="Apple", input={"prompt": "a red kite"})


def test_a_presets_next_model_serves_at_once_while_the_first_is_shut() -> None:
    world = World(limits=ALL)
    shut_model(world)

    created = world.create(alternatives=(OTHER,))
    world.work_all()

    task = world.task(created.task.id)
    assert (created.again, task.model, task.attempt, task.phase) == (True, "banana", 2, Phase.QUEUED)
    assert [one.sent_at for one in task.earlier] == [None]
    assert set(shut(world)) == {MODEL}


@pytest.mark.parametrize("by_look", [True, False])
def test_where_the_next_model_is_shut_too_the_one_behind_it_serves(by_look: bool) -> None:
    world = World(limits=ALL)
    shut_model(world)
    account = world.accounts.accounts["hiapi"]
    world.accounts.accounts["hiapi"] = account.shut_off("hiapi/banana", "model_unavailable", now=world.now)

    task_id = world.create(alternatives=(OTHER, THIRD)).task.id
    if by_look:
        world.now = world.task(task_id).next_check_at or 0
        world.accounts.accounts["hiapi"] = account.shut_off("hiapi/banana", "model_unavailable", now=world.now)
        world.look(task_id)
    world.work_all()
    world.work_all()

    task = world.task(task_id)
    assert (task.model, task.attempt, task.phase) == ("apple", 3, Phase.QUEUED)


def test_a_task_that_was_sent_once_is_not_sent_elsewhere_when_its_model_is_shut() -> None:
    world = World(limits=ALL)
    fail(world, DOWN, times=4)
    world.gateway.before_accepting = [DOWN]
    task_id = world.create(alternatives=(OTHER,)).task.id
    world.now += 6

    world.work(Job(do="submit", task_id=task_id, attempt=1))

    task = world.task(task_id)
    assert (task.attempt, task.phase) == (1, Phase.WAITING)


def test_a_create_goes_on_waiting_where_its_next_attempt_cannot_be_written() -> None:
    world = World(limits=ALL)
    shut_model(world)

    def away(name: str) -> None:
        if name == "tasks.move":
            raise StorageUnavailable(name)

    world.hook = away
    created = world.create(alternatives=(OTHER,))

    assert (created.again, created.task.phase) == (False, Phase.WAITING)


def test_a_model_that_accepts_and_then_fails_for_want_of_it_is_shut_too() -> None:
    world = World(limits=ALL)
    for number in range(5):
        owner = ("shop", "press")[number % 2]
        task_id = world.create(prompt=f"kite {number}", owner=owner, max_auto_retries=0).task.id
        world.gateway.fail(task_id, "model_unavailable")
        world.call_back(task_id)

    assert list(shut(world)) == [MODEL]


def test_five_such_ends_among_many_good_ones_shut_nothing() -> None:
    world = World(limits=ALL)
    for number in range(12):
        task_id = world.create(prompt=f"kite {number}", max_auto_retries=0).task.id
        if number % 2:
            world.gateway.succeed(task_id)
        else:
            world.gateway.fail(task_id, "model_unavailable")
        world.call_back(task_id)

    assert shut(world) == {}


# -- an account ----------------------------------------------------------------------------------------


def test_a_refused_account_is_paused_the_rest_waits_and_a_probe_ends_the_pause() -> None:
    world = World(limits=ALL)
    heard = listening(world)
    world.gateway.before_accepting = [NO_KEY]

    first, others = world.create().task, [world.create().task for _ in range(3)]
    world.now += 30
    world.tick()
    world.work_all()

    assert (first.phase, first.error.code if first.error else None) == (Phase.FAILED, "upstream_auth")
    assert [one.phase for one in others] == [Phase.WAITING] * 3
    assert len(world.gateway.posts) == 1

    world.now += 31
    world.gateway.before_accepting = [NO_KEY]
    world.tick()
    world.work_all()
    refused = (len(world.gateway.posts), [world.task(one.id).phase for one in others], shut(world)[ACCOUNT].probe_at - world.now)
    world.now += 121
    world.tick()
    world.work_all()
    world.work_all()

    assert refused == (2, [Phase.WAITING] * 3, 120)
    assert [world.task(one.id).phase for one in others] == [Phase.QUEUED] * 3
    assert len(world.gateway.billed) == 3
    assert [(one.is_pause, one.shut) for one in heard] == [(True, True), (True, False)]
    assert (heard[0].account, heard[0].why) == ("hiapi", "upstream_auth")


@pytest.mark.parametrize(("status", "pauses"), [(401, True), (402, True), (403, False)])
def test_a_look_that_is_refused_for_the_account_pauses_it(status: int, pauses: bool) -> None:
    world = World(limits=ALL)
    world.create(callbacks=False)
    world.gateway.looking = [UpstreamRefused("no", reason="upstream_auth", status=status)]

    world.now += 120
    world.tick()

    assert (ACCOUNT in shut(world)) is pauses


def test_pauses_between_probes_double_up_to_a_quarter_of_an_hour() -> None:
    one, pauses = Shut(since=0.0, probe_at=60.0, why="upstream_quota"), []
    for _ in range(6):
        now = one.probe_at
        one = one.probed("task:1", now=now, at=now)
        pauses.append(one.probe_at - now)

    assert pauses == [120, 240, 480, 900, 900, 900]


def test_a_task_that_held_a_slot_when_its_account_was_paused_waits_too() -> None:
    world = World(limits=Limits(account="hiapi", in_flight=1, per_minute=600))
    running, queued = world.create().task, world.create().task
    world.gateway.fail(running.id)
    world.call_back(running.id)
    account = world.accounts.accounts["hiapi"]
    world.accounts.accounts["hiapi"] = account.shut_off(ACCOUNT, "upstream_auth", now=world.now)

    (worked,) = world.work_all()

    assert worked.outcome == "waits"
    assert world.accounts.held() == {}
    assert [one.task_id for one in world.accounts.waiting()] == [queued.id]


def test_a_canceled_probe_ends_as_canceled() -> None:
    world = World(limits=ALL)
    world.gateway.before_accepting = [NO_KEY]
    world.create()
    waiting = world.create().task.id
    world.now += 61
    world.gateway.before_accepting = [NO_KEY]

    def cancel_first(name: str) -> None:
        if name == "upstream.submit":
            world.hook = lambda _name: None
            world.cancel(waiting)

    world.hook = cancel_first
    world.tick()
    world.work_all()

    assert world.task(waiting).phase is Phase.CANCELED
    assert world.accounts.held() == {}


def test_an_operator_ends_a_pause_at_once() -> None:
    world = World(limits=ALL)
    world.gateway.before_accepting = [NO_KEY]
    world.create()
    waiting = world.create().task.id

    opened = open_again(world.limits, admission=world.admission)
    nothing_left = open_again(world.limits, admission=world.admission)
    world.work_all()

    assert (opened, nothing_left) == ((ACCOUNT,), ())
    assert world.task(waiting).phase is Phase.QUEUED


def test_an_account_that_cannot_be_written_is_not_paused() -> None:
    world = World(limits=ALL)
    world.gateway.before_accepting = [NO_KEY]

    def away(name: str) -> None:
        if name == "accounts.save" and world.gateway.posts:
            raise StorageUnavailable(name)

    world.hook = away
    first = world.create().task

    assert first.phase is Phase.FAILED
    assert shut(world) == {}


def test_the_row_keeps_few_that_are_shut_and_forgets_the_oldest() -> None:
    world = World()
    account = world.accounts.get("hiapi")
    for number in range(9):
        account = account.shut_off(f"model-{number}", "upstream_unavailable", now=world.now + number)

    assert list(account.shut) == [f"model-{number}" for number in range(3, 9)]
    assert account.shut_off("model-8", "again", now=world.now + 99) is account


# -- memory --------------------------------------------------------------------------------------------


def test_half_of_the_last_minute_must_have_failed() -> None:
    memory = Memory()
    for _ in range(6):
        memory.answered("m", "shop", 0.0)

    seen = [memory.failed("m", "shop", str(number), 1.0) for number in range(6)]

    assert seen == [None] * 5 + [Trouble.OWNER]


def test_what_lies_more_than_a_minute_back_does_not_count() -> None:
    memory = Memory()
    for number in range(4):
        memory.failed("m", "shop", str(number), 0.0)

    assert not memory.failed("m", "shop", "5", 60.0)


def test_the_memory_is_bounded() -> None:
    memory = Memory()
    for number in range(4):
        memory.failed("first", "shop", str(number), 0.0)
    for number in range(200):
        memory.failed(f"m{number}", "shop", "a kite", 0.0)

    assert not memory.failed("first", "shop", "5", 1.0)
