"""The names of what is left alone."""

import pytest

from darkroom.domain.breaker import ACCOUNT, in_words, name_for, name_of, names_of, parts_of
from tests.support.tasks import a_task


def test_a_name_holds_the_model_and_for_whom_alone_it_is_shut() -> None:
    task = a_task()

    assert names_of(task) == (name_of(task), name_for(task))
    assert parts_of(name_of(task)) == (f"{task.upstream}/{task.model}", None)
    assert parts_of(name_for(task)) == (f"{task.upstream}/{task.model}", task.owner)
    assert parts_of(ACCOUNT) == ("", None)


@pytest.mark.parametrize(
    ("name", "words"), [("", "all"), ("hiapi/kite", "hiapi/kite"), ("hiapi/kite#shop", "hiapi/kite for shop")]
)
def test_a_name_is_told_in_words(name: str, words: str) -> None:
    assert in_words(name) == words
