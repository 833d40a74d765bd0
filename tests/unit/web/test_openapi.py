"""The OpenAPI document: committed, valid, and about the API that there is."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from darkroom.web.about import OPENAPI
from darkroom.web.endpoints import ENDPOINTS
from darkroom.web.openapi import document, text
from darkroom.web.operations import OPERATIONS


def test_the_committed_document_is_the_generated_one() -> None:
    assert OPENAPI.read_text("utf-8") == text(), "run `make openapi`"


def test_the_document_is_valid() -> None:
    validate(document())


def test_every_operation_is_described_and_no_other() -> None:
    assert set(OPERATIONS) == {endpoint.name for endpoint in ENDPOINTS if endpoint.answer}
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_placeholder_and_parameter_is_declared(endpoint: Any) -> None:
    described = document()
    operation = described["paths"][endpoint.path][endpoint.method.lower()]

    declared = [described["components"]["parameters"][one["$ref"].rpartition("/")[2]] for one in operation["parameters"]]
    assert {one["name"] for one in declared if one["in"] == "path"} == set(re.findall(r"\{(\w+)\}", endpoint.path))
    assert {one["name"] for one in declared if one["in"] == "query"} == set(endpoint.query or ())
    assert ("security" in operation) is (endpoint.scope is None)


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.body])
def test_every_example_fits_its_schema(name: str) -> None:
    described, operation = document(), OPERATIONS[name]

    schema = {"$ref": f"#/components/schemas/{operation.body.__name__}", "components": described["components"]}

    Draft202012Validator(schema).validate(operation.example)


BODIES: list[tuple[dict[str, Any], bool]] = [
    ({"preset": "poster", "input": {"prompt": "a"}}, True),
    ({"preset": "poster@1", "input": {"prompt": "a", "resolution": "2K"}, "model": None}, True),
    ({"model": "gpt-image-2", "input": {"prompt": "a"}}, True),
    ({"model": "gpt-image-2", "route": "ext", "input": {"prompt": "a", "quality": "low"}}, True),
    ({"model": "gpt-image-2/text-to-image@ext", "input": {"prompt": "a", "quality": "low"}}, True),
    ({"model": "qwen-image-2.0", "input": {"prompt": "a", "aspect_ratio": "16:9"}}, True),
    ({"model": "qwen-image-2.0", "input": {"prompt": "a", "size": "2048*2048"}}, True),
    ({"model": "gpt-image-2/image-to-image", "input": {"prompt": "a", "images": [{"url": "https://a.example/1"}]}}, True),
    ({"model": "gpt-image-2/image-to-image", "input": {"prompt": "a", "input_urls": ["https://a.example/1"]}}, True),
    ({"model": "pixapi/nano-banana", "route": "sync", "input": {"prompt": "a"}}, True),
    ({"model": "qwen-image-2.0", "input": {"prompt": "a", "aspect_ratio": "16:9", "size": "2048*2048"}}, False),
    ({"model": "qwen-image-2.0", "input": {"prompt": "a", "aspect_ratio": "2:3"}}, False),
    ({"model": "gpt-image-2/image-to-image", "input": {"prompt": "a"}}, False),
    ({"preset": "poster", "model": "gpt-image-2", "input": {"prompt": "a"}}, False),
    ({"input": {"prompt": "a"}}, False),
    ({"preset": "poster", "input": {"prompt": "a", "callback": {}}}, False),
    ({"model": "gpt-image-2", "route": "ext", "input": {"prompt": "a"}}, False),
    ({"model": "gpt-image-2/text-to-image@ext", "route": "beta", "input": {"prompt": "a"}}, False),
    ({"model": "gpt-image-2", "input": {"prompt": "a", "resolution": "2K"}}, False),
    ({"preset": "poster", "input": {"prompt": "a"}, "timeout_s": 1}, False),
    ({"preset": "poster", "input": {"prompt": "a"}, "x": 1}, False),
]


@pytest.mark.parametrize(("body", "fits"), BODIES)
def test_the_body_of_a_create_is_described_to_the_letter(body: dict[str, Any], fits: bool) -> None:
    described = document()

    schema = {"$ref": "#/components/schemas/TaskRequest", "components": described["components"]}

    assert Draft202012Validator(schema).is_valid(body) is fits
