"""Whatever bytes come, a body is a JSON object or a problem with a code of its own."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.web.bodies import MAX_BYTES, read_object
from darkroom.web.problems import KINDS, Problem
from darkroom.web.request import Request, read_request

TEXTS = st.text(alphabet=st.characters(), max_size=40) | st.text(alphabet='{}[]",:0123456789.eE-+\\u dtrufalsn', max_size=60)


def a_request(raw: bytes | str, content_type: str = "application/json") -> Request:
    encoded = isinstance(raw, bytes)
    event = {
        "headers": {"Content-Type": content_type},
        "body": base64.b64encode(raw).decode() if isinstance(raw, bytes) else raw,
        "isBase64Encoded": encoded,
    }
    return read_request(event, now=0.0, fresh=bytes)


def read_or_code(raw: str | bytes) -> dict[str, Any] | str:
    try:
        return read_object(a_request(raw))
    except Problem as problem:
        return problem.code


@settings(deadline=None)
@given(TEXTS | st.binary(max_size=60))
def test_any_body_is_read_or_refused(raw: str | bytes) -> None:
    outcome = read_or_code(raw)

    assert isinstance(outcome, dict) or outcome in ("malformed_json", "invalid_request")
    assert json.dumps(outcome, ensure_ascii=False).encode()


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers(-(2**60), 2**60) | st.booleans() | st.none()))
def test_what_is_json_comes_through_unchanged(content: dict[str, Any]) -> None:
    assert read_object(a_request(json.dumps(content))) == content
    assert read_object(a_request(json.dumps(content, ensure_ascii=False).encode())) == content


@pytest.mark.parametrize(("text", "value"), [("1.0", 1), ("-0.0", 0), ("1e3", 1000), ("0.5", 0.5), ("1e300", 1e300)])
def test_a_whole_number_is_one_however_it_is_written(text: str, value: float) -> None:
    found = read_object(a_request(f'{{"n":{text}}}'))["n"]

    assert found == value
    assert type(found) is type(value)


def test_exactly_the_largest_body_is_read() -> None:
    largest = json.dumps({"a": "x" * (MAX_BYTES - 9)})

    assert len(largest) == MAX_BYTES
    assert read_object(a_request(largest))
    with pytest.raises(Problem, match="at most 262144 bytes"):
        read_object(a_request(largest + " "))


@pytest.mark.parametrize("content_type", ["application/json", 'Application/JSON ; Charset="UTF-8"', "application/json;v=1"])
def test_json_may_be_announced_in_every_legal_way(content_type: str) -> None:
    assert read_object(a_request("{}", content_type)) == {}


def test_thirty_two_levels_are_enough() -> None:
    def nested(levels: int) -> str:
        return '{"a":' * levels + "1" + "}" * levels

    assert read_object(a_request(nested(32)))
    with pytest.raises(Problem, match="32 levels"):
        read_object(a_request(nested(33)))


def test_every_code_that_a_body_can_lead_to_is_known() -> None:
    assert {"malformed_json", "too_large", "unsupported_media_type", "invalid_request"} <= set(KINDS)
