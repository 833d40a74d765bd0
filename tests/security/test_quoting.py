"""What an upstream quotes of a prompt is taken out of its words, in whatever form and however little of it is left."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.task import Request
from darkroom.edge.quoting import unquoted
from darkroom.errors import StorageUnavailable
from tests.support.memory import MemoryTasks
from tests.support.tasks import BIRTH, a_task

PROMPT = 'two herons "at dawn"\nby the café, see https://x.test/?sig=1 and then some'
TASKS = MemoryTasks(clock=lambda: BIRTH)


def asking(prompt: str) -> Request:
    return Request(input={"prompt": prompt, "resolution": "1K", "more": [{"negative": "no boats at all"}]}, body=b"", metadata={})


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"I cannot paint {PROMPT}!", "I cannot paint [prompt]!"),
        (json.dumps({"prompt": PROMPT, "status": "handling"}), '{"prompt": "[prompt]", "status": "handling"}'),
        (json.dumps({"prompt": PROMPT}, ensure_ascii=False), '{"prompt": "[prompt]"}'),
        (f"twice {PROMPT}, {PROMPT}", "twice [prompt], [prompt]"),
        (f"cut {PROMPT[:20]}", "cut [prompt]"),
        (f"cut {PROMPT[:20]}' in the middle", "cut [prompt]' in the middle"),
        ("without no boats at all in 1K", "without [prompt] in 1K"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_an_input_that_is_quoted_is_replaced(said: str, kept: str) -> None:
    assert unquoted(said, a_task(request=asking(PROMPT)), TASKS) == kept


def test_nothing_to_say_or_nobody_who_asked_is_left_as_it_is() -> None:
    assert unquoted(None, a_task(), TASKS) is None
    assert unquoted("", a_task(), TASKS) == ""
    assert unquoted("text", None, TASKS) == "text"


def test_words_are_kept_back_when_the_request_cannot_be_read() -> None:
    class Away(MemoryTasks):
        def request_of(self, task: object) -> Request:
            raise StorageUnavailable("table: scripted")

    assert unquoted("text", a_task(request=None), Away(clock=lambda: BIRTH)) is None


@pytest.mark.parametrize(
    "prompt", ["", " ", "?", "sk-0123456789abcdef", "data:,", "[prompt]", "prompt", "aaaaaaaaaaaaaaaaaaaaaaaa"]
)
def test_an_odd_prompt_does_no_harm(prompt: str) -> None:
    assert unquoted("a [prompt] [key] aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", a_task(request=asking(prompt)), TASKS)


@given(st.text(min_size=12, max_size=80), st.text(max_size=40), st.text(max_size=40))
def test_no_longer_prompt_survives_whatever_stands_around_it(prompt: str, before: str, behind: str) -> None:
    told = unquoted(f"{before}{prompt}{behind}", a_task(request=asking(prompt)), TASKS)

    assert told is not None
    assert prompt not in told
