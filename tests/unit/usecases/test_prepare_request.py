"""Uploads get their addresses when a request is sent: the same bytes for a repeat, fresh ones for a sending of its own."""

import base64
import json

from darkroom.domain.task import Phase
from darkroom.domain.uploads import new_upload_id, stand_in, upload_key
from darkroom.errors import OutcomeUnknown, StorageUnavailable, UpstreamUnavailable
from tests.support.memory import Stored
from tests.support.world import PNG, SILENT, T0, World

UPLOAD = new_upload_id(T0, bytes(10))
KEY = upload_key("shop", UPLOAD)
ADDRESSED, INSIDE = stand_in(UPLOAD, as_data=False), stand_in(UPLOAD, as_data=True)


def images_sent(world: World) -> list[list[str]]:
    return [json.loads(body)["input"]["image_urls"] for _, body in world.gateway.posts]


def with_upload(world: World, content: bytes = PNG) -> World:
    world.bucket.objects[KEY] = Stored(content=content, content_type="image/png", filename="")
    return world


def test_an_upload_is_handed_on_as_an_address_that_outlives_the_task() -> None:
    world = World()

    task = world.create(images=[ADDRESSED, "https://a.example/1.png"], timeout_s=7200).task

    ((address, other),) = images_sent(world)
    assert address.startswith(f"https://bucket.test/{KEY}?")
    assert address.endswith("expires=8100")
    assert other == "https://a.example/1.png"
    assert task.phase is Phase.QUEUED


def test_what_is_sent_is_kept_before_it_is_sent() -> None:
    calls: list[str] = []
    world = World(on_call=calls.append)

    world.create(images=[ADDRESSED])

    assert calls.index("tasks.add:done") < calls.index("tasks.keep_sent:done") < calls.index("upstream.submit")


def test_a_request_without_uploads_costs_nothing_more() -> None:
    calls: list[str] = []
    world = World(on_call=calls.append)

    world.create()

    assert "tasks.keep_sent" not in calls
    assert world.bucket.signed == 0


def test_a_repeat_of_an_unknown_outcome_sends_the_very_same_bytes() -> None:
    world = World()
    world.gateway.after_accepting = [OutcomeUnknown("the answer was lost")]
    task = world.create(images=[ADDRESSED]).task

    world.now = task.next_check_at or 0
    world.look(task.id)

    assert len(world.gateway.posts) == 2
    assert world.gateway.posts[0] == world.gateway.posts[1]
    assert len(world.gateway.billed) == 1


def sent_again_after(world: World, retry_after: float) -> list[list[str]]:
    """The images of a task that was refused for the moment, at first and when it was sent again."""
    world.gateway.before_accepting = [UpstreamUnavailable("busy", retry_after=retry_after)]
    task = world.create(images=[ADDRESSED]).task
    world.now = task.next_check_at or 0
    world.look(task.id)
    assert world.task(task.id).phase is Phase.QUEUED
    return images_sent(world)


def test_a_task_that_provably_was_not_accepted_is_soon_sent_again_as_it_was() -> None:
    """A proxy's 503 may have lied: the same key and bytes would then be recognised."""
    first, second = sent_again_after(World(), 60)

    assert first == second


def test_a_task_that_had_to_wait_long_is_sent_with_fresh_addresses() -> None:
    first, second = sent_again_after(World(), 4000)

    assert first != second


def test_addresses_live_to_the_deadline_of_the_last_sending_that_may_use_them() -> None:
    world = World()
    first, second = sent_again_after(world, 749)
    expires_s = int(second[0].rpartition("=")[2])

    (task,) = world.tasks.tasks.values()

    assert first == second
    assert T0 + expires_s >= (task.first_sent_at or 0) + task.timeout_s


def test_a_sending_that_was_overtaken_leaves_the_winners_bytes_alone() -> None:
    """Two lookers send the same waiting task: the slower one has made addresses too, and loses the row."""
    world = World()
    world.gateway.before_accepting = [UpstreamUnavailable("busy", retry_after=4000)]
    task = world.create(images=[ADDRESSED]).task
    world.gateway.after_accepting = [OutcomeUnknown("the answer was lost")]
    world.now = task.next_check_at or 0
    world.look(task.id)
    late = task.submitting(world.now + 1)

    world.prepare(late, world.tasks.request_of(task))
    world.now = world.task(task.id).next_check_at or 0
    world.look(task.id)

    assert world.gateway.posts[1] == world.gateway.posts[2]


def test_a_crash_before_the_bytes_were_kept_is_healed_by_the_next_look() -> None:
    world = World()

    def die(name: str) -> None:
        if name == "tasks.keep_sent":
            raise StorageUnavailable("table")

    world.hook = die
    created = world.create(images=[ADDRESSED])
    world.hook = lambda _: None
    world.now = created.task.next_check_at or 0
    world.look(created.task.id)

    assert created.task.phase is Phase.SUBMITTING
    assert len(world.gateway.posts) == 1
    assert world.task(created.task.id).phase is Phase.QUEUED


def test_a_queued_submission_gets_its_addresses_before_its_row_says_that_it_is_out() -> None:
    calls: list[str] = []
    world = World(promises=SILENT)
    world.create(images=[ADDRESSED])
    world.hook = calls.append

    world.work_all()

    assert calls.index("tasks.keep_sent:done") < calls.index("tasks.move")
    assert images_sent(world)[0][0].startswith("https://bucket.test/")


def test_a_file_inside_the_request_is_the_same_each_time_and_kept_nowhere() -> None:
    world = with_upload(World())
    world.gateway.after_accepting = [OutcomeUnknown("the answer was lost")]
    task = world.create(images=[INSIDE]).task

    world.now = task.next_check_at or 0
    world.look(task.id)

    assert images_sent(world) == [[f"data:image/png;base64,{base64.b64encode(PNG).decode()}"]] * 2
    assert world.tasks.sent == {}


def test_a_file_that_nobody_knows_is_handed_on_without_a_claim() -> None:
    world = with_upload(World(), b"?")

    world.create(images=[INSIDE])

    assert images_sent(world) == [["data:application/octet-stream;base64,Pw=="]]


def test_a_task_whose_file_is_gone_is_never_sent_with_a_hole() -> None:
    world = World()

    task = world.create(images=[INSIDE]).task

    assert task.phase is Phase.SUBMITTING
    assert world.gateway.posts == []
