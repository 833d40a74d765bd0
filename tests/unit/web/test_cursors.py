"""Cursors: signed, and good for one owner."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.domain.callback_token import SigningKey
from darkroom.domain.ids import task_id
from darkroom.web.cursors import read_cursor, write_cursor
from darkroom.web.problems import Problem

OLD, NEW = SigningKey("an-old-stack-secret", retired_at=1.0), SigningKey("a-new-stack-secret")
IDS = st.builds(task_id, st.floats(0, 4e9), st.binary(min_size=10, max_size=10))


@settings(deadline=None)
@given(IDS, st.text(max_size=20))
def test_a_cursor_gives_back_what_was_put_in(last_seen: str, owner: str) -> None:
    cursor = write_cursor(OLD, owner=owner, last_seen=last_seen)

    assert cursor.isascii()
    assert read_cursor([NEW, OLD], cursor, owner=owner) == last_seen


@settings(deadline=None)
@given(st.text(max_size=120) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_whatever_is_not_a_cursor_of_ours_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="cursor"):
        read_cursor([NEW, OLD], text, owner="dev")


@settings(deadline=None)
@given(IDS, st.data())
def test_no_character_of_a_cursor_can_be_changed(last_seen: str, data: st.DataObject) -> None:
    cursor = write_cursor(NEW, owner="dev", last_seen=last_seen)
    # The last character carries bits that the decoder drops.
    at = data.draw(st.integers(0, len(cursor) - 2))
    other = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda character: character != cursor[at]))

    with pytest.raises(Problem):
        read_cursor([NEW], cursor[:at] + other + cursor[at + 1 :], owner="dev")


def test_another_owners_cursor_is_refused() -> None:
    cursor = write_cursor(NEW, owner="dev", last_seen=task_id(1.0, bytes(10)))

    with pytest.raises(Problem):
        read_cursor([NEW], cursor, owner="shop")
