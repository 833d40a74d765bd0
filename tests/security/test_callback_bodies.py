"""Callbacks with odd bodies: read if they are what was signed, answered if they are of no use, and never more than 1 MiB."""

import pytest

from darkroom.adapters.downloads import GuardedDownloads
from darkroom.domain.task import Phase
from tests.security.delivering import deliver
from tests.security.stack import Door, Stack, delivery, signed, success
from tests.support.origin import authority, trusting

MIB = 1024 * 1024


# -- bodies ---------------------------------------------------------------------------------------------

USELESS = {
    "empty": b"",
    "an array": b"[]",
    "an array of successes": b'[{"taskId":"tk-1","status":"success"}]',
    "a text": b'"success"',
    "a number": b"200",
    "null": b"null",
    "NaN": b'{"taskId":"tk-1","status":"success","created":NaN}',
    "Infinity": b'{"taskId":"tk-1","status":"fail","created":-Infinity}',
    "200,000 levels": b"[" * 200_000,
    "200,000 objects": b'{"a":' * 200_000,
    "two statuses": b'{"taskId":"tk-1","status":"fail","status":"success"}',
    "two tasks": b'{"taskId":"tk-2","taskId":"tk-1","status":"success"}',
    "two outputs deep inside": b'{"taskId":"tk-1","status":"success","output":[{"url":"a","url":"b"}]}',
    "a number of 5,000 digits": b'{"taskId":"tk-1","status":"success","created":' + b"9" * 5000 + b"}",
    "two documents": b'{"taskId":"tk-1","status":"success"}{"taskId":"tk-1","status":"success"}',
    "a byte order mark": b'\xef\xbb\xbf{"taskId":"tk-1","status":"success"}',
    "no task": b'{"status":"success"}',
    "a task that is none": b'{"taskId":["tk-1"],"status":"success"}',
    "no status": b'{"taskId":"tk-1"}',
    "a status that is none": b'{"taskId":"tk-1","status":["success"]}',
    "a task at work": b'{"taskId":"tk-1","status":"handling"}',
    "HTML": b"<html>" + b"x" * 100_000,
}


@pytest.mark.parametrize("raw", USELESS.values(), ids=USELESS)
def test_a_signed_body_without_use_is_answered_kept_and_changes_nothing(stack: Stack, door: Door, raw: bytes) -> None:
    row = stack.task(door)

    assert deliver(stack, door, raw) == 200

    assert stack.task(door) == row
    assert len(stack.tasks.kept_evidence[door.task_id].body) <= 4096
    assert len(stack.http.requests) == 1
    assert stack.bucket.objects == {}


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b'{"taskId":"tk-1","status":"success","x":"\xc3\x28"}', b"\xed\xa0\x80", b"\x00" * 1000]
)
def test_bytes_that_are_no_text_arrive_in_base64_and_change_nothing(stack: Stack, door: Door, raw: bytes) -> None:
    row = stack.task(door)

    assert deliver(stack, door, raw, in_base64=True) == 200
    assert stack.task(door) == row


def padded(door: Door, size: int) -> bytes:
    raw = success(door)
    return raw[:-1] + b', "padding": "' + b"x" * (size - len(raw) - len(b', "padding": ""')) + b'"}'


@pytest.mark.parametrize("in_base64", [False, True])
def test_a_body_of_one_mebibyte_is_taken(stack: Stack, door: Door, in_base64: bool) -> None:
    raw = padded(door, MIB)
    assert len(raw) == MIB

    assert deliver(stack, door, raw, in_base64=in_base64) == 200
    assert stack.task(door).phase is Phase.SUCCEEDED


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("in_base64", [False, True])
@pytest.mark.parametrize("size", [MIB + 1, 6 * MIB])
def test_a_body_of_a_byte_more_is_not_read(stack: Stack, door: Door, in_base64: bool, size: int) -> None:
    assert deliver(stack, door, padded(door, size), in_base64=in_base64) == 413


@pytest.mark.usefixtures("unmoved")
def test_a_mebibyte_is_counted_in_bytes_and_not_in_characters(stack: Stack, door: Door) -> None:
    assert deliver(stack, door, "\u00e4" * (MIB // 2 + 1)) == 413


def test_a_body_in_base64_is_what_was_signed(stack: Stack, door: Door) -> None:
    assert deliver(stack, door, success(door), in_base64=True) == 200
    assert stack.task(door).phase is Phase.SUCCEEDED


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("body", ["%%%", "abc", "YWJj\n", " YWJj", "YWJj====", "\u00e4\u00e4", "\ud800", "YW-_"])
def test_what_cannot_be_base64_is_signed_by_nobody(stack: Stack, door: Door, body: str) -> None:
    seal = signed(success(door), stack.clock())

    assert stack.handle("receive_callback", delivery(door, body, seal, in_base64=True))["statusCode"] == 401


@pytest.mark.usefixtures("unmoved")
def test_half_a_character_is_signed_by_nobody(stack: Stack, door: Door) -> None:
    seal = signed(success(door), stack.clock())

    assert stack.handle("receive_callback", delivery(door, success(door).decode() + "\ud800", seal))["statusCode"] == 401


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.test/0.png",
        "file:///etc/passwd",
        "https://169.254.169.254/latest/meta-data",
        "https://xn--0.test/0.png",
        "https://[::1/0.png",
        "javascript:alert(1)",
        "https://cdn.test/\n0.png",
        "https://cdn.test/" + "x" * 9000,
        "",
    ],
)
def test_a_signed_success_with_a_hostile_url_ends_or_waits_without_an_error(stack: Stack, door: Door, url: str) -> None:
    stack.downloads = GuardedDownloads(ssl_context=trusting(authority()), resolve=lambda host, _: [host])  # type: ignore[assignment]

    assert deliver(stack, door, success(door, url)) == 200
    assert stack.task(door).phase in (Phase.STORING, Phase.FAILED)
    assert stack.bucket.objects == {}
