"""One task, several attempts: the next one follows only where the one before cost nothing, under its own key and bytes."""

import json

import pytest

from darkroom.domain.attempts import Alternative, Begun
from darkroom.domain.callback_token import verify
from darkroom.domain.task import Phase, Task, TaskError
from darkroom.errors import OutcomeUnknown, StorageUnavailable, UpstreamRefused, UpstreamUnavailable
from darkroom.usecases.cancel_task import Cancel
from tests.support.gateway import SILENT, SYNCHRONOUS, Gateway
from tests.support.world import KEY, World

OTHER = Alternative(
    upstream="hiapi", model="banana", route="ext", wire_model="Nano-Banana-Pro", input={"prompt": "a red kite", "n": 1}
)
AWAY = Alternative(upstream="pixapi", model="gpt-image-2", route=None, wire_model="gpt-2", input={"prompt": "a red kite"})
BUSY = UpstreamUnavailable("too many", status=429, retry_after=500, about_the_request=True)
DOWN = UpstreamUnavailable("unavailable", status=503, about_the_request=True)
GONE = UpstreamRefused("down", reason="model_unavailable", retryable="later")


FOR_NOTHING = TaskError(code="generation_failed", message="time-out", charged="no")


def with_pixapi(world: World) -> Gateway:
    gateway = Gateway(name="pixapi", downloads=world.downloads, promises=SILENT, clock=world.clock)
    world.others["pixapi"] = gateway
    return gateway


def failed_for_nothing(world: World, *, heard: bool = True) -> Task:
    task = world.create().task
    world.gateway.fail(task.id, passing=True)
    if heard:
        assert world.call_back(task.id).outcome == "again"
    return world.task(task.id)


def bodies(world: World) -> list[dict[str, object]]:
    return [json.loads(body) for _, body in world.gateway.posts]


def test_a_failure_that_is_called_back_is_tried_again_by_a_worker_with_a_callback_of_its_own() -> None:
    world = World()
    task = failed_for_nothing(world)

    assert [(job.do, job.attempt) for job in world.queue.jobs] == [("submit", 2)]
    assert world.work_all()[0].outcome == "submitted"

    first, second = world.gateway.posts
    assert (first[0], second[0]) == (f"{task.id}:1", f"{task.id}:2")
    origin, _, token = bodies(world)[1]["callback"].rpartition("/")  # type: ignore[attr-defined]  # a URL
    assert origin == f"https://pics.test/v1/callbacks/hiapi/{task.id}"
    assert verify([KEY], token, upstream="hiapi", task_id=task.id, now=world.now, lives_s=86_400) == 2
    assert world.task(task.id).callback_expected


def test_the_picture_of_a_second_attempt_lies_under_its_own_number() -> None:
    world = World()
    task = failed_for_nothing(world)
    world.work_all()
    world.gateway.succeed(task.id)

    assert world.call_back(task.id).outcome == "stored"

    assert list(world.bucket.objects) == [f"images/shop/{task.id}/2/0"]
    assert world.task(task.id).images[0].attempt == 2


def test_a_failure_that_a_look_finds_is_tried_again() -> None:
    world = World()
    task = failed_for_nothing(world, heard=False)
    world.now += 61

    (look,) = world.tick().looks

    assert (look.outcome, look.again, look.missed_callback) == ("again", True, True)
    assert [(job.do, job.attempt) for job in world.queue.jobs] == [("submit", 2)]
    assert world.task(task.id).begun is Begun.AUTOMATIC_RETRY


def test_an_attempt_whose_message_was_lost_is_sent_all_the_same() -> None:
    def broken(name: str) -> None:
        if name == "queue.send":
            raise StorageUnavailable("queue")

    world = World()
    world.hook = broken
    task = failed_for_nothing(world)
    world.hook = lambda _: None

    world.live_on(180)

    assert len(world.gateway.posts) == 2
    assert world.task(task.id).phase is Phase.QUEUED


def test_every_repeat_of_a_later_attempt_sends_the_bytes_that_were_kept_first() -> None:
    world = World()
    task = failed_for_nothing(world)
    world.gateway.after_accepting = [OutcomeUnknown("reset")]
    world.work_all()
    world.rotate("another-stack-secret-of-some-length")

    world.live_on(120)

    assert world.task(task.id).phase is Phase.QUEUED
    assert world.gateway.posts[1] == world.gateway.posts[2]
    assert len(world.gateway.billed) == 2


def test_a_worker_that_died_after_freezing_has_frozen_for_the_next_one() -> None:
    world = World()
    task = failed_for_nothing(world)
    kept = world.tasks.keep_sent(task, b'{"callback": "the one that was kept"}', good_for_s=900)
    world.work_all()

    assert world.gateway.posts[1][1] == kept


def test_a_second_attempt_that_has_to_wait_is_sent_again_with_its_own_bytes() -> None:
    world = World()
    task = failed_for_nothing(world)
    world.gateway.before_accepting = [BUSY]
    world.work_all()
    waiting = world.task(task.id)

    world.live_on(700)

    assert (waiting.phase, waiting.attempt) == (Phase.WAITING, 2)
    assert world.gateway.posts[1] == world.gateway.posts[2]


@pytest.mark.parametrize(("refusal", "code"), [(DOWN, "upstream_unavailable"), (GONE, "model_unavailable")])
def test_a_refusal_before_any_work_moves_on_to_the_presets_next_model_at_once(refusal: UpstreamUnavailable, code: str) -> None:
    world = World()
    world.gateway.before_accepting = [refusal]

    created = world.create(alternatives=(OTHER,))
    worked = world.work_all()

    assert (created.again, created.task.phase, created.task.begun) == (True, Phase.ACCEPTED, Begun.FALLBACK)
    assert [one.outcome for one in worked] == ["submitted"]
    task = world.task(created.task.id)
    assert (task.phase, task.model, task.route, task.attempt) == (Phase.QUEUED, "banana", "ext", 2)
    assert [one.code for one in task.earlier] == [code]
    assert bodies(world)[1] | {"callback": ""} == {
        "model": "Nano-Banana-Pro",
        "route": "ext",
        "input": OTHER.input,
        "callback": "",
    }


def test_too_many_requests_are_about_the_account_so_its_next_model_waits_as_long_as_the_first_one_would() -> None:
    world = World()
    world.gateway.before_accepting = [BUSY]

    task = world.create(alternatives=(OTHER,)).task
    at_once = world.work_all()
    world.live_on(BUSY.retry_after or 0, step=499)

    assert [one.outcome for one in at_once] == ["waits"]
    assert (world.task(task.id).phase, world.task(task.id).model) == (Phase.QUEUED, "banana")
    assert [one.code for one in task.earlier] == ["upstream_rate_limited"]


def test_a_fallback_at_another_gateway_goes_there_and_expects_no_callback_that_it_never_makes() -> None:
    world = World()
    pixapi = with_pixapi(world)
    world.gateway.before_accepting = [GONE]

    task_id = world.create(alternatives=(AWAY,)).task.id
    world.work_all()

    task = world.task(task_id)
    assert (task.upstream, task.model, task.callback_expected) == ("pixapi", "gpt-image-2", False)
    assert [(key, json.loads(body)["callback"]) for key, body in pixapi.posts] == [(f"{task_id}:2", None)]
    assert world.gateway.billed == []


def test_models_are_tried_in_their_order_and_then_it_waits_for_the_last() -> None:
    world = World()
    pixapi = with_pixapi(world)
    world.gateway.before_accepting, pixapi.before_accepting = [DOWN, DOWN], [BUSY]

    task_id = world.create(alternatives=(OTHER, AWAY)).task.id
    outcomes = [(one.outcome, one.again) for _ in range(3) for one in world.work_all()]

    task = world.task(task_id)
    assert outcomes == [("submitted", True), ("submitted", False)]
    assert (task.phase, task.upstream, task.attempt) == (Phase.WAITING, "pixapi", 3)
    assert task.next_check_at is not None
    assert task.next_check_at >= world.now + 500


@pytest.mark.parametrize("error", [UpstreamUnavailable("no route to host"), UpstreamUnavailable("<html>", status=503)])
def test_what_tells_nothing_of_the_request_has_no_fallback_and_waits(error: UpstreamUnavailable) -> None:
    world = World()
    world.gateway.before_accepting = [error]

    task = world.create(alternatives=(OTHER,)).task

    assert (task.phase, task.attempt) == (Phase.WAITING, 1)


def test_a_task_that_waits_moves_on_once_the_gateway_has_spoken() -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("no route to host"), DOWN]
    task = world.create(alternatives=(OTHER,)).task
    assert (task.phase, task.begun) == (Phase.WAITING, Begun.FIRST)
    world.now += 61

    (look,) = world.tick().looks

    assert (look.outcome, look.again) == ("sent", True)
    assert [(job.do, job.attempt) for job in world.queue.jobs] == [("submit", 2)]


@pytest.mark.parametrize("reason", ["content_rejected", "generation_failed", "upstream_auth", "upstream_quota"])
def test_what_another_model_or_a_new_try_would_not_change_ends_the_task(reason: str) -> None:
    world = World()
    world.gateway.before_accepting = [UpstreamRefused("no", reason=reason)]

    task = world.create(alternatives=(OTHER,)).task

    assert (task.phase, task.attempt) == (Phase.FAILED, 1)
    assert world.queue.jobs == []


def test_a_model_that_is_down_and_has_no_alternative_is_tried_again_a_little_later() -> None:
    world = World()
    world.gateway.before_accepting = [GONE, GONE]

    task = world.create().task
    assert (task.phase, task.begun, world.queue.jobs) == (Phase.ACCEPTED, Begun.AUTOMATIC_RETRY, [])
    assert task.next_check_at == world.now + world.timing.first_check_s
    world.live_on(180)

    after = world.task(task.id)
    assert (after.phase, after.attempt) == (Phase.FAILED, 2)
    assert after.error is not None
    assert (after.error.code, after.error.charged) == ("model_unavailable", "no")


@pytest.mark.parametrize("refusal", [DOWN, GONE])
def test_where_an_earlier_post_may_have_arrived_nothing_is_sent_elsewhere(refusal: UpstreamUnavailable) -> None:
    world = World()
    world.gateway.after_accepting = [OutcomeUnknown("reset")]
    task_id = world.create(alternatives=(OTHER,)).task.id
    world.gateway.before_accepting = [refusal]

    world.live_on(120)

    assert {key for key, _ in world.gateway.posts} == {f"{task_id}:1"}


def test_a_refusal_says_nothing_of_the_repeat_that_a_look_has_sent_meanwhile() -> None:
    world = World()
    world.gateway.before_accepting = [DOWN]

    def looked_at(name: str) -> None:
        if name == "upstream.submit:done":
            (task,) = world.tasks.tasks.values()
            world.hook = lambda _: None
            world.tasks.move(task, task.looked(world.now, next_check_at=world.now + 60, crowded=False))

    world.hook = looked_at

    assert world.create(alternatives=(OTHER,)).task.phase is Phase.UNKNOWN


def test_an_answer_that_comes_after_the_attempt_is_over_is_not_taken_for_the_next_ones() -> None:
    world = World()

    def fails_at_once(generation) -> None:  # type: ignore[no-untyped-def]  # Generation
        world.gateway.while_accepting = None
        world.gateway.fail(generation, passing=True)
        world.call_back(generation.task_id)
        # The next attempt is on its way already, in the very phase in which an answer would be adopted.
        world.work_all()
        world.change(generation.task_id, phase=Phase.SUBMITTING, upstream_task_id=None, submitted_at=None)

    world.gateway.while_accepting = fails_at_once

    task = world.create().task

    assert (task.attempt, task.upstream_task_id) == (2, None)


def test_an_answer_that_is_a_failure_and_cost_nothing_is_tried_again() -> None:
    world = World(promises=SYNCHRONOUS)
    task_id = world.create().task.id
    world.gateway.generate = lambda generation: world.gateway.fail(generation, passing=True) and None

    (worked,) = world.work_all()
    world.gateway.generate = None
    world.work_all()

    assert (worked.outcome, worked.again) == ("submitted", True)
    assert [key for key, _ in world.gateway.posts] == [f"{task_id}:1", f"{task_id}:2"]
    assert world.task(task_id).phase is Phase.SUCCEEDED


def test_between_two_attempts_a_task_can_be_canceled_for_nothing() -> None:
    world = World()
    task = failed_for_nothing(world)

    outcome, canceled = world.cancel(task.id)
    world.work_all()

    assert (outcome, canceled.phase, len(world.gateway.posts)) == (Cancel.CANCELED, Phase.CANCELED, 1)
    assert canceled.error is not None
    assert canceled.error.charged == "no"


def test_a_message_of_an_attempt_that_is_over_sends_nothing() -> None:
    world = World(promises=SILENT)
    world.create()
    (job,) = world.queue.jobs
    world.work_all()
    task_id = job.task_id
    world.tasks.move(world.task(task_id), world.task(task_id).again(world.now, FOR_NOTHING))

    assert world.work(job).outcome == "nothing_to_do"
    assert len(world.gateway.posts) == 1
