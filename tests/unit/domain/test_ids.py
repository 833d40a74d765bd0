"""Ids are sortable by time, hard to guess, and image ids find their task without a row."""

from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain import ids


@given(st.floats(0, 2**47 / 1000), st.binary(min_size=10, max_size=10))
def test_a_task_id_keeps_its_time_to_the_millisecond(now: float, randomness: bytes) -> None:
    made = ids.task_id(now, randomness)

    assert ids.is_task_id(made)
    assert abs(ids.created_at(made) - now) <= 0.001


def test_later_ids_sort_later() -> None:
    assert ids.task_id(1000.001, b"\xff" * 10) < ids.task_id(1000.002, b"\0" * 10)


def test_an_image_id_leads_back_to_task_attempt_and_index() -> None:
    task = ids.task_id(1_700_000_000, b"0123456789")

    assert ids.read_image_id(ids.image_id(task, 2, 15)) == (task, 2, 15)


@given(st.integers(1, 255), st.integers(0, 4095))
def test_an_image_id_works_at_any_count_of_pictures(attempt: int, index: int) -> None:
    task = ids.task_id(1_700_000_000, b"0123456789")

    assert ids.read_image_id(ids.image_id(task, attempt, index)) == (task, attempt, index)


def test_every_picture_has_one_id_only() -> None:
    image = ids.image_id(ids.task_id(1_700_000_000, b"0123456789"), 1, 5)

    assert ids.read_image_id(f"{image[:-2]}005") is None
    assert ids.read_image_id(f"{image[:-2]}0005") is None


@given(st.text())
def test_other_text_is_neither_a_task_id_nor_an_image_id(text: str) -> None:
    assert not ids.is_task_id(text)
    assert ids.read_image_id(text) is None
