"""Any text can be stored and shown."""

from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.texts import MARK, storable


@given(st.text(st.characters()))
def test_any_text_becomes_one_that_utf_8_has_bytes_for_and_stays_as_long(text: str) -> None:
    found = storable(text)

    assert found.encode().decode() == found
    assert (len(found), storable(found)) == (len(text), found)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_what_can_be_stored_stays_as_it_is(text: str) -> None:
    assert storable(f"{text}\t\r\n") == f"{text}\t\r\n"


def test_half_a_character_and_what_steers_a_terminal_are_marked() -> None:
    assert storable("a kite \ud83d\x1b[2J\x9b\0") == f"a kite {MARK}{MARK}[2J{MARK}{MARK}"
