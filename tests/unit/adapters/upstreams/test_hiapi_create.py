"""What each answer to a create means: accepted, ask again, do not, or find out."""

import json
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.errors import OutcomeUnknown, UpstreamError, UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Accepted
from tests.contract.hiapi.gateways import API_KEY, T0, mocked

TASK_ID = "tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR"
BODY = b'{"model":"m"}'


def created(status: int, body: Any, **headers: str) -> Accepted:
    """What the adapter makes of one answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    gateway = mocked(lambda _: httpx.Response(status, content=raw, headers=named))
    return gateway.submit(BODY, key="task_A:1", timeout_s=5)


def answered(ask: Callable[[], Accepted]) -> Accepted | UpstreamError:
    try:
        return ask()
    except UpstreamError as error:
        return error


def refused(status: int, body: Any, **headers: str) -> UpstreamRefused:
    with pytest.raises(UpstreamRefused) as caught:
        created(status, body, **headers)
    return caught.value


def flat(code: str | None, status: int = 400, message: str = "no") -> dict[str, Any]:
    return {"code": status, "message": message, "data": None} | ({"error_code": code} if code else {})


def nested(code: Any, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


def in_task(code: str, message: str = "no") -> dict[str, Any]:
    return {"code": 200, "message": "success", "data": {"status": "fail", "error": {"code": code, "message": message}}}


# -- accepted -----------------------------------------------------------------------------------------


def test_a_task_id_in_a_success_is_an_acceptance() -> None:
    accepted = created(200, {"code": 200, "message": "success", "data": {"taskId": TASK_ID}}, X_Request_Id="req-1")

    assert accepted == Accepted(upstream_task_id=TASK_ID, replayed=False, request_id="req-1")


@pytest.mark.parametrize("said", ["true", "True", " TRUE "])
def test_a_replay_is_told_by_its_header(said: str) -> None:
    assert created(200, {"data": {"taskId": TASK_ID}}, Idempotent_Replay=said).replayed


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"task_id": "a-1"}},
        {"data": {"id": "a-1"}},
        {"taskId": "a-1"},
        {"task_id": "a-1"},
        {"data": {"taskId": "a-1", "id": "b"}},
    ],
)
def test_other_spellings_of_the_id_are_a_fallback(body: Any) -> None:
    assert created(201, body).upstream_task_id == "a-1"


def test_a_task_that_is_named_beside_an_error_exists_and_looking_at_it_will_tell() -> None:
    body = {"data": {"taskId": TASK_ID, "status": "fail", "error": {"code": "TASK_FAILED", "message": "no"}}}

    assert created(200, body).upstream_task_id == TASK_ID


@pytest.mark.parametrize("task_id", ["", " ", "a b", "../x", "a" * 129, "ä", "a\n", 5, [], {"a": 1}, True, None])
def test_an_id_of_a_form_that_no_gateway_gives_is_no_acceptance(task_id: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="names no task"):
        created(200, {"code": 200, "message": "success", "data": {"taskId": task_id}})


@pytest.mark.parametrize("body", [{"id": "req-1"}, nested("odd") | {"id": "req-1"}, nested("odd") | {"data": {"id": "req-1"}}])
def test_an_id_that_may_be_anythings_is_not_taken_for_a_tasks(body: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        created(200, body)


# -- the first request with this key is still running --------------------------------------------------


@pytest.mark.parametrize("place", ["data", "error", "top"])
def test_a_busy_key_whose_task_is_named_is_accepted_as_a_repeat(place: str) -> None:
    body = nested("IDEMPOTENCY_KEY_PROCESSING", **({"taskId": TASK_ID} if place == "error" else {}))
    body |= {"data": {"taskId": TASK_ID}} if place == "data" else {"taskId": TASK_ID} if place == "top" else {}

    assert created(409, body) == Accepted(upstream_task_id=TASK_ID, replayed=True)


@pytest.mark.parametrize(
    ("header", "seconds"), [({}, 5), ({"Retry_After": "7"}, 7), ({"Retry_After": "0"}, 0), ({"Retry_After": "?"}, 5)]
)
def test_a_busy_key_without_a_task_is_asked_again_a_little_later(header: dict[str, str], seconds: float) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        created(409, flat("IDEMPOTENCY_KEY_PROCESSING", 409), **header)

    assert caught.value.retry_after == seconds
    assert caught.value.code == "IDEMPOTENCY_KEY_PROCESSING"


def test_a_busy_keys_other_ids_are_not_taken_for_its_tasks() -> None:
    with pytest.raises(OutcomeUnknown):
        created(409, nested("IDEMPOTENCY_KEY_PROCESSING", id="err-1") | {"id": "req-1"})


def test_other_bytes_under_our_own_key_are_our_bug_and_nobody_knows_what_it_cost() -> None:
    error = refused(422, flat("IDEMPOTENCY_KEY_MISMATCH", 422))

    assert (error.reason, error.charged) == ("submission_outcome_unknown", "unknown")


# -- refused before any work was done ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, flat("rate_limit_exceeded", 429)),
        (429, nested("RATE_LIMIT_EXCEEDED")),
        (429, b""),
        (429, b"<html>slow down</html>"),
        (503, flat(None, 503)),
        (503, nested("MODEL_UNAVAILABLE")),
        (400, nested("rate_limit_exceeded")),
        (200, nested("rate_limit_exceeded")),
        (200, {"code": 429, "message": "slow down", "data": None}),
        (200, nested(503)),
    ],
)
def test_before_any_work_means_ask_again(status: int, body: Any) -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        created(status, body)

    assert caught.value.status == status
    assert caught.value.about_the_request is isinstance(body, dict)


@pytest.mark.parametrize(
    "body", [b"upstream connect error", b"<html>503</html>", b"", nested("STORAGE_UNAVAILABLE"), flat("TASK_TIMEOUT", 503)]
)
def test_a_503_that_the_gateway_did_not_write_or_that_tells_of_work_promises_nothing(body: Any) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        created(503, body)

    assert caught.value.status == 503


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        ("2.5", 2.5),
        ("0", 0),
        ("-3", 0),
        ("99999", 3600),
        ("9" * 400, 3600),
        (formatdate(T0 + 90, usegmt=True), 90),
        (formatdate(T0 - 90, usegmt=True), 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3600),
        ("", None),
        ("soon", None),
        ("1_0", None),
        ("nan", None),
        ("5, 5", None),
        ("Wed, 99 Oct 2099 99:28:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_within_an_hour(said: str, seconds: float | None) -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        created(429, flat("rate_limit_exceeded", 429), Retry_After=said)

    assert caught.value.retry_after == (None if seconds is None else pytest.approx(seconds, abs=1))


# -- a definite no -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, flat(None, 401), "upstream_auth"),
        (401, nested("permission_denied"), "upstream_auth"),
        (401, b"", "upstream_auth"),
        (403, nested("permission_denied"), "upstream_auth"),
        (403, b"<html>", "upstream_auth"),
        (200, nested("permission_denied"), "upstream_auth"),
        (200, nested(401), "upstream_auth"),
        (200, {"code": 401, "message": "bad key", "data": None}, "upstream_auth"),
        (402, flat(None, 402), "upstream_quota"),
        (402, b"", "upstream_quota"),
        (200, {"code": 402, "message": "balance", "data": None}, "upstream_quota"),
        (400, flat("MODEL_UNAVAILABLE"), "model_unavailable"),
        (404, nested("model_not_found"), "model_unavailable"),
        (200, nested("Model-Not-Found"), "model_unavailable"),
        (500, nested("model_not_found"), "model_unavailable"),
        (400, flat("INVALID_REQUEST"), "generation_failed"),
        (200, flat("INVALID_REQUEST"), "generation_failed"),
        (200, flat(None), "generation_failed"),
        (500, flat("INVALID_REQUEST", 500), "generation_failed"),
        (400, nested("invalid_parameter"), "generation_failed"),
        (400, b"<html>bad request</html>", "generation_failed"),
        (404, b"", "generation_failed"),
        (413, b"", "generation_failed"),
        (415, flat(None, 415), "generation_failed"),
        (409, flat("CONFLICT", 409), "generation_failed"),
        (422, flat("INVALID_REQUEST", 422), "generation_failed"),
        (400, {"error": "invalid_request"}, "generation_failed"),
        (400, nested("content_policy_violation"), "content_rejected"),
        (200, nested("moderation_blocked"), "content_rejected"),
        (400, flat("INVALID_REQUEST", message="The prompt violates our content policy."), "content_rejected"),
        (400, flat("TASK_FAILED", message="rejected by the safety system"), "content_rejected"),
    ],
)
def test_a_definite_no_gets_its_reason(status: int, body: Any, reason: str) -> None:
    assert refused(status, body).reason == reason


@pytest.mark.parametrize(
    ("status", "body", "charged"),
    [
        (401, b"", "no"),
        (402, b"", "no"),
        (400, flat("INVALID_REQUEST"), "no"),
        (400, flat("MODEL_UNAVAILABLE"), "no"),
        (400, nested("content_policy_violation"), "no"),
        (200, in_task("TASK_FAILED"), "unknown"),
        (400, flat("TASK_FAILED"), "unknown"),
        (200, in_task("TASK_TIMEOUT"), "unknown"),
        (409, flat(None, 409), "unknown"),
        (409, b"<html>", "unknown"),
        (422, b"", "unknown"),
        (409, flat("CONFLICT", 409), "no"),
    ],
)
def test_a_no_says_what_it_cost(status: int, body: Any, charged: str) -> None:
    assert refused(status, body).charged == charged


@pytest.mark.parametrize(
    ("code", "retryable"), [("MODEL_UNAVAILABLE", "later"), ("model_not_found", "manual"), ("INVALID_REQUEST", "manual")]
)
def test_only_a_model_that_is_down_is_worth_a_new_try(code: str, retryable: str) -> None:
    assert refused(400, flat(code)).retryable == retryable


def test_a_403_says_who_may_not() -> None:
    assert (
        refused(403, nested("permission_denied", "denied")).message
        == "the upstream key or its plan may not use this model: denied"
    )


@pytest.mark.parametrize("message", ["task failed", "rate policy", "upstream rejected the prompt", "storage policy", ""])
def test_a_refusal_is_called_one_of_content_only_when_it_clearly_is(message: str) -> None:
    assert refused(400, flat("TASK_FAILED", message=message)).reason == "generation_failed"


# -- nobody knows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *[
            (status, body)
            for status in (500, 501, 502, 504, 520, 599)
            for body in (b"", b"<html>", flat(None, 500), nested("odd"))
        ],
        (500, flat("TASK_FAILED", 500)),
        (504, nested("task_timeout")),
        (500, flat("STORAGE_UNAVAILABLE", 500)),
        (408, b""),
        (425, b""),
        (418, b""),
        (302, b""),
        (301, nested("invalid_request")),
        (200, b""),
        (200, b"<html>ok</html>"),
        (200, b'{"data":{"taskId":"tk-'),
        (200, b"[]"),
        (200, b'{"data":{"taskId":"a"},"data":{"taskId":"b"}}'),
        (200, {}),
        (200, {"code": 200, "message": "success", "data": {}}),
        (200, {"code": 200, "message": "success", "data": [{"taskId": "a"}]}),
        (200, {"code": 0, "message": "ok"}),
        (200, nested("odd_code")),
        (200, {"error": {"message": "something"}}),
        (200, {"code": 500, "message": "internal", "data": None}),
        (204, b""),
    ],
)
def test_what_is_neither_yes_nor_no_must_be_found_out(status: int, body: Any) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        created(status, body, Location="https://elsewhere.example/v1/tasks")

    assert caught.value.status == status


# -- what is kept of it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (nested("permission_denied"), {"X_Request_Id": "20260626-abc"}),
        (nested("permission_denied", request_id="20260626-abc"), {}),
        (nested("permission_denied") | {"request_id": "20260626-abc"}, {}),
        (nested("permission_denied") | {"requestId": "20260626-abc"}, {}),
        (nested("permission_denied", "denied (request id: 20260626-abc)"), {}),
        (nested("permission_denied", 'denied, "request_id": "20260626-abc"'), {}),
    ],
)
def test_the_request_id_is_found_in_every_place(body: Any, headers: dict[str, str]) -> None:
    error = refused(403, body, **headers)

    assert error.request_id == "20260626-abc"
    assert error.code == "permission_denied"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "a", "code": 5}, "message": "b"}, "a"),
        ({"message": "b", "detail": "c"}, "b"),
        ({"detail": "c"}, "c"),
        ({"error": "d"}, "d"),
        (b"<html>e</html>", "<html>e</html>"),
        (b"", "HTTP 400"),
        (b"x" * 9000, "x" * 500),
    ],
)
def test_the_message_is_found_in_every_place(body: Any, message: str) -> None:
    assert refused(400, body).message == message


def test_errors_keep_the_body_capped_and_hold_neither_keys_nor_url_queries() -> None:
    message = f"the key {API_KEY} may not fetch https://cdn.example/0.png?sig=SECRET"
    error = refused(403, nested("permission_denied", message) | {"padding": "x" * 9000})

    assert len(error.raw) == 4096
    for text in (str(error), error.message, error.raw.decode(), repr(error)):
        assert API_KEY not in text
        assert "SECRET" not in text


def test_a_key_of_unusual_form_is_not_quoted_back_either() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json=nested("unauthorized", f"unknown key {request.headers['authorization'][7:]}"))

    gateway = mocked(answer)
    gateway._secrets.fields["hiapi_api_key"] = "quite/unusual+key=="  # type: ignore[attr-defined]

    with pytest.raises(UpstreamRefused, match=r"^unknown key \[key\]$") as caught:
        gateway.submit(BODY, key="task_A:1", timeout_s=5)
    assert b"unusual" not in caught.value.raw


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["code", "error_code", "error", "data", "message", "taskId", "task_id", "id", "request_id", "status", "detail"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.integers(200, 599), JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100), st.text(max_size=20))
def test_every_answer_is_accepted_or_raises_a_named_error(status: int, raw: bytes, said: str) -> None:
    headers = [(b"Retry-After", said.encode()), (b"X-Request-Id", said.encode())]
    gateway = mocked(lambda _: httpx.Response(status, content=raw, headers=headers))

    outcome = answered(lambda: gateway.submit(BODY, key="task_A:1", timeout_s=5))

    if isinstance(outcome, Accepted):
        assert outcome.upstream_task_id
    else:
        assert outcome.retry_after is None or 0 <= outcome.retry_after <= 3600
        assert len(outcome.message) <= 600
        assert len(outcome.raw) <= 4096
