"""Which models are new at the gateway, from a host that lists them in its own way or not at all."""

import json
from typing import Any

import pytest

from darkroom.catalogue.load import load_catalogue
from local.client import ApiUnreachable
from local.schemas import not_in
from tests.support.loopback import Loopback, Reply


def new_of(body: bytes, *, status: int = 200) -> list[str] | None:
    asked: list[str] = []

    def answer(request: Any) -> Reply:
        asked.append(request.target)
        return Reply(status=status, headers={"Content-Type": "application/json"}, body=body, size=len(body))

    with Loopback(answer) as host:
        found = not_in(load_catalogue(), host.url)
    assert asked == ["/docs/models.json"]
    return found


def test_an_image_model_that_goes_by_no_known_name_is_new_once() -> None:
    rows = [{"id": "gpt-image-3", "category": "image"}, {"id": "z-image-2", "category": "image"}]

    assert new_of(json.dumps({"models": rows + rows}).encode()) == ["gpt-image-3", "z-image-2"]


@pytest.mark.parametrize(
    "row",
    [
        {"id": "veo-3", "category": "video"},
        {"id": "nano-banana", "category": "image"},
        {"id": "NANO-BANANA-PRO", "category": "image"},
        {"id": "gpt-image-2/text-to-image@ext", "category": "image"},
        {"id": "gpt-image-2-pro", "category": "image"},
        {"id": "gpt-image-1.5", "category": "image"},
        "gpt-image-3",
    ],
)
def test_a_video_a_spelling_a_route_and_a_retired_model_are_not_new(row: Any) -> None:
    assert new_of(json.dumps({"models": [row]}).encode()) == []


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"<html>"), (404, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b'{"models": {}}')]
)
def test_a_host_without_a_list_leaves_open_what_is_new(status: int, body: bytes) -> None:
    assert new_of(body, status=status) is None


def test_a_host_that_is_not_there_is_said_to_be_unreachable() -> None:
    with pytest.raises(ApiUnreachable, match="does not answer"):
        not_in(load_catalogue(), "http://127.0.0.1:9")
