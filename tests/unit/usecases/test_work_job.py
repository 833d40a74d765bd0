"""The worker: patient with pictures, careful with who holds the lease, and never a second generation."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from darkroom.domain.news import Says
from darkroom.domain.task import Output, Phase, Request, Task
from darkroom.errors import (
    DarkroomError,
    DownloadInterrupted,
    OutcomeUnknown,
    OutputGone,
    OutputRefused,
    StorageUnavailable,
    TaskChanged,
    UpstreamUnavailable,
)
from darkroom.ports import Job
from tests.support.memory import MemoryTasks
from tests.support.world import PNG, SILENT, World

URL = "https://cdn.test/tk-1/0.png"
FRESH = "https://cdn.test/tk-1/fresh.png"
LONG = " ".join(f"{number * 7919 % 65_521:x}" for number in range(600))
"""A prompt that does not fit the state row."""


def failing_once(boundary: str) -> Callable[[str], None]:
    faults = [StorageUnavailable(boundary)]

    def on_call(name: str) -> None:
        if name == boundary and faults:
            raise faults.pop()

    return on_call


def handed_over(world: World) -> Job:
    """The job that a callback without time for the bytes left behind."""
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    delays, world.delays = world.delays, ()
    world.call_back(task_id)
    world.delays = delays
    return world.queue.jobs.pop()


def test_a_handed_over_lease_lets_the_worker_store_at_once() -> None:
    world = World()
    job = handed_over(world)

    worked = world.work(job)

    assert (worked.outcome, worked.downloads) == ("stored", 1)
    assert world.task(job.task_id).phase is Phase.SUCCEEDED


def test_a_repeated_message_is_nothing_to_do() -> None:
    world = World()
    job = handed_over(world)
    world.work(job)

    assert world.work(job).outcome == "nothing_to_do"
    assert len(world.downloads.opened) == 1


def test_a_message_without_the_lease_waits_for_it_to_lapse() -> None:
    world = World()
    job = replace(handed_over(world), lease="stolen")

    early = world.work(job).outcome
    world.now += world.timing.inline_lease_s
    late = world.work(job).outcome

    assert (early, late) == ("nothing_to_do", "stored")


@pytest.mark.parametrize("changes", [{"attempt": 2}, {"task_id": "task_" + "0" * 26}])
def test_a_job_for_another_attempt_or_task_is_nothing_to_do(changes: dict[str, object]) -> None:
    world = World()
    job = handed_over(world)

    assert world.work(replace(job, **changes)).outcome == "nothing_to_do"  # type: ignore[arg-type]  # any field


def test_a_dead_url_is_replaced_by_a_fresh_one_and_nothing_is_generated_again() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("403"))
    world.downloads.serve(FRESH, PNG)
    world.gateway.of_task(job.task_id).outputs = (Output(url=FRESH),)

    worked = world.work(job)

    assert (worked.outcome, worked.downloads) == ("stored", 5)
    assert len(world.gateway.billed) == 1


def test_a_url_that_was_not_kept_is_asked_for() -> None:
    world = World()
    job = handed_over(world)
    world.change(job.task_id, outputs=())

    assert world.work(job).outcome == "stored"
    assert world.gateway.looks == ["tk-1"]


@pytest.mark.parametrize(("content", "code"), [(OutputGone("410"), "output_expired"), (b"<html>", "no_output")])
def test_a_picture_that_is_gone_for_good_fails_the_task_and_was_paid(content: object, code: str) -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, content)  # type: ignore[arg-type]  # bytes or an error

    worked = world.work(job)

    error = world.task(job.task_id).error
    assert worked.outcome == "failed"
    assert error is not None
    assert (error.code, error.charged) == (code, "yes")


def test_an_upstream_that_changed_its_mind_has_no_picture() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("404"))
    world.gateway.of_task(job.task_id).says = Says.GENERATING

    world.work(job)

    error = world.task(job.task_id).error
    assert error is not None
    assert error.code == "output_expired"
    assert "generating" in error.message


def test_an_upstream_that_forgot_the_task_has_no_picture() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("404"))
    world.gateway.generations.clear()

    assert world.work(job).outcome == "failed"


def test_a_url_that_may_work_later_is_not_given_up_because_the_upstream_knows_nothing_of_it_any_more() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, *[DownloadInterrupted("reset")] * 4, PNG + b"\0")
    world.gateway.generations.clear()

    first = world.work(job).outcome
    world.live_on(600)

    assert first == "later"
    assert world.task(job.task_id).phase is Phase.SUCCEEDED


def test_a_success_that_now_names_no_output_fails() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("404"))
    world.gateway.of_task(job.task_id).outputs = ()

    assert world.work(job).outcome == "failed"


def nameless(world: World, *, content: bytes = PNG) -> str:
    """A task whose upstream says success in a callback, and names no image so far."""
    task_id = world.create().task.id
    world.gateway.succeed(task_id, content=content)
    world.gateway.of_task(task_id).outputs = ()
    world.call_back(task_id)
    return task_id


def named(world: World, task_id: str) -> None:
    world.gateway.of_task(task_id).outputs = (Output(url=URL),)


def test_a_success_that_names_no_image_is_asked_about_at_once() -> None:
    world = World()
    task_id = nameless(world)
    named(world, task_id)

    assert [worked.outcome for worked in world.work_all()] == ["stored"]
    assert world.task(task_id).phase is Phase.SUCCEEDED
    assert world.gateway.looks == ["tk-1"]


def test_a_success_that_names_no_image_yet_is_asked_about_again_later() -> None:
    world = World()
    task_id = nameless(world)
    world.live_on(300)
    waiting = world.task(task_id).phase
    named(world, task_id)

    world.live_on(600)

    assert (waiting, world.task(task_id).phase) == (Phase.STORING, Phase.SUCCEEDED)


def test_a_success_that_a_poll_tells_without_an_image_is_asked_about_again_too() -> None:
    world = World()
    task_id = world.create().task.id
    world.gateway.succeed(task_id)
    world.gateway.of_task(task_id).outputs = ()
    world.now += 61
    world.tick()
    named(world, task_id)

    world.work_all()

    assert world.task(task_id).phase is Phase.SUCCEEDED


def test_a_success_that_never_names_an_image_fails_at_its_deadline_and_its_last_answer_is_kept() -> None:
    world = World()
    task_id = nameless(world)

    world.live_on(1700)
    before = world.task(task_id).phase
    world.live_on(500)

    task, evidence = world.task(task_id), world.tasks.evidence(task_id)
    assert (before, task.phase) == (Phase.STORING, Phase.FAILED)
    assert task.error is not None
    assert (task.error.code, task.error.charged, task.error.upstream_request_id) == ("no_output", "yes", "req-9")
    assert "names no image" in task.error.message
    assert evidence is not None
    assert evidence.source == "poll"
    assert 4 <= len(world.gateway.looks) <= 12


def test_a_success_without_an_image_frees_its_slot_at_once() -> None:
    world = World()

    nameless(world)

    assert not world.accounts.held()


def test_a_late_success_that_names_no_image_yet_is_asked_about_until_the_tail_ends() -> None:
    world = World()
    task_id = world.create().task.id
    world.live_on(1900)
    world.gateway.succeed(task_id)
    world.gateway.of_task(task_id).outputs = ()
    world.call_back(task_id)
    world.live_on(2000)
    named(world, task_id)

    world.live_on(4 * 3600, step=600)

    assert [image.late for image in world.task(task_id).images] == [True]


def test_an_upstream_that_is_still_at_work_after_a_success_without_an_image_is_asked_again() -> None:
    world = World()
    task_id = nameless(world)
    world.gateway.of_task(task_id).says = Says.ARCHIVING
    world.live_on(120)
    world.gateway.of_task(task_id).says = Says.SUCCEEDED
    named(world, task_id)

    world.live_on(600)

    assert world.task(task_id).phase is Phase.SUCCEEDED


def test_an_upstream_that_says_failure_after_a_success_without_an_image_is_asked_no_more() -> None:
    world = World()
    task_id = nameless(world)
    world.gateway.fail(task_id)

    assert [worked.outcome for worked in world.work_all()] == ["failed"]
    assert "failed" in (world.task(task_id).error or pytest.fail("no error")).message


def several(world: World, *, pictures: int = 3) -> Job:
    """The job of a success with several images, none of which was fetched."""
    task_id = world.create().task.id
    world.gateway.succeed(task_id, pictures=pictures)
    delays, world.delays = world.delays, ()
    world.call_back(task_id)
    world.delays = delays
    return world.queue.jobs.pop()


SECOND = URL.replace("0.png", "1.png")


@pytest.mark.parametrize(
    ("instead", "why"),
    [
        (b"<html>filtered</html>", "output 2: the output is not a PNG, JPEG, WebP, AVIF or GIF image"),
        (OutputGone("status 404 from https://cdn.test/tk-1/1.png"), "output 2: status 404 from https://cdn.test/tk-1/1.png"),
        (OutputRefused("not a public https address"), "output 2: not a public https address"),
    ],
)
def test_one_bad_output_of_several_loses_only_itself(instead: bytes | DarkroomError, why: str) -> None:
    world = World()
    job = several(world)
    world.downloads.serve(SECOND, instead)

    worked = world.work(job)

    task = world.task(job.task_id)
    assert (worked.outcome, task.phase, task.error) == ("stored", Phase.SUCCEEDED, None)
    assert [image.index for image in task.images] == [0, 2]
    assert task.missing == (why,)
    assert world.gateway.looks == ["tk-1"]


def test_looks_meanwhile_keep_no_good_output_of_several_from_its_task() -> None:
    world = World()
    job = several(world)
    world.downloads.serve(SECOND, b"<html>filtered</html>")

    def look(_url: str) -> None:
        task = world.task(job.task_id)
        world.tasks.move(task, task.looked(world.now, next_check_at=world.now + 500, crowded=False))

    world.downloads.on_open = look

    assert world.work(job).outcome == "stored"
    assert len(world.task(job.task_id).images) == 2


def test_an_output_that_may_still_come_is_waited_for_until_the_deadline_and_then_missing() -> None:
    world = World()
    job = several(world)
    world.downloads.serve(SECOND, PNG[:-1])

    first = world.work(job)
    world.live_on(3600)

    task = world.task(job.task_id)
    assert first.outcome == "later"
    assert (task.phase, len(task.images)) == (Phase.SUCCEEDED, 2)
    assert task.missing == (f"output 2: the picture ends early, after {len(PNG) - 1} bytes",)
    assert world.downloads.opened.count(URL) == 1


def test_a_late_success_of_which_one_output_is_bad_gains_the_others() -> None:
    world = World()
    task_id = world.create().task.id
    world.live_on(1900)
    world.gateway.succeed(task_id, pictures=2)
    world.downloads.serve(URL, OutputGone("404"))
    world.call_back(task_id)

    world.live_on(600)

    task = world.task(task_id)
    assert (task.phase, [image.late for image in task.images], len(task.missing)) == (Phase.EXPIRED, [True], 1)


def test_a_picture_that_always_ends_early_fails_with_a_code_of_its_own() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, PNG[:-5])

    world.work(job)
    world.live_on(3600)

    error = world.task(job.task_id).error
    assert error is not None
    assert (error.code, error.charged) == ("output_incomplete", "yes")
    assert world.bucket.objects == {}


@pytest.mark.parametrize("silent", [UpstreamUnavailable("busy"), OutcomeUnknown("cut off")])
def test_an_upstream_that_does_not_answer_now_is_asked_later(silent: Exception) -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("404"))
    world.gateway.looking = [silent]  # type: ignore[list-item]  # DarkroomErrors both

    worked = world.work(job)

    task = world.task(job.task_id)
    assert (worked.outcome, task.phase, task.lease) == ("later", Phase.STORING, None)
    assert task.next_check_at is not None
    assert task.next_check_at > world.now


def test_an_upstream_that_wants_to_be_left_alone_is_asked_for_a_fresh_url_no_earlier() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("404"))
    world.gateway.looking = [UpstreamUnavailable("too many", status=429, retry_after=900)]

    asked_at = world.now
    world.work(job)

    assert (world.task(job.task_id).next_check_at or 0) >= asked_at + 900


def test_an_error_that_no_code_expects_is_told_and_the_deadline_applies() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("404"))
    world.gateway.looking = [KeyError("a bug")] * 100

    first = world.work(job)
    world.live_on(3600)

    task = world.task(job.task_id)
    assert (first.outcome, type(first.unforeseen)) == ("later", KeyError)
    assert task.error is not None
    assert (task.phase, task.error.charged) == (Phase.FAILED, "yes")
    assert "KeyError" in task.error.message
    assert "a bug" not in task.error.message


def test_a_broken_connection_is_tried_again_later_until_the_deadline() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, DownloadInterrupted("reset"))

    first = world.work(job)
    world.live_on(3600)

    task = world.task(job.task_id)
    assert first.outcome == "later"
    assert task.error is not None
    assert (task.phase, task.error.code, task.error.charged) == (Phase.FAILED, "storage_failed", "yes")


def test_a_task_that_knows_no_upstream_id_fails_with_its_first_fault() -> None:
    world = World()
    job = handed_over(world)
    world.change(job.task_id, upstream_task_id=None)
    world.downloads.serve(URL, OutputGone("404"))

    world.work(job)

    error = world.task(job.task_id).error
    assert error is not None
    assert error.code == "output_expired"


def test_a_bucket_that_is_away_sends_the_message_back() -> None:
    def away(name: str) -> None:
        if name == "bucket.read":
            raise StorageUnavailable(name)

    world = World(on_call=away)
    job = handed_over(world)

    with pytest.raises(StorageUnavailable):
        world.work(job)

    assert world.task(job.task_id).next_check_at is not None


class Losing(MemoryTasks):
    """The n-th move loses its race; the others are made."""

    lose = 1

    def move(self, before: Task, after: Task) -> None:
        self.lose -= 1
        if self.lose == 0:
            raise TaskChanged(before.id)
        MemoryTasks.move(self, before, after)


@pytest.mark.parametrize("lose", [1, 2, 3])
def test_whoever_loses_a_race_leaves_the_job_to_the_winner(lose: int) -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("404"))
    world.tasks = Losing(clock=world.clock, tasks=world.tasks.tasks)
    world.tasks.lose = lose  # type: ignore[attr-defined]  # Losing's own

    assert world.work(job).outcome == "nothing_to_do"
    assert world.task(job.task_id).phase is Phase.STORING


def expired_with_news(world: World) -> Job:
    task_id = world.create().task.id
    world.live_on(1900)
    world.gateway.succeed(task_id)
    delays, world.delays = world.delays, ()
    world.call_back(task_id)
    world.delays = delays
    return world.queue.jobs.pop()


def test_a_late_picture_is_stored_by_the_worker_too() -> None:
    world = World()
    job = expired_with_news(world)

    assert world.work(job).outcome == "stored"
    assert [image.late for image in world.task(job.task_id).images] == [True]


def test_a_late_picture_that_is_gone_is_given_up_and_the_status_stays() -> None:
    world = World()
    job = expired_with_news(world)
    world.downloads.serve(URL, OutputGone("404"))

    assert world.work(job).outcome == "failed"
    task = world.task(job.task_id)
    assert (task.phase, task.next_check_at, task.lease) == (Phase.EXPIRED, None, None)


def test_a_late_picture_that_cannot_be_had_now_is_tried_until_the_tail_ends() -> None:
    world = World()
    job = expired_with_news(world)
    world.downloads.serve(URL, DownloadInterrupted("reset"))

    first = world.work(job).outcome
    world.live_on(25 * 3600, step=600)

    assert first == "later"
    assert world.task(job.task_id).next_check_at is None


def test_an_expired_task_that_nobody_stores_has_no_job() -> None:
    world = World()
    task_id = world.create().task.id
    world.live_on(1900)

    assert world.work(Job(do="store", task_id=task_id, attempt=1)).outcome == "nothing_to_do"


def test_the_worker_writes_submitting_before_its_only_post() -> None:
    calls: list[str] = []
    world = World(promises=SILENT, on_call=calls.append)
    task_id = world.create().task.id

    worked = world.work_all()[0]

    assert worked.outcome == "submitted"
    assert calls.index("tasks.move:done") < calls.index("upstream.submit")
    assert world.task(task_id).phase is Phase.QUEUED


def test_a_request_that_cannot_be_read_leaves_no_doubt_whether_it_was_sent() -> None:
    world = World(promises=SILENT)
    task_id = world.create(prompt=LONG).task.id
    world.hook = failing_once("tasks.request_of")

    with pytest.raises(StorageUnavailable):
        world.work(world.queue.jobs[0])

    assert world.task(task_id).phase is Phase.ACCEPTED
    assert world.work(world.queue.jobs[0]).outcome == "submitted"


def test_a_repeated_submit_job_posts_nothing() -> None:
    world = World(promises=SILENT)
    world.create()
    job = world.queue.jobs[0]
    world.work_all()

    assert world.work(job).outcome == "nothing_to_do"
    assert len(world.gateway.posts) == 1


def test_of_two_workers_with_one_submit_job_one_posts() -> None:
    world = World(promises=SILENT)
    world.create()
    world.tasks = Losing(clock=world.clock, tasks=world.tasks.tasks, requests=world.tasks.requests)

    assert world.work(world.queue.jobs[0]).outcome == "nothing_to_do"
    assert world.gateway.posts == []


def test_a_job_that_raises_what_no_code_expects_leaves_its_slot_to_others() -> None:
    def broken(_task: Task, _request: Request) -> Request:
        raise KeyError("body")

    world = World(promises=SILENT)
    task_id = world.create().task.id
    world.prepare = broken  # type: ignore[method-assign]

    with pytest.raises(KeyError):
        world.work(world.queue.jobs.pop())

    assert world.task(task_id).phase is Phase.ACCEPTED
    assert world.accounts.held() == {}


def test_a_job_that_raises_after_its_request_went_out_keeps_its_slot() -> None:
    def broken(name: str) -> None:
        if name == "tasks.move" and world.gateway.billed:
            raise KeyError(name)

    world = World(promises=SILENT)
    task = world.create().task
    world.hook = broken

    with pytest.raises(KeyError):
        world.work(world.queue.jobs.pop())

    assert list(world.accounts.held()) == [task.submission_key]


def test_a_fresh_url_of_another_task_is_never_fetched() -> None:
    world = World()
    job = handed_over(world)
    world.downloads.serve(URL, OutputGone("404"))
    world.downloads.serve(FRESH, PNG)
    generation = world.gateway.of_task(job.task_id)
    generation.outputs, generation.id = (Output(url=FRESH),), "tk-other"

    worked = world.work(job)

    assert (worked.outcome, worked.contradicts, FRESH in world.downloads.opened) == ("later", True, False)
