"""Prefer, Accept and If-None-Match, as written by people and by machines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.web.conditional import applied, etag, is_known, prefers_json, wait_seconds

ANYTHING = st.text(alphabet=st.characters(max_codepoint=255), max_size=60) | st.text(
    alphabet='wait=;,"\\ 0123456789q./*', max_size=60
)


@settings(deadline=None)
@given(ANYTHING)
def test_whatever_is_preferred_the_wait_is_none_or_within_the_cap(text: str) -> None:
    seconds = wait_seconds(text, cap=5)

    assert seconds is None or 0 <= seconds <= 5


@settings(deadline=None)
@given(
    st.integers(0, 999_999_999),
    st.sampled_from(["wait={}", 'wait="{}"', "a, wait={}", 'a="x,\\"y", Wait = {} ;p', "wait={},wait=1"]),
)
def test_a_wait_is_found_among_other_preferences(number: int, form: str) -> None:
    assert wait_seconds(form.format(number), cap=25) == min(number, 25)


@pytest.mark.parametrize(
    "text", ["", "wait=a", "wait=1.0", "wait=-1", "wait==1", 'a="wait=5"', 'a="b, wait=5"', "wait=1234567890"]
)
def test_what_is_not_a_wait_in_whole_seconds_is_ignored(text: str) -> None:
    assert wait_seconds(text, cap=5) is None


def test_hostile_preferences_take_linear_time() -> None:
    for text in ('"' * 10_000, 'a="' + "\\" * 10_000, "wait=" + " " * 10_000 + "x", "," * 10_000, 'a="\\' * 3_000):
        assert wait_seconds(text, cap=5) in (None, 5)


@pytest.mark.parametrize(("seconds", "text"), [(5.0, "wait=5"), (0.5, "wait=0.5"), (25, "wait=25")])
def test_what_was_granted_is_told(seconds: float, text: str) -> None:
    assert applied(seconds) == text


@settings(deadline=None)
@given(ANYTHING)
def test_whatever_is_accepted_there_is_an_answer(text: str) -> None:
    assert prefers_json(text) in (True, False)
    assert prefers_json(f"{text}, application/json;q=0") is False


@settings(deadline=None)
@given(st.integers(1, 10_000), ANYTHING)
def test_a_tag_is_known_only_if_it_is_named(version: int, text: str) -> None:
    tag = etag(version)

    assert is_known(tag, tag)
    assert is_known(tag.removeprefix("W/"), tag)
    assert is_known(f'"a", {tag}', tag)
    assert is_known("*", tag)
    assert is_known(text, tag) is (text.strip() == "*" or f'"{version}"' in text)
