"""The Idempotency-Key header and the fingerprint of a request."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.web.idempotency import fingerprint, idempotency_key
from darkroom.web.problems import Problem

VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
KEYS = st.text(alphabet=VISIBLE, min_size=1, max_size=255)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(KEYS)
def test_a_key_means_the_same_quoted_and_bare(key: str) -> None:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')

    quoted = idempotency_key({"idempotency-key": f' "{escaped}" '})

    assert quoted == key
    if not key.startswith('"'):
        assert idempotency_key({"idempotency-key": f"\t{key} "}) == key


def key_or_none(text: str) -> str | None:
    try:
        return idempotency_key({"idempotency-key": text})
    except Problem:
        return None


@settings(deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=300), max_size=300))
def test_whatever_comes_is_a_key_of_the_right_form_or_refused(text: str) -> None:
    key = key_or_none(text)

    assert key is None or 1 <= len(key) <= 255
    assert all("!" <= character <= "~" for character in key or "")


def test_no_header_is_no_key() -> None:
    assert idempotency_key({}) is None


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_the_order_of_fields_does_not_change_a_fingerprint(body: dict[str, Any]) -> None:
    turned = dict(reversed(body.items()))

    assert fingerprint("create", body) == fingerprint("create", turned)
    assert fingerprint("create", body) != fingerprint("retry", body)


@pytest.mark.parametrize("other", [{"a": "1"}, {"a": 2}, {"a": None}, {}, {"a": True}, {"b": 1}, {"a": [1]}])
def test_another_value_is_another_fingerprint(other: dict[str, Any]) -> None:
    assert fingerprint("create", {"a": 1}) != fingerprint("create", other)
