"""JSON of strangers is read as one object or named unreadable, and moments come in every form that has been seen."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters.upstreams.digest import digest
from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.reading import Unreadable, object_or_none, read_object, text, unix_seconds

T0 = 1_777_282_033


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"success", "not JSON"),
        (b'{"a":1', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":1,"a":2}', "a name is given twice"),
        (b'{"data":{"status":"fail","status":"success"}}', "a name is given twice"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 500_000, "nested too deeply"),
    ],
)
def test_what_is_not_one_plain_object_is_unreadable(raw: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=f"^{why}$"):
        read_object(raw)
    assert object_or_none(raw) is None


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:0123456789.eE+-nultrfasNI \\ud800', max_size=80).map(str.encode))
def test_any_bytes_are_an_object_or_unreadable(raw: bytes) -> None:
    assert isinstance(object_or_none(raw), dict | None)


@pytest.mark.parametrize(
    "value",
    [
        T0,
        float(T0),
        T0 * 1000,
        str(T0),
        f" {T0 * 1000} ",
        "2026-04-27T09:27:13Z",
        "2026-04-27T11:27:13+02:00",
        "2026-04-27T09:27:13",
    ],
)
def test_a_moment_is_read_as_seconds_milliseconds_or_iso_text(value: object) -> None:
    assert unix_seconds(value) == T0


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        -5,
        "",
        "soon",
        True,
        [],
        {},
        float("inf"),
        float("nan"),
        10**400,
        10**19,
        "9" * 30,
        "9999-12-31T23:59:59-23:59",
        "0001-01-01",
    ],
)
def test_what_is_no_moment_is_none(value: object) -> None:
    assert unix_seconds(value) is None


@given(st.integers() | st.floats() | st.text(max_size=30) | st.datetimes().map(str) | st.booleans() | st.none())
def test_any_value_is_a_moment_that_a_datetime_can_hold_or_none(value: object) -> None:
    found = unix_seconds(value)

    assert found is None or 0 < found <= 253_402_300_799


def test_a_text_says_something() -> None:
    assert [text(value) for value in (" a ", 401, "", "  ", True, 1.5, None, 10**30)] == ["a", "401", *[None] * 6]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(), max_size=5), JSON, max_size=4))
def test_every_text_of_a_body_can_be_stored(doc: dict[str, Any]) -> None:
    found = read_object(json.dumps(doc).encode())

    assert json.loads(json.dumps(found, ensure_ascii=False).encode()) == found


def test_a_large_answer_with_half_a_character_in_it_is_digested() -> None:
    body = json.dumps({"data": [{"revised_prompt": "a kite \ud83d", "b64_json": "A" * 70_000}]}).encode()

    doc, short = digest(Answer(status=200, headers={}, body=body))

    assert doc is not None
    assert doc["data"][0]["revised_prompt"] == "a kite \N{REPLACEMENT CHARACTER}"
    assert len(short.body) < 1000
