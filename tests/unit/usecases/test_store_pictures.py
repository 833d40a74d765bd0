"""Bytes come home once, whole, hashed and small enough, or not at all."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from darkroom.domain.task import Phase, Task
from darkroom.errors import DownloadInterrupted, OutputGone, OutputRefused, StorageUnavailable, TaskChanged
from darkroom.ports import Body, Download
from darkroom.usecases.store_pictures import MeteredBody, Stored
from tests.support.memory import MemoryBucket, MemoryDownloads, MemoryTasks, Page
from tests.support.memory import Stored as StoredObject
from tests.support.world import PNG, World

URL = "https://cdn.test/tk-1/0.png"


def storing(world: World, *, pictures: int = 1) -> Task:
    """A task whose news is written down and whose lease is ours."""
    task_id = world.create().task.id
    world.gateway.succeed(task_id, pictures=pictures)
    delays, world.delays = world.delays, ()
    world.call_back(task_id)
    world.delays = delays
    world.queue.jobs.clear()
    return world.task(task_id)


def store(world: World, task: Task, *, resume: bool = False, seconds: float = 60) -> Stored:
    return world.store(task, resume=resume, until=world.now + seconds)


def test_a_stored_picture_knows_its_type_size_measures_and_hash() -> None:
    world = World()
    task = storing(world)

    image = store(world, task).task.images[0]

    content = PNG + b"\0"
    assert (image.content_type, image.width, image.height) == ("image/png", 2, 3)
    assert (image.size, image.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_every_output_becomes_one_object_under_its_own_key() -> None:
    world = World()
    task = storing(world, pictures=3)

    stored = store(world, task)

    assert [image.index for image in stored.task.images] == [0, 1, 2]
    assert sorted(world.bucket.objects) == [f"images/shop/{task.id}/1/{index}" for index in range(3)]
    assert {object_.filename.rsplit(".")[-1] for object_ in world.bucket.objects.values()} == {"png"}


def test_an_output_above_the_cap_is_refused_before_it_is_fetched() -> None:
    world = World()
    task = storing(world)
    world.max_bytes = 10

    stored = store(world, task)

    assert isinstance(stored.fault, OutputRefused)
    assert stored.fault.code == "storage_failed"
    assert world.bucket.puts == 0


def test_an_output_that_hides_its_size_is_cut_off_at_the_cap() -> None:
    world = World()
    task = storing(world)
    world.downloads.serve(URL, Page(content=PNG * 1000, announced=False))
    world.max_bytes = 1000

    stored = store(world, task)

    assert isinstance(stored.fault, OutputRefused)
    assert world.bucket.objects == {}


@pytest.mark.parametrize("content", [b"<html>sorry</html>", b"", b"%PDF-1.7 and more of it"])
def test_what_is_not_an_image_is_not_stored(content: bytes) -> None:
    world = World()
    task = storing(world)
    world.downloads.serve(URL, content)

    stored = store(world, task)

    assert stored.fault is not None
    assert (stored.fault.code, stored.downloads) == ("no_output", 4)
    assert world.bucket.objects == {}


@pytest.mark.parametrize("instead", [b"<html>one moment</html>", b"", b'{"error": "not yet"}'])
def test_what_is_not_an_image_yet_is_tried_again_like_any_interruption(instead: bytes) -> None:
    world = World()
    task = storing(world)
    world.downloads.serve(URL, instead, instead, PNG)

    stored = store(world, task)

    assert (stored.task.phase, stored.downloads) == (Phase.SUCCEEDED, 3)


JPEG = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x03\0\x02\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\x55\xff\0\x55\xff\xd9"


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("whole", "size"),
    [(PNG, 8), (PNG, len(PNG) // 2), (PNG, len(PNG) - 12), (PNG, len(PNG) - 1), (JPEG, 4), (JPEG, len(JPEG) - 2)],
)
def test_a_file_that_ends_early_is_fetched_again_and_never_stored(whole: bytes, size: int, announced: bool) -> None:
    world = World()
    task = storing(world)
    cut = Page(content=whole[:size], announced=announced, chunk=7)
    world.downloads.serve(URL, cut, cut, Page(content=whole, announced=announced, chunk=7))

    stored = store(world, task)

    assert (stored.task.phase, stored.downloads) == (Phase.SUCCEEDED, 3)
    assert [one.content for one in world.bucket.objects.values()] == [whole]


def test_a_file_that_ends_early_whenever_it_is_fetched_is_a_passing_fault_with_a_name_of_its_own() -> None:
    world = World()
    task = storing(world)
    world.downloads.serve(URL, PNG[:-1])

    fault = store(world, task).fault

    assert isinstance(fault, DownloadInterrupted)
    assert fault.code == "output_incomplete"
    assert world.bucket.objects == {}


@pytest.mark.parametrize(("content", "code"), [(PNG[:-1], "output_incomplete"), (b"<html>", "no_output")])
def test_bytes_that_no_further_try_can_change_are_tried_once(content: bytes, code: str) -> None:
    world = World()
    task = storing(world)
    world.downloads.serve(URL, Page(content=content, repeatable=False))

    stored = store(world, task)

    assert isinstance(stored.fault, OutputRefused)
    assert (stored.fault.code, stored.downloads) == (code, 1)


def test_one_bad_output_does_not_keep_the_others_from_being_stored() -> None:
    world = World()
    task = storing(world, pictures=4)
    world.downloads.serve(URL, b"<html>filtered</html>")
    world.downloads.serve(URL.replace("0.png", "2.png"), OutputRefused("not a public https address"))

    stored = store(world, task)

    assert [image.index for image in stored.images] == [1, 3]
    assert {index: fault.code for index, fault in stored.faults.items()} == {0: "no_output", 2: "storage_failed"}
    assert stored.task.phase is Phase.STORING


class Dripping(MemoryDownloads):
    """The first output takes all the time that it is given."""

    world: World

    @contextmanager
    def open(self, url: str, *, timeout_s: float) -> Iterator[Download]:
        if url == URL:
            self.world.now += timeout_s
            raise DownloadInterrupted("ReadTimeout")
        with MemoryDownloads.open(self, url, timeout_s=timeout_s) as download:
            yield download


def test_an_output_that_drips_leaves_time_for_the_others() -> None:
    world = World()
    task = storing(world, pictures=3)
    dripping = Dripping(script=world.downloads.script)
    dripping.world = world
    world.downloads = dripping

    stored = store(world, task, resume=True)

    assert [image.index for image in stored.images] == [1, 2]
    assert isinstance(stored.fault, DownloadInterrupted)


def test_a_foreign_object_among_what_is_resumed_is_refused_and_the_others_are_stored() -> None:
    world = World()
    task = storing(world, pictures=2)
    world.bucket.objects[f"images/shop/{task.id}/1/0"] = StoredObject(content=b"not ours", content_type="a/b", filename="x")

    stored = store(world, task, resume=True)

    assert isinstance(stored.fault, OutputRefused)
    assert [image.index for image in stored.images] == [1]


def test_the_outputs_of_a_task_are_spooled_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    task = storing(world, pictures=3)
    for index in range(3):
        world.downloads.serve(URL.replace("0.png", f"{index}.png"), Page(content=PNG, announced=False))
    at_once: list[int] = []
    spool = tempfile.TemporaryFile

    @contextmanager
    def counted() -> Iterator[IO[bytes]]:
        at_once.append(at_once[-1] + 1 if at_once else 1)
        with spool() as file:
            yield file
        at_once.append(at_once[-1] - 1)

    monkeypatch.setattr(tempfile, "TemporaryFile", counted)

    assert store(world, task).task.phase is Phase.SUCCEEDED

    assert at_once == [1, 0] * 3


def test_a_disk_without_room_is_our_own_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World()
    task = storing(world)
    world.downloads.serve(URL, Page(content=PNG, announced=False))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))

    with pytest.raises(StorageUnavailable, match="disk"):
        store(world, task)


def test_a_passing_fault_is_tried_again_after_the_configured_delays() -> None:
    world = World()
    task = storing(world)
    world.downloads.serve(URL, DownloadInterrupted("reset"), OutputGone("404"), PNG)
    began = world.now

    stored = store(world, task)

    assert stored.fault is None
    assert (stored.downloads, world.now - began) == (3, 10)


def test_trying_ends_when_time_or_patience_does() -> None:
    world = World()
    task = storing(world)
    world.downloads.serve(URL, DownloadInterrupted("reset"))

    hasty, patient = store(world, task, seconds=5), store(world, task, seconds=500)

    assert (hasty.downloads, patient.downloads) == (2, 4)
    assert store(world, task, seconds=0).downloads == 0


def test_an_object_that_is_there_already_gives_its_own_facts() -> None:
    world = World()
    task = storing(world)
    older = PNG + b"older bytes"
    world.bucket.objects[f"images/shop/{task.id}/1/0"] = StoredObject(content=older, content_type="image/png", filename="x")

    image = store(world, task).task.images[0]

    assert image.sha256 == hashlib.sha256(older).hexdigest()


def test_resuming_fetches_only_what_is_missing() -> None:
    world = World()
    task = storing(world, pictures=2)
    world.bucket.objects[f"images/shop/{task.id}/1/0"] = StoredObject(content=PNG, content_type="image/png", filename="x")

    stored = store(world, task, resume=True)

    assert stored.downloads == 1
    assert len(stored.task.images) == 2


class Contradicting(MemoryBucket):
    """The key is taken, yet nothing is there."""

    def put(self, key: str, body: Body, *, size: int, content_type: str, filename: str) -> bool:
        return False


def test_a_bucket_that_contradicts_itself_is_a_passing_fault() -> None:
    world = World()
    task = storing(world)
    world.bucket = Contradicting()

    assert isinstance(store(world, task).fault, DownloadInterrupted)


def test_a_foreign_object_under_our_key_is_refused() -> None:
    world = World()
    task = storing(world)
    world.bucket.objects[f"images/shop/{task.id}/1/0"] = StoredObject(content=b"not ours", content_type="a/b", filename="x")

    assert isinstance(store(world, task).fault, OutputRefused)


def test_a_look_meanwhile_does_not_keep_us_from_closing() -> None:
    world = World()
    task = storing(world)
    world.tasks.move(task, task.looked(world.now, next_check_at=world.now + 500, crowded=False))

    assert store(world, task).task.phase is Phase.SUCCEEDED


def test_whoever_lost_the_lease_leaves_the_closing_to_the_holder() -> None:
    world = World()
    task = storing(world)
    world.tasks.move(task, task.lease_taken(world.now, lease="another", lease_s=99))

    stored = store(world, task)

    assert stored.task.phase is Phase.STORING
    assert stored.task.lease == "another"
    assert len(world.bucket.objects) == 1


class Restless(MemoryTasks):
    """Every move loses its race."""

    def move(self, before: Task, after: Task) -> None:
        raise TaskChanged(before.id)


def test_a_task_that_never_stands_still_is_reported_not_lost() -> None:
    world = World()
    task = storing(world)
    world.tasks = Restless(clock=world.clock, tasks=world.tasks.tasks)

    with pytest.raises(TaskChanged):
        store(world, task)

    assert len(world.bucket.objects) == 1


def test_a_bucket_that_is_away_is_not_the_upstreams_fault() -> None:
    def away(name: str) -> None:
        if name == "bucket.put":
            raise StorageUnavailable(name)

    world = World(on_call=away)
    task = storing(world)

    with pytest.raises(StorageUnavailable):
        store(world, task)


def test_only_the_head_of_a_large_picture_is_kept_in_memory() -> None:
    body = MeteredBody(iter([PNG, *[bytes(100_000)] * 12]), max_bytes=1 << 30)

    while body.read(1 << 16):
        pass

    assert body.facts().size == len(PNG) + 1_200_000
    assert len(body._head) == 512 * 1024


def test_a_body_can_be_read_whole_or_piece_by_piece_and_counts_the_same() -> None:
    whole, pieces = (MeteredBody(iter([b"", PNG[:5], b"", PNG[5:]]), max_bytes=999) for _ in range(2))

    assert whole.read() == PNG
    assert b"".join(iter(lambda: pieces.read(7), b"")) == PNG
    assert whole.facts() == pieces.facts()
