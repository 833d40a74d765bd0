"""A callback is believed when it is signed and fresh, a hint when it may be true, and rejected when it is forged."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from hiapi.errors import WebhookVerificationError
from hiapi.webhooks import verify_webhook
from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.domain.news import Says
from darkroom.domain.task import Output
from darkroom.errors import SignatureRejected, StorageUnavailable
from darkroom.ports import Heard
from tests.contract.hiapi.gateways import RotatingSecrets

# The worked example of the contract: secret, timestamp, bodies and signatures are published values.
SECRET = "whsec_0123456789abcdef"
STAMP = 1_777_282_100
TASK_ID = "tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR"
SUCCESS = (
    b'{"taskId":"tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR","model":"gpt-image-2/text-to-image","status":"success",'
    b'"created":1777282033,"completed":1777282099,"output":[{"url":"https://cdn.hiapi.ai/tasks/example/0.png",'
    b'"type":"image","expireAt":1777886899}]}'
)
SUCCESS_SIGNATURE = "2ac622f5c5d97c20b59fb2bcd092b1166244dc37b019520e5409327553d6cddf"
FAILURE = (
    b'{"taskId":"tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR","model":"gpt-image-2/text-to-image","status":"fail",'
    b'"created":1777282033,"completed":1777282099,"error":{"code":"TASK_FAILED","message":"upstream rejected the prompt"}}'
)
FAILURE_SIGNATURE = "b22ece8be7d75d149048e06741bb7073d65b98926eba7937c53cb3d440331db6"


def heard(
    raw: bytes, headers: dict[str, str], *, secret: str = SECRET, previous: str = "", now: float = STAMP + 3, attempt: int = 1
) -> Heard:
    secrets = RotatingSecrets(hiapi_webhook_secret=secret, hiapi_webhook_secret_previous=previous)
    return HiApi(base_url="http://127.0.0.1:9", secrets=secrets).hear(headers, raw, attempt=attempt, now=now)


def signature(raw: bytes, *, secret: str = SECRET, stamp: str = str(STAMP)) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest()


def signed(raw: bytes, *, secret: str = SECRET, stamp: str = str(STAMP)) -> dict[str, str]:
    return {"X-HiAPI-Timestamp": stamp, "X-HiAPI-Signature": signature(raw, secret=secret, stamp=stamp)}


# -- whether it is believed ----------------------------------------------------------------------------


def test_the_published_success_is_trusted_news() -> None:
    found = heard(SUCCESS, {"x-hiapi-timestamp": str(STAMP), "x-hiapi-signature": SUCCESS_SIGNATURE}, attempt=2)

    assert found.trusted
    assert found.why == ""
    assert found.news is not None
    assert (found.news.says, found.news.by, found.news.attempt) == (Says.SUCCEEDED, "callback", 2)
    assert found.news.upstream_task_id == TASK_ID
    assert found.news.outputs == (Output(url="https://cdn.hiapi.ai/tasks/example/0.png", expires_at=1_777_886_899),)


def test_the_published_failure_is_trusted_news_with_its_reason() -> None:
    found = heard(FAILURE, {"X-HIAPI-TIMESTAMP": str(STAMP), "X-HIAPI-SIGNATURE": FAILURE_SIGNATURE})

    assert found.trusted
    assert found.news is not None
    assert found.news.says is Says.FAILED
    assert found.news.error is not None
    assert (found.news.error.upstream_code, found.news.error.upstream_message) == ("TASK_FAILED", "upstream rejected the prompt")


def test_the_hex_may_come_in_capitals() -> None:
    assert heard(SUCCESS, {"X-HiAPI-Timestamp": str(STAMP), "X-HiAPI-Signature": SUCCESS_SIGNATURE.upper()}).trusted


@pytest.mark.parametrize("secret", ["whsec_the-new-one-00", SECRET])
def test_both_secrets_are_accepted_during_a_rotation(secret: str) -> None:
    assert heard(SUCCESS, signed(SUCCESS, secret=secret), secret="whsec_the-new-one-00\n", previous=f" {SECRET} ").trusted


def test_the_previous_secret_alone_still_demands_a_signature() -> None:
    assert heard(SUCCESS, signed(SUCCESS), secret="", previous=SECRET).trusted
    with pytest.raises(SignatureRejected):
        heard(SUCCESS, {}, secret="", previous=SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-HiAPI-Timestamp": str(STAMP)},
        {"X-HiAPI-Signature": SUCCESS_SIGNATURE},
        {"X-HiAPI-Timestamp": str(STAMP), "X-HiAPI-Signature": ""},
        {"X-HiAPI-Timestamp": str(STAMP), "X-HiAPI-Signature": FAILURE_SIGNATURE},
        {"X-HiAPI-Timestamp": str(STAMP), "X-HiAPI-Signature": SUCCESS_SIGNATURE[:-1]},
        {"X-HiAPI-Timestamp": str(STAMP), "X-HiAPI-Signature": "ünsinn \ud800"},
        {"X-HiAPI-Timestamp": str(STAMP + 1), "X-HiAPI-Signature": SUCCESS_SIGNATURE},
        signed(SUCCESS, secret="another-secret"),
        *[
            signed(SUCCESS, stamp=stamp)
            for stamp in ("soon", "1777282100.5", "1_777_282_100", "٣", "+1777282100", "1e9", "9" * 40)
        ],
    ],
)
def test_what_is_not_signed_with_our_secret_is_rejected(headers: dict[str, str]) -> None:
    with pytest.raises(SignatureRejected):
        heard(SUCCESS, headers)


def test_a_changed_body_is_rejected() -> None:
    with pytest.raises(SignatureRejected):
        heard(SUCCESS.replace(b"cdn.hiapi.ai", b"cdn.evil.example"), signed(SUCCESS))


@pytest.mark.parametrize(("age", "trusted"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (10**9, False)])
def test_a_right_signature_outside_five_minutes_is_a_hint(age: int, trusted: bool) -> None:
    found = heard(SUCCESS, signed(SUCCESS), now=STAMP + age)

    assert (found.trusted, found.why) == (trusted, "" if trusted else "stale")
    assert found.news is not None


@pytest.mark.parametrize("headers", [{}, {"X-HiAPI-Timestamp": "x", "X-HiAPI-Signature": "y"}])
def test_without_a_secret_every_callback_is_a_hint(headers: dict[str, str]) -> None:
    found = heard(SUCCESS, headers, secret="")

    assert (found.trusted, found.why) == (False, "unsigned")
    assert found.news is not None


def test_a_secret_store_that_does_not_answer_makes_the_upstream_deliver_again() -> None:
    secrets = RotatingSecrets()
    secrets.down = True

    with pytest.raises(StorageUnavailable):
        HiApi(base_url="http://127.0.0.1:9", secrets=secrets).hear({}, SUCCESS, attempt=1, now=STAMP)


# -- what it says --------------------------------------------------------------------------------------


def test_a_wrapped_body_says_the_same_as_a_bare_one() -> None:
    wrapped = b'{"code":200,"message":"success","data":' + SUCCESS + b"}"
    bare, found = heard(SUCCESS, signed(SUCCESS)).news, heard(wrapped, signed(wrapped)).news

    assert bare is not None
    assert found is not None
    assert (found.says, found.outputs, found.upstream_task_id) == (bare.says, bare.outputs, bare.upstream_task_id)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"success", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" + SUCCESS + b"]", "not a JSON object"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (SUCCESS.replace(b"1777282033", b"NaN"), "NaN is not JSON"),
        (SUCCESS.replace(b'"created"', b'"status":"fail","created"'), "a name is given twice"),
        (b"{}", "no status"),
        (b'{"taskId":"a","status":5.5}', "no status"),
        (b'{"status":"success"}', "no task id"),
        (b'{"taskId":["a"],"status":"success"}', "no task id"),
        (b'{"taskId":"../a","status":"success"}', "no task id"),
        (b'{"taskId":"a","status":"handling"}', "not terminal"),
        (b'{"taskId":"a","status":"queued"}', "not terminal"),
        (b'{"taskId":"a","status":"postprocessing"}', "not terminal"),
    ],
)
def test_a_signed_body_without_an_end_is_trusted_and_brings_no_news(raw: bytes, why: str) -> None:
    found = heard(raw, signed(raw))

    assert (found.trusted, found.news, found.why) == (True, None, why)


def test_a_stale_body_without_an_end_says_both() -> None:
    assert heard(b"{}", signed(b"{}"), now=STAMP + 9999).why == "stale; no status"


def test_the_raw_body_is_kept_capped_and_without_url_queries() -> None:
    raw = SUCCESS.replace(b"0.png", b"0.png?sig=SECRET").replace(b'"model"', b'"padding":"' + b"x" * 9000 + b'","model"')
    found = heard(raw, signed(raw))

    assert len(found.raw) == 4096
    assert b"SECRET" not in heard(raw[:250] + raw[9260:], {}, secret="").raw


@pytest.mark.parametrize("status", ["succeeded", "completed", "failed", "timeout", "cancelled"])
def test_other_words_for_an_end_are_ends(status: str) -> None:
    raw = json.dumps({"taskId": TASK_ID, "status": status}).encode()

    assert heard(raw, signed(raw)).news is not None


# -- any bytes, any headers ----------------------------------------------------------------------------

TASKS: Any = st.fixed_dictionaries(
    {},
    optional={
        "taskId": st.text(max_size=10) | st.integers(),
        "status": st.sampled_from(["success", "fail", "queued", "odd"]) | st.none(),
        "output": st.lists(st.dictionaries(st.sampled_from(["url", "type", "expireAt"]), st.text(max_size=20) | st.integers())),
        "error": st.text(max_size=9) | st.dictionaries(st.sampled_from(["code", "message"]), st.text(max_size=9)),
        "data": st.dictionaries(st.sampled_from(["taskId", "status"]), st.sampled_from(["success", "a"])),
    },
)
BODIES = st.binary(max_size=200) | TASKS.map(lambda value: json.dumps(value).encode())


@given(BODIES)
def test_any_signed_body_is_heard(raw: bytes) -> None:
    found = heard(raw, signed(raw))

    assert found.trusted
    assert (found.news is None) == bool(found.why)


@given(BODIES, st.dictionaries(st.sampled_from(["X-HiAPI-Timestamp", "x-hiapi-signature"]), st.text(max_size=70)))
def test_any_headers_are_rejected_with_their_name(raw: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(SignatureRejected):
        heard(raw, headers)


@given(
    BODIES,
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda text: text.strip() == text),
    st.integers(STAMP - 400, STAMP + 400),
    st.booleans(),
)
def test_the_official_verifier_agrees(raw: bytes, secret: str, stamp: int, tampered: bool) -> None:
    headers = signed(raw, secret=secret, stamp=str(stamp))
    arrived = raw + b" " if tampered else raw

    theirs = _official(arrived, headers, secret)
    ours = _ours(arrived, headers, secret)

    assert ours == theirs


def _official(raw: bytes, headers: dict[str, str], secret: str) -> str:
    stamp, mac = headers["X-HiAPI-Timestamp"], headers["X-HiAPI-Signature"]
    try:
        verify_webhook(raw, signature=mac, timestamp=stamp, secret=secret, now=STAMP)
    except WebhookVerificationError as error:
        said = str(error)
        if "mismatch" in said:
            return "rejected"
        return "stale" if "tolerance" in said else "trusted"
    except (AttributeError, TypeError, ValueError):
        # Its parser stumbles over bodies that are no objects; by then it has verified them.
        return "trusted"
    return "trusted"


def _ours(raw: bytes, headers: dict[str, str], secret: str) -> str:
    try:
        found = heard(raw, headers, secret=secret, now=STAMP)
    except SignatureRejected:
        # The official verifier looks at the time first.
        return "stale" if abs(STAMP - int(headers["X-HiAPI-Timestamp"])) > 300 else "rejected"
    return "trusted" if found.trusted else "stale"
