"""What the OpenAI-style adapters send: the input's own fields, the chat's message, and an `extra_body` either way."""

import json
from typing import Any

import pytest

from darkroom.adapters.upstreams.bodies import with_extra_body
from tests.contract.upstreams.gateways import CASES, secrets


def sent(name: str, input: dict[str, Any], **options: Any) -> dict[str, Any]:
    adapter = CASES[name].adapter(base_url="https://gateway.example", secrets=secrets(), **options)
    body: dict[str, Any] = json.loads(adapter.freeze(model="m", route=None, input=input, callback_url="https://us.example/cb"))
    return body


@pytest.mark.parametrize("name", ["pixapi", "pixapi_images", "hiapi_images"])
def test_an_images_request_is_the_input_beside_the_model(name: str) -> None:
    body = sent(name, {"prompt": "ein schöner Drachen", "n": 2, "size": "1024x1024", "model": "not this one"})

    assert body == {"model": "m", "prompt": "ein schöner Drachen", "n": 2, "size": "1024x1024"}


def test_a_chat_request_is_one_message_that_is_not_streamed() -> None:
    assert sent("hiapi_chat", {"prompt": "a cat", "stream": True, "temperature": 1}) == {
        "model": "m",
        "stream": False,
        "temperature": 1,
        "messages": [{"role": "user", "content": "a cat"}],
    }


def test_reference_images_are_parts_of_the_message() -> None:
    content = sent("hiapi_chat", {"prompt": "bluer", "images": ["https://cdn.example/a.png", "data:image/png;base64,AAAA"]})[
        "messages"
    ][0]["content"]

    assert content[0] == {"type": "text", "text": "bluer"}
    assert [part["image_url"]["url"] for part in content[1:]] == ["https://cdn.example/a.png", "data:image/png;base64,AAAA"]


def test_ratio_and_size_are_the_documented_extra_body() -> None:
    body = sent("hiapi_chat", {"prompt": "a cat", "aspect_ratio": "1:1", "image_size": "1K"})

    assert body["extra_body"] == {"google": {"image_config": {"aspect_ratio": "1:1", "image_size": "1K"}}}


def test_an_own_extra_body_wins_over_ratio_and_size_and_keeps_what_else_it_says() -> None:
    own = {"google": {"image_config": {"aspect_ratio": "3:2"}, "safety": "low"}, "seed": 7}
    body = sent("hiapi_chat", {"prompt": "a cat", "aspect_ratio": "1:1", "image_size": "2K", "extra_body": own})

    assert body["extra_body"] == {
        "google": {"image_config": {"aspect_ratio": "3:2", "image_size": "2K"}, "safety": "low"},
        "seed": 7,
    }


@pytest.mark.parametrize("name", ["pixapi_images", "hiapi_images", "hiapi_chat"])
def test_an_extra_body_is_sent_as_a_field_or_gives_its_fields_to_the_top(name: str) -> None:
    asked = {"prompt": "a cat", "extra_body": {"seed": 7, "model": "not this one"}}

    literal, merged = sent(name, asked), sent(name, asked, merge_extra_body=True)

    assert literal["extra_body"] == {"seed": 7, "model": "not this one"}
    assert (merged["seed"], merged["model"], "extra_body" in merged) == (7, "m", False)


def test_an_extra_body_that_is_none_is_left_alone() -> None:
    assert with_extra_body({"a": 1, "extra_body": "text"}, merged=True) == {"a": 1, "extra_body": "text"}
