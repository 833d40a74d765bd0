"""The parts that can be looked at alone: pictures, ids, signatures, clock and models."""

from io import BytesIO

import pytest
from hiapi import verify_webhook
from PIL import Image

from local.simulator.callbacks import signature
from local.simulator.clock import SimulatedClock
from local.simulator.faults import without_markers
from local.simulator.ids import task_id
from local.simulator.models import Models
from local.simulator.pictures import picture_bytes, picture_size, picture_spec

ULID_ALPHABET = set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def spec(caption="a kite", **inputs):
    return picture_spec(caption=caption, model="m", inputs=inputs)


@pytest.mark.parametrize(
    ("inputs", "size"),
    [
        ({}, (1024, 1024)),
        ({"aspect_ratio": "auto", "resolution": "1K"}, (1024, 1024)),
        ({"aspect_ratio": "16:9", "resolution": "2K"}, (2048, 1152)),
        ({"aspect_ratio": "9:16", "resolution": "4K"}, (2304, 4096)),
        ({"aspect_ratio": "1:8"}, (128, 1024)),
        ({"aspect_ratio": "1536x1024"}, (1536, 1024)),
        ({"size": "2688*1536"}, (2688, 1536)),
        ({"size": "1024x1792"}, (1024, 1792)),
        ({"size": "auto"}, (1024, 1024)),
        ({"size": "99999x99999"}, (4096, 4096)),
        ({"aspect_ratio": "custom", "width": 300, "height": 400}, (300, 400)),
        ({"aspect_ratio": "wide", "resolution": "8K"}, (1024, 1024)),
    ],
)
def test_the_size_follows_the_inputs(inputs, size):
    assert picture_size(inputs) == size


def test_the_same_words_give_the_same_bytes_and_other_words_do_not():
    first = picture_bytes(spec())
    picture_bytes.cache_clear()

    assert picture_bytes(spec()) == first
    assert picture_bytes(spec("a fox")) != first


def test_a_transparent_background_has_an_alpha_channel():
    picture = Image.open(BytesIO(picture_bytes(spec(background="transparent"))))

    assert picture.mode == "RGBA"


@pytest.mark.parametrize("caption", ["", "word " * 400, "x" * 5000, "红色的风筝", "line\nbreak"])
def test_any_words_can_be_written(caption):
    assert picture_bytes(spec(caption, aspect_ratio="1:8"))


def test_markers_are_not_drawn():
    assert without_markers("a [sim:fail] red [sim:callback-late seconds=3] kite") == "a red kite"


def test_task_ids_are_ulids_that_sort_by_time():
    ids = [task_id(milliseconds=ms, randomness=b"\xff" * 10) for ms in (1, 2, 1_777_282_033_000, 2**48 - 1)]

    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {35}
    assert all(set(each.removeprefix("tk-hiapi-")) <= ULID_ALPHABET for each in ids)
    assert ids[-1] == "tk-hiapi-7ZZZZZZZZZZZZZZZZZZZZZZZZZ"


def test_the_signature_is_the_published_one():
    secret, stamp = "whsec_0123456789abcdef", "1777282100"
    body = (
        b'{"taskId":"tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR","model":"gpt-image-2/text-to-image","status":"fail",'
        b'"created":1777282033,"completed":1777282099,'
        b'"error":{"code":"TASK_FAILED","message":"upstream rejected the prompt"}}'
    )

    signed = signature(secret, stamp, body)

    assert signed == "b22ece8be7d75d149048e06741bb7073d65b98926eba7937c53cb3d440331db6"
    assert verify_webhook(body, signature=signed, timestamp=stamp, secret=secret, tolerance=0).status == "fail"


def test_simulated_time_is_scaled_and_jumps():
    real = iter([100.0, 102.0, 103.0])
    clock = SimulatedClock(scale=60, monotonic=lambda: next(real))

    before = clock.now()
    clock.jump(1000)

    assert (before, clock.now()) == (120.0, 1180.0)
    assert clock.real_seconds(30) == 0.5


def test_frozen_time_waits_for_a_jump():
    assert SimulatedClock(scale=0).real_seconds(1) is None


def test_every_model_on_every_route_can_be_asked_for():
    models = Models()
    offers = [models.offer(name) for name in models.ids()]

    assert len(offers) == 36
    assert [offer.model for offer in offers] == models.ids()
    assert models.offer("gpt-image-2.5-flare", "pro").name == "gpt-image-2.5-flare@pro"
    assert models.offer("nano-banana-2").name == "Nano-Banana-2"
