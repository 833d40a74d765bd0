"""An input's faults in words, by rules that our own models do not all have."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.catalogue.load import load_catalogue
from darkroom.catalogue.offers import Route
from darkroom.catalogue.validation import faults_in

GPT = load_catalogue().models["gpt-image-2/text-to-image"].routes["default"]
ANY = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2))


def a_route(**field: Any) -> Route:
    schema = {"type": "object", "properties": {"prompt": {}, "x": field}, "required": ["prompt"], "additionalProperties": False}
    return Route(model="m", name="default", upstream="u", wire_model="m", wire_route=None, schema=schema)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ({"type": "number"}, "a", "must be a number"),
        ({"type": ["string", "null"]}, 7, "must be a text or null"),
        ({"pattern": "^a"}, "b", "must be of another form"),
        ({"multipleOf": 8}, 7, "does not fit the model's rules (multipleOf)"),
    ],
)
def test_every_rule_of_json_schema_has_words(field: dict[str, Any], value: Any, says: str) -> None:
    assert [fault.detail for fault in faults_in(a_route(**field), {"prompt": "a", "x": value})] == [says]


@pytest.mark.parametrize("ratio", GPT.schema["properties"]["aspect_ratio"]["enum"])
@pytest.mark.parametrize("resolution", ["1K", "2K", "4K"])
def test_what_a_refusal_offers_is_accepted(resolution: str, ratio: str) -> None:
    faults = faults_in(GPT, {"prompt": "a", "resolution": resolution, "aspect_ratio": ratio})

    for fault in faults:
        offered = fault.detail.partition("must be one of ")[2].partition(";")[0].split(", ")
        assert offered
        assert all(not faults_in(GPT, {"prompt": "a", "resolution": resolution, "aspect_ratio": one}) for one in offered)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(GPT.fields), ANY))
def test_a_value_has_faults_exactly_if_its_schema_refuses_it(value: dict[str, Any]) -> None:
    assert bool(faults_in(GPT, value)) is not GPT.validator.is_valid(value)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ({"type": "array", "items": {"type": "string"}, "maxItems": 2}, [1] * 3, "must have at most 2 entries; it has 3"),
        ({"type": "array", "uniqueItems": True}, [{}] * 1001, "must have at most 1000 entries; it has 1001"),
        ({"pattern": "^a*$"}, "a" * 1025, "must have at most 1024 characters; it has 1025"),
        ({"pattern": "^a*$", "maxLength": 2000}, "a" * 2001, "must have at most 2000 characters; it has 2001"),
    ],
)
def test_what_is_too_long_is_told_so_before_its_schema_is_asked(field: dict[str, Any], value: Any, says: str) -> None:
    assert says in [fault.detail for fault in faults_in(a_route(**field), {"prompt": "a", "x": value})]


def test_what_is_too_long_is_judged_as_far_as_it_may_be_long() -> None:
    field = {"type": "array", "items": {"type": "string"}, "maxItems": 2}

    faults = faults_in(a_route(**field), {"prompt": "a", "x": ["a", *[0] * 9]})

    assert {fault.pointer: fault.detail for fault in faults} == {
        "/input/x": "must have at most 2 entries; it has 10",
        "/input/x/1": "must be a text",
    }


@pytest.mark.parametrize(
    ("field", "value"), [({"pattern": "^a*$"}, "a" * 1024), ({"type": "array"}, [0] * 1000), ({}, "a" * 9999)]
)
def test_what_is_as_long_as_it_may_be_is_taken(field: dict[str, Any], value: Any) -> None:
    assert faults_in(a_route(**field), {"prompt": "a", "x": value}) == []


def test_a_refusal_names_a_hundred_allowed_values_and_how_many_more_there_are() -> None:
    field = {"enum": [f"v{number}" for number in range(150)]}

    (fault,) = faults_in(a_route(**field), {"prompt": "a", "x": "none"})

    assert fault.detail.startswith("must be one of v0, v1, ")
    assert fault.detail.endswith(", v99, or 50 more")
