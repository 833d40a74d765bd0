"""Uploads: ids that name one owner's object, and stand-ins that become what they stand for and change nothing else."""

import json

import pytest

from darkroom.domain.uploads import (
    filled,
    is_stand_in,
    is_upload_id,
    made_at,
    new_upload_id,
    stand_in,
    upload_key,
    upload_named,
    waits_for,
)

NOW = 1_763_600_000.25
UPLOAD = new_upload_id(NOW, bytes(range(10)))


def test_an_id_tells_when_it_was_made_and_lies_under_its_owner() -> None:
    assert is_upload_id(UPLOAD)
    assert made_at(UPLOAD) == NOW
    assert upload_key("shop", UPLOAD) == f"uploads/shop/{UPLOAD}"


@pytest.mark.parametrize(
    "text",
    ["", "upl_", UPLOAD + "0", UPLOAD.lower(), f"../{UPLOAD}", UPLOAD + "\n", UPLOAD.replace("upl_", "task_"), "upl_" + "U" * 26],
)
def test_what_has_another_form_is_no_id(text: str) -> None:
    assert not is_upload_id(text)
    assert upload_named(text) is None


@pytest.mark.parametrize("as_data", [False, True])
def test_a_stand_in_names_its_upload_and_is_never_taken_for_an_address(as_data: bool) -> None:
    text = stand_in(UPLOAD, as_data=as_data)

    assert is_stand_in(text)
    assert not is_stand_in(UPLOAD)
    assert upload_named(text) == upload_named(UPLOAD) == UPLOAD


def test_every_stand_in_of_a_kind_is_filled_and_every_other_byte_stays() -> None:
    near, inside = stand_in(UPLOAD, as_data=False), stand_in(UPLOAD, as_data=True)
    words = f'draw "{near}" as it is'
    body = json.dumps({"prompt": words, "urls": [near, "https://a.example/1", near], "file": inside}, ensure_ascii=False).encode()

    done = filled(body, lambda upload: f'https://bucket.test/{upload}?a=1&b="2"', as_data=False)

    address = f'https://bucket.test/{UPLOAD}?a=1&b="2"'
    assert json.loads(done) == {"prompt": words, "urls": [address, "https://a.example/1", address], "file": inside}
    assert waits_for(body, as_data=False)
    assert not waits_for(done, as_data=False)
    assert waits_for(done, as_data=True)
