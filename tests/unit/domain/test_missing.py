"""What could not be had is told in few and short words, and gives no address or key away."""

from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.missing import AND_MORE, MAX_CHARACTERS, MAX_REASONS, shortened


def test_a_reason_is_one_short_line_without_the_query_of_an_address() -> None:
    told = shortened(["output 2:\n  https://cdn.test/b.png?signature=abc could not be fetched " + "x" * 500])

    assert len(told) == 1
    assert told[0].startswith("output 2: https://cdn.test/b.png could not be fetched xxx")
    assert len(told[0]) == MAX_CHARACTERS


def test_the_same_reason_and_an_empty_one_are_not_told_twice() -> None:
    assert shortened(["a", "", " ", "b", "a"]) == ("a", "b")


def test_of_many_reasons_the_first_are_told_and_that_there_are_more() -> None:
    told = shortened(map(str, range(40)))

    assert told == (*map(str, range(MAX_REASONS - 1)), AND_MORE)


def test_that_there_are_more_stays_said_when_further_reasons_come() -> None:
    cut = shortened(map(str, range(40)))

    assert shortened((*cut[:2], AND_MORE, "late")) == ("0", "1", "late", AND_MORE)
    assert shortened(cut) == cut


@given(st.lists(st.text()))
def test_reasons_are_few_and_short_whatever_they_say(reasons: list[str]) -> None:
    told = shortened(reasons)

    assert len(told) <= MAX_REASONS
    assert all(0 < len(reason) <= MAX_CHARACTERS and "\n" not in reason for reason in told)
    assert shortened(told) == told
