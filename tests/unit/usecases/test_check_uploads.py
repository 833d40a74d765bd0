"""Before a task is made, its uploads are looked at: the owner's, there, not too old, of the announced type, not too large."""

from collections.abc import Mapping

import pytest

from darkroom.domain.uploads import LARGEST, LARGEST_INLINE, USABLE_S, new_upload_id, upload_key
from darkroom.usecases.check_uploads import MEASURED_WITHIN, Complaint, check_uploads
from tests.support.gateway import PNG
from tests.support.memory import MemoryBucket, Stored

NOW = 1_763_600_000.0
FIRST, SECOND = (new_upload_id(NOW - age, bytes([age] * 10)) for age in (1, 2))
PLACE = "/input/images/0"
JPEG = bytes.fromhex("ffd8ffc0001108000a000a0301220002110003110000")


def holding(content: bytes = PNG, *, content_type: str = "image/png", owner: str = "shop", upload: str = FIRST) -> MemoryBucket:
    stored = Stored(content=content, content_type=content_type, filename="")
    return MemoryBucket(objects={upload_key(owner, upload): stored})


def check(
    bucket: MemoryBucket,
    uploads: Mapping[str, str] | None = None,
    *,
    largest: int | None = None,
    as_data: bool = False,
    now: float = NOW,
    largest_pixels: int | None = None,
) -> tuple[Complaint, ...]:
    found = {PLACE: FIRST} if uploads is None else uploads
    return check_uploads(
        found, owner="shop", largest=largest, as_data=as_data, now=now, bucket=bucket, largest_pixels=largest_pixels
    )


def test_an_upload_that_is_what_it_was_announced_as_is_fine() -> None:
    assert check(holding()) == ()
    assert check(holding(), as_data=True) == ()
    assert check(holding(), largest=len(PNG)) == ()


@pytest.mark.parametrize(
    ("bucket", "says"),
    [
        (MemoryBucket(), f"you have no upload {FIRST}"),
        (holding(owner="somebody-else"), f"you have no upload {FIRST}"),
        (holding(b""), "its bytes are not an image"),
        (holding(b'<svg xmlns="http://www.w3.org/2000/svg"/>', content_type="image/svg+xml"), "its bytes are not an image"),
        (holding(b"<!doctype html><script>1</script>"), "its bytes are not an image"),
        (holding(b"GIF89a\x01\x00\x01\x00", content_type="image/gif"), "but image/gif"),
        (holding(JPEG), "its bytes are image/jpeg, though it was uploaded as image/png"),
        (holding(PNG, content_type="text/html"), "though it was uploaded as text/html"),
        (holding(PNG + bytes(LARGEST)), f"must have at most {LARGEST} bytes"),
    ],
    ids=["not there", "another owner's", "empty", "svg", "html", "gif", "another type", "served as html", "too large"],
)
def test_whatever_else_it_is_is_said_where_it_was_named(bucket: MemoryBucket, says: str) -> None:
    ((place, detail),) = check(bucket)

    assert place == PLACE
    assert says in detail


def test_a_models_own_limit_is_kept() -> None:
    ((_, detail),) = check(holding(), largest=len(PNG) - 1)

    assert detail == f"must have at most {len(PNG) - 1} bytes; it has {len(PNG)}"


def large(kind: str, *, before: int = 0) -> MemoryBucket:
    """5000 by 4001 pixels; in a JPEG behind so many bytes of comments."""
    if kind == "image/png":
        return holding(PNG[:16] + (5000).to_bytes(4, "big") + (4001).to_bytes(4, "big") + PNG[24:])
    comments = (b"\xff\xfe\xff\xff" + bytes(0xFFFD)) * (before // 0xFFFF) + bytes(before % 0xFFFF)
    return holding(b"\xff\xd8" + comments + b"\xff\xc0\x00\x11\x08\x0f\xa1\x13\x88" + bytes(10), content_type="image/jpeg")


@pytest.mark.parametrize(
    ("bucket", "peeks"),
    [(large("image/png"), 1), (large("image/jpeg"), 1), (large("image/jpeg", before=400_000), 2)],
    ids=["png", "jpeg", "jpeg with a long profile"],
)
def test_a_models_limit_in_pixels_is_kept_and_only_then_are_more_bytes_read(bucket: MemoryBucket, peeks: int) -> None:
    asked: list[str] = []
    bucket.on_call = asked.append

    ((_, detail),) = check(bucket, largest_pixels=20_000_000)

    assert detail == "must have at most 20000000 pixels; it has 5000 x 4001"
    assert asked.count("bucket.peek") == peeks
    assert check(bucket, largest_pixels=20_005_000) == ()
    asked.clear()
    assert check(bucket) == ()
    assert asked.count("bucket.peek") == 1


def test_a_jpeg_that_hides_its_sides_too_well_is_left_to_the_gateway() -> None:
    assert check(large("image/jpeg", before=MEASURED_WITHIN), largest_pixels=20_000_000) == ()


def test_an_upload_that_goes_while_it_is_measured_is_not_there() -> None:
    bucket = large("image/jpeg", before=400_000)
    bucket.on_call = lambda call: bucket.objects.clear() if call.endswith(":done") else None

    ((_, detail),) = check(bucket, largest_pixels=20_000_000)

    assert "you have no upload" in detail


def test_an_old_upload_is_not_asked_for_any_more() -> None:
    asked: list[str] = []
    bucket = holding()
    bucket.on_call = asked.append

    ((_, detail),) = check(bucket, now=NOW + USABLE_S)

    assert "has expired" in detail
    assert asked == []


def test_every_upload_that_is_wrong_is_named() -> None:
    places = {"/input/images/0": FIRST, "/input/images/2": SECOND}

    assert [place for place, _ in check(MemoryBucket(), places)] == list(places)


def test_files_that_travel_inside_the_request_are_counted_together() -> None:
    half = PNG + bytes(LARGEST_INLINE // 2)
    bucket = MemoryBucket(objects=holding(half).objects | holding(half, upload=SECOND).objects)
    places = {"/input/images/0": FIRST, "/input/images/1": SECOND}

    ((place, detail),) = check(bucket, places, as_data=True)

    assert (place, check(bucket, places)) == ("/input/images/0", ())
    assert f"at most {LARGEST_INLINE} bytes together" in detail
