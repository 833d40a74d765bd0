"""A synchronous upstream: one POST that takes minutes, whose answer is the end and is never to be had again."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from darkroom.domain.news import Says
from darkroom.domain.task import Output, Phase, TaskError
from darkroom.errors import (
    DownloadInterrupted,
    OutcomeUnknown,
    OutputGone,
    StorageUnavailable,
    UpstreamRefused,
    UpstreamUnavailable,
)
from darkroom.ports import Job, Promises
from tests.support.boundaries import Killed, nothing_happens
from tests.support.gateway import Generation
from tests.support.world import COLLAPSING, PNG, SYNCHRONOUS, T0, World

LOST = OutcomeUnknown("no answer: ReadTimeout")


def asked(world: World, **wish: object) -> Job:
    """The job of a new task."""
    world.create(**wish)  # type: ignore[arg-type]  # create's own keywords
    return world.queue.jobs.pop()


def inside(world: World, *, pictures: int = 1) -> None:
    """From now on the gateway's answers hold their pictures themselves."""

    def generate(generation: Generation) -> None:
        generation.inside = True
        world.gateway.succeed(generation.task_id, pictures=pictures)

    world.gateway.generate = generate


def failing(boundary: str, *, times: int) -> Callable[[str], None]:
    faults = [StorageUnavailable(boundary)] * times

    def on_call(name: str) -> None:
        if name == boundary and faults:
            raise faults.pop()

    return on_call


def dying(boundary: str) -> Callable[[str], None]:
    def on_call(name: str) -> None:
        if name == boundary:
            raise Killed(name)

    return on_call


def test_a_create_never_waits_for_a_synchronous_upstream_even_if_it_collapses_repeats() -> None:
    world = World(promises=Promises(synchronous=True, collapses_repeats_for_s=3600))

    task = world.create().task

    assert (task.phase, world.gateway.posts) == (Phase.ACCEPTED, [])


def test_the_answer_is_settled_and_its_pictures_stored_in_the_same_run() -> None:
    world = World(promises=SYNCHRONOUS)
    inside(world, pictures=3)
    job = asked(world)
    world.now += 5

    worked = world.work(job)

    task = world.task(job.task_id)
    assert (worked.outcome, worked.downloads, task.phase) == ("stored", 3, Phase.SUCCEEDED)
    assert (len(task.images), task.news_by, task.submitted_at) == (3, "create", T0 + 5)
    assert world.gateway.looks == []


def test_the_row_keeps_no_megabyte_of_an_answer() -> None:
    world = World(promises=SYNCHRONOUS)
    inside(world, pictures=2)
    job = asked(world)
    world.hook = dying("bucket.put")

    with pytest.raises(Killed):
        world.work(job)

    assert world.task(job.task_id).phase is Phase.STORING
    assert world.task(job.task_id).outputs == (Output(url=""), Output(url=""))


@pytest.mark.parametrize("phase", [Phase.SUBMITTING, Phase.STORING])
def test_a_redelivered_message_generates_nothing(phase: Phase) -> None:
    world = World(promises=SYNCHRONOUS)
    job = asked(world)
    world.hook = dying("upstream.submit:done" if phase is Phase.SUBMITTING else "bucket.put")
    with pytest.raises(Killed):
        world.work(job)
    world.hook = nothing_happens

    again = world.work(job)

    assert world.task(job.task_id).phase is phase
    assert (again.outcome, len(world.gateway.posts)) == ("nothing_to_do", 1)


def test_an_answer_that_dies_with_its_worker_ends_paid_and_is_not_generated_again() -> None:
    world = World(promises=SYNCHRONOUS)
    inside(world)
    job = asked(world)
    world.hook = dying("bucket.put")
    with pytest.raises(Killed):
        world.work(job)
    world.hook = nothing_happens

    world.live_on(600)

    error = world.task(job.task_id).error
    assert error is not None
    assert (error.code, error.charged, len(world.gateway.billed)) == ("output_expired", "yes", 1)


def test_pictures_that_were_stored_before_the_worker_died_are_found_again() -> None:
    world = World(promises=SYNCHRONOUS)
    inside(world, pictures=2)
    job = asked(world)
    puts: list[str] = []
    world.hook = lambda name: puts.append(name) if name == "bucket.put:done" else _die_after(puts, name)
    with pytest.raises(Killed):
        world.work(job)
    world.hook = nothing_happens

    world.live_on(600)

    assert world.task(job.task_id).phase is Phase.SUCCEEDED
    assert len(world.task(job.task_id).images) == 2


def _die_after(puts: list[str], name: str) -> None:
    if len(puts) == 2 and name == "tasks.move":
        raise Killed(name)


@pytest.mark.parametrize("boundary", ["tasks.move:done", "bucket.put", "bucket.put:done"])
def test_our_own_services_get_another_chance_while_the_answer_is_in_memory(boundary: str) -> None:
    world = World(promises=SYNCHRONOUS)
    inside(world)
    job = asked(world)
    faults = failing(boundary, times=2)
    world.hook = lambda name: faults(name) if world.gateway.billed else None

    worked = world.work(job)

    assert (worked.outcome, world.task(job.task_id).phase) == ("stored", Phase.SUCCEEDED)
    assert len(world.gateway.billed) == 1


def test_a_bucket_that_stays_away_loses_the_picture_honestly() -> None:
    world = World(promises=SYNCHRONOUS)
    inside(world)
    job = asked(world)
    world.hook = failing("bucket.put", times=99)

    with pytest.raises(StorageUnavailable):
        world.work(job)
    world.hook = nothing_happens
    world.live_on(600)

    error = world.task(job.task_id).error
    assert error is not None
    assert (error.code, error.charged, len(world.gateway.billed)) == ("output_expired", "yes", 1)


def test_a_table_that_stays_away_leaves_a_doubt_that_is_told() -> None:
    world = World(promises=SYNCHRONOUS)
    job = asked(world)
    faults = failing("tasks.move", times=99)
    world.hook = lambda name: faults(name) if world.gateway.billed else None

    with pytest.raises(StorageUnavailable):
        world.work(job)
    world.hook = nothing_happens
    world.live_on(900)

    error = world.task(job.task_id).error
    assert error is not None
    assert (error.code, error.charged) == ("submission_outcome_unknown", "unknown")


def test_an_output_with_an_address_that_cannot_be_had_now_is_fetched_later() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.generate = lambda one: (
        world.gateway.succeed(one.task_id) and world.downloads.serve(one.outputs[0].url, *[DownloadInterrupted("reset")] * 4, PNG)
    )
    job = asked(world)

    worked = world.work(job)
    world.live_on(900)

    assert worked.outcome == "later"
    assert world.task(job.task_id).phase is Phase.SUCCEEDED
    assert (len(world.gateway.billed), world.gateway.looks) == (1, [])


def test_an_output_that_is_gone_fails_the_task_and_nobody_is_asked_for_another_address() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.generate = lambda one: (
        world.gateway.succeed(one.task_id)
        and world.downloads.serve(one.outputs[0].url, *[DownloadInterrupted("reset")] * 4, OutputGone("410"))
    )
    job = asked(world)

    world.work(job)
    world.live_on(900)

    error = world.task(job.task_id).error
    assert error is not None
    assert (error.code, error.charged, world.gateway.looks) == ("output_expired", "yes", [])


def test_a_failure_in_the_answer_ends_the_task() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.generate = lambda one: world.gateway.fail(one.task_id, code="content_rejected")
    job = asked(world)

    worked = world.work(job)

    error = world.task(job.task_id).error
    assert error is not None
    assert (worked.outcome, error.code) == ("failed", "content_rejected")


def test_a_refusal_ends_the_task_and_is_told_as_one() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.before_accepting = [UpstreamRefused("no credit", reason="upstream_quota")]
    job = asked(world)

    worked = world.work(job)

    assert (worked.outcome, worked.refused, world.task(job.task_id).phase) == ("failed", "upstream_quota", Phase.FAILED)


def test_a_wish_to_cancel_that_comes_while_it_generates_drops_the_picture_and_says_that_it_was_paid() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.while_accepting = lambda one: world.cancel(one.task_id)
    job = asked(world)

    world.work(job)

    task = world.task(job.task_id)
    assert (task.phase, task.error and task.error.charged, world.downloads.opened) == (Phase.CANCELED, "yes", [])


def test_a_lost_answer_is_told_at_the_next_sweep_and_never_sent_again() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.after_accepting = [LOST]
    job = asked(world)
    world.work(job)

    world.tick()

    task = world.task(job.task_id)
    assert (task.phase, task.error and task.error.code) == (Phase.EXPIRED, "submission_outcome_unknown")
    assert (task.error and task.error.charged, len(world.gateway.posts), world.gateway.looks) == ("unknown", 1, [])


def test_an_answer_that_says_nothing_clear_is_kept_for_whoever_has_to_judge() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.after_accepting = [
        OutcomeUnknown("HTTP 500", status=500, request_id="req-5", raw=b'{"error":"the canvas burnt"}')
    ]
    job = asked(world)

    world.work(job)

    evidence = world.tasks.evidence(job.task_id)
    assert evidence is not None
    assert (evidence.body, evidence.status, evidence.source) == ('{"error":"the canvas burnt"}', 500, "create")


def test_a_refusal_before_any_work_waits_and_is_sent_once_more_by_the_worker() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.before_accepting = [UpstreamUnavailable("429", status=429, retry_after=90)]
    job = asked(world)
    world.work(job)

    waiting = world.task(job.task_id).phase
    world.live_on(400)

    assert (waiting, world.task(job.task_id).phase) == (Phase.WAITING, Phase.SUCCEEDED)
    assert len(world.gateway.posts) == 2


def at_work(world: World, then: Callable[[], object]) -> Job:
    """A job whose worker hears nothing until `then` has happened."""
    world.gateway.while_accepting = lambda _: then()
    return asked(world)


def test_a_worker_that_may_still_be_waiting_is_waited_for() -> None:
    world = World(promises=SYNCHRONOUS)
    looks: list[str] = []

    def minutes_pass() -> None:
        for _ in range(4):
            world.now += 150
            looks.extend(look.outcome for look in world.tick().looks)

    job = at_work(world, minutes_pass)

    worked = world.work(job)

    assert set(looks) - {"not_due"} == {"waiting"}
    assert (worked.outcome, world.task(job.task_id).phase) == ("stored", Phase.SUCCEEDED)


def test_what_is_in_flight_where_nobody_can_be_asked_ends_at_its_deadline() -> None:
    world = World(promises=SYNCHRONOUS)
    task = world.task(asked(world).task_id)
    sending = task.submitting(world.now)
    world.tasks.move(task, sending)
    world.tasks.move(sending, sending.submitted(world.now, upstream_task_id="tk-1"))

    outcomes = []
    while not world.task(task.id).is_terminal and len(outcomes) < 100:
        world.now += 60
        outcomes += [look.outcome for look in world.tick().looks]

    ended = world.task(task.id)
    assert set(outcomes[:-1]) == {"waiting", "not_due"}
    assert (ended.phase, ended.error and ended.error.code) == (Phase.EXPIRED, "deadline_exceeded")
    assert ended.terminal_at is not None
    assert 0 <= ended.terminal_at - (world.now - 60) <= 60
    assert world.gateway.looks == []


def test_a_worker_that_cannot_be_alive_any_more_leaves_an_unknown_outcome() -> None:
    world = World(promises=SYNCHRONOUS)
    job = asked(world, timeout_s=86_400)
    world.hook = dying("upstream.submit:done")
    with pytest.raises(Killed):
        world.work(job)
    world.hook = nothing_happens

    world.live_on(600)
    still = world.task(job.task_id).phase
    world.live_on(400)

    task = world.task(job.task_id)
    assert (still, task.phase) == (Phase.SUBMITTING, Phase.EXPIRED)
    assert task.error is not None
    assert (task.error.code, task.next_check_at) == ("submission_outcome_unknown", None)


def test_an_answer_after_the_deadline_still_brings_its_picture() -> None:
    world = World(promises=SYNCHRONOUS)

    def too_long() -> None:
        world.now += 300
        world.tick()

    job = at_work(world, too_long)
    world.change(job.task_id, timeout_s=60)

    worked = world.work(job)

    task = world.task(job.task_id)
    assert (worked.outcome, task.phase) == ("stored", Phase.EXPIRED)
    assert [image.late for image in task.images] == [True]


def test_an_end_that_was_written_without_our_hearing_of_it_stays_as_it_is() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.generate = lambda one: world.gateway.fail(one.task_id)
    job = asked(world)
    faults = failing("tasks.move:done", times=1)
    world.hook = lambda name: faults(name) if world.gateway.billed else None

    worked = world.work(job)

    assert (worked.outcome, world.task(job.task_id).phase) == ("nothing_to_do", Phase.FAILED)


def test_an_upstream_that_keeps_no_tasks_is_not_asked_about_one_that_names_itself() -> None:
    world = World(promises=COLLAPSING)
    task_id = world.create().task.id
    world.gateway.promises = SYNCHRONOUS
    world.now = world.task(task_id).next_check_at or 0

    look = world.look(task_id)

    assert (look.outcome, world.gateway.looks) == ("waiting", [])


def test_a_generation_that_never_ends_is_an_unknown_outcome() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.generate = lambda one: setattr(one, "says", Says.GENERATING)
    job = asked(world)

    worked = world.work(job)

    assert (worked.outcome, world.task(job.task_id).phase) == ("submitted", Phase.UNKNOWN)


# -- what could not be read ------------------------------------------------------------------------------


def unreadable(body: bytes = b"[odd]") -> OutcomeUnknown:
    error = OutcomeUnknown("the answer names no image and no error", status=200, raw=body[:4096])
    error.unread = body
    return error


def test_an_answer_that_nobody_can_read_is_kept_and_named_in_the_error() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.after_accepting = [unreadable()]
    job = asked(world)

    world.work(job)
    world.live_on(600)

    task, key = world.task(job.task_id), f"unreadable/{job.task_id}/1"
    assert world.bucket.objects[key].content == b"[odd]"
    assert task.error is not None
    assert (task.error.code, task.error.charged) == ("submission_outcome_unknown", "unknown")
    assert task.error.message.endswith(f"; its answer is kept in the bucket as {key}")


def test_a_task_ends_also_where_its_answer_could_not_be_kept() -> None:
    world = World(promises=SYNCHRONOUS)
    world.gateway.after_accepting = [unreadable()]
    job = asked(world)
    world.hook = failing("bucket.replace", times=1)

    world.work(job)
    world.live_on(600)

    error = world.task(job.task_id).error
    assert error is not None
    assert (error.code, "kept" in error.message) == ("submission_outcome_unknown", False)


def test_an_answer_of_which_a_part_could_be_read_is_kept_beside_its_pictures() -> None:
    world = World(promises=SYNCHRONOUS)
    inside(world)
    world.gateway.answers = lambda news: replace(news, missing=("output 2: its base64 is broken",), unread=b"[all]")
    job = asked(world)

    world.work(job)

    task, key = world.task(job.task_id), f"unreadable/{job.task_id}/1"
    assert (task.phase, len(task.images)) == (Phase.SUCCEEDED, 1)
    assert task.missing == (f"the answer is kept in the bucket as {key}", "output 2: its base64 is broken")
    assert world.bucket.objects[key].content == b"[all]"


@pytest.mark.parametrize("fault", [None, TaskError(code="no_output", message="the upstream answered in words", charged="yes")])
def test_a_success_without_a_picture_names_where_its_answer_lies(fault: TaskError | None) -> None:
    world = World(promises=SYNCHRONOUS)
    inside(world)
    says = Says.FAILED if fault else Says.SUCCEEDED
    world.gateway.answers = lambda news: replace(news, says=says, outputs=(), error=fault, unread=b"[all]")
    job = asked(world)

    world.work(job)

    error = world.task(job.task_id).error
    assert error is not None
    assert (error.code, error.charged) == ("no_output", "yes")
    assert error.message.endswith(f"; the answer is kept in the bucket as unreadable/{job.task_id}/1")
