"""How a request is packed: nothing is lost, old rows are still read, and few bytes are left."""

import json
import zlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters.packing import pack, unpack
from darkroom.domain.attempts import Alternative
from darkroom.domain.task import Request
from tests.budgets.scenarios import LONG_PROMPT

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
)
INPUTS = st.dictionaries(st.text(), JSON, max_size=4)
SOME_TEXT = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
PACKED_WITH_THE_FIRST_WORDS = (
    "78f9ded5cff3abc61a3a1626e6464ab5a8fe55807a5801eee344c324a364e3149354538afc6e0874aa02cca3405b609e5200462da8b4c9"
    "06963d4a4015c81e5400fbb0160063a93ebc"
)


@given(
    input_=INPUTS,
    body=st.binary() | INPUTS.map(lambda found: json.dumps({"model": "m", "input": found}).encode()),
    metadata=st.dictionaries(st.text(), st.text(), max_size=3),
    wire_model=st.text(),
    origin=st.none() | st.text(min_size=1),
    route=SOME_TEXT,
)
def test_no_fact_of_a_request_is_lost(input_: dict[str, Any], route: str | None, **facts: Any) -> None:
    other = Alternative(upstream="pixapi", model="m", route=route, wire_model="w", input=input_)
    request = Request(input=input_, alternatives=(other, other), **facts)

    assert unpack(pack(request)) == request


@given(INPUTS)
def test_an_input_that_the_body_holds_comes_back_as_it_was(input_: dict[str, Any]) -> None:
    request = a_request(input_)

    found = unpack(pack(request))

    assert found == request
    assert json.dumps(found.input, sort_keys=True) == json.dumps(input_, sort_keys=True)


def test_a_number_is_not_mistaken_for_another_that_equals_it() -> None:
    request = Request(input={"scale": 1}, body=b'{"input":{"scale":1.0}}', metadata={})

    assert repr(unpack(pack(request)).input) == "{'scale': 1}"


def test_half_a_surrogate_pair_survives() -> None:
    for body in (b'{"prompt":"\\ud83d"}', b'{"input":{"prompt":"\\ud83d"}}'):
        request = Request(input={"prompt": "\ud83d"}, body=body, metadata={})

        assert unpack(pack(request)) == request


def test_requests_of_older_versions_are_read() -> None:
    for body in ({"body": "{}"}, {"body64": "e30="}):
        packed = zlib.compress(json.dumps({"input": {"prompt": "a kite"}, "metadata": {}} | body).encode())

        # They had no plan for further attempts either.
        assert unpack(packed) == Request(input={"prompt": "a kite"}, body=b"{}", metadata={})

    both = b'{"input":{"prompt":"a kite"},"metadata":{}}\0{"input":{"prompt":"a kite"}}'
    expected = Request(input={"prompt": "a kite"}, body=b'{"input":{"prompt":"a kite"}}', metadata={})
    assert unpack(zlib.compress(both)) == expected


def test_rows_are_packed_with_words_that_never_change() -> None:
    assert unpack(bytes.fromhex(PACKED_WITH_THE_FIRST_WORDS)) == a_request({"prompt": "a red kite", "resolution": "1K"})


def test_a_usual_request_loses_most_of_its_bytes() -> None:
    short, long = a_request({"prompt": "a red kite over a harbour at dawn"}), a_request({"prompt": LONG_PROMPT})

    assert len(pack(short)) < 0.55 * len(short.body)
    assert len(pack(long)) < 0.55 * len(long.body)


def a_request(input_: dict[str, Any]) -> Request:
    url = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1/callbacks/hiapi/task_1"
    body = {"callback": {"url": url}, "input": input_}
    return Request(input=input_, body=json.dumps(body).encode(), metadata={"order": "8472"})
