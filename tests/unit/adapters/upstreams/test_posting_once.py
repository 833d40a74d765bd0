"""What each answer to a POST without an idempotency key means, whatever it looks like."""

import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.news import Says
from darkroom.errors import OutcomeUnknown, UpstreamError, UpstreamRefused, UpstreamTaskNotFound, UpstreamUnavailable
from darkroom.ports import Accepted
from tests.contract.hiapi.gateways import API_KEY
from tests.contract.upstreams.gateways import CASES, IMMEDIATE, answered, mocked

EACH = tuple(CASES)
PIXAPI = ("pixapi", "pixapi_images")


def refusal(name: str, status: int, body: Any, **headers: str) -> UpstreamRefused:
    error = answered(name, status, body, **headers)
    assert type(error) is UpstreamRefused
    return error


def said(code: Any = None, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(
    ("status", "body", "reason", "charged"),
    [
        (402, b"", "upstream_quota", "no"),
        (401, b"<html>", "upstream_auth", "no"),
        (400, said(None, type="invalid_request_error"), "generation_failed", "no"),
        (400, said("bad", "this violates our content policy"), "content_rejected", "no"),
        (400, {"code": 400, "message": "gone", "data": None, "error_code": "MODEL_UNAVAILABLE"}, "model_unavailable", "no"),
        (200, said("insufficient_credits"), "upstream_quota", "no"),
        (200, said(404, type="model_not_found"), "model_unavailable", "no"),
        (200, said("TASK_FAILED"), "generation_failed", "unknown"),
        (200, {"code": 1001, "message": "something"}, "generation_failed", "unknown"),
        (200, {"error": "it went wrong"}, "generation_failed", "unknown"),
    ],
)
def test_a_definite_no_has_a_reason_and_a_price(name: str, status: int, body: Any, reason: str, charged: str) -> None:
    error = refusal(name, status, body)

    assert (error.reason, error.charged, error.status) == (reason, charged, status)


@pytest.mark.parametrize("name", PIXAPI)
@pytest.mark.parametrize(
    "body",
    [
        said("prompt_rejected"),
        said(422, type="prompt_rejected"),
        said(422),
        said(),
        {"code": 422, "message": "rejected"},
        {"code": 1422, "message": "rejected"},
    ],
)
def test_pixapis_422_is_always_about_the_prompt(name: str, body: Any) -> None:
    error = refusal(name, 422, body)

    assert (error.reason, error.charged) == ("content_rejected", "no")


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, b""),
        (429, said("rate_limited")),
        (200, said("rate_limited")),
        (200, said(429)),
        (503, said("model_unavailable")),
        (503, said(503, type="model_unavailable")),
        (503, {"code": 503, "message": "busy"}),
    ],
)
def test_what_provably_did_no_work_may_go_again(name: str, status: int, body: Any) -> None:
    error = answered(name, status, body, Retry_After="12")

    assert type(error) is UpstreamUnavailable
    assert error.retry_after == 12
    assert error.about_the_request is (body != b"")


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, said("internal_error")),
        (500, b""),
        (502, b"<html>"),
        (503, b"<html>"),
        (503, b""),
        (503, said("internal_error")),
        (503, said("upstream_timeout")),
        (504, said("timeout")),
        (408, said("timeout")),
        (301, b""),
        (200, b""),
        (200, b"OK"),
        (200, b"[1]"),
        (200, b'{"a":1,"a":2}'),
        (200, {}),
        (200, {"code": 0, "message": "ok"}),
        (204, b""),
        (599, said("TASK_FAILED")),
    ],
)
def test_what_may_have_been_begun_is_unknown(name: str, status: int, body: Any) -> None:
    assert type(answered(name, status, body)) is OutcomeUnknown


@pytest.mark.parametrize("body", [said("x") | {"id": "req_1"}, said("x") | {"data": {"id": "req_1"}}])
def test_beside_an_error_a_bare_id_is_no_task(body: Any) -> None:
    assert type(answered("pixapi", 200, body)) is UpstreamRefused


@pytest.mark.parametrize("body", [said("x") | {"task_id": "t-1"}, said("x") | {"data": {"taskId": "t-1"}}])
def test_beside_an_error_a_named_task_exists_and_looking_will_tell(body: Any) -> None:
    accepted = answered("pixapi", 200, body)

    assert isinstance(accepted, Accepted)
    assert accepted.upstream_task_id == "t-1"


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        ({"id": "task_1"}, "task_1"),
        ({"id": 17}, "17"),
        ({"id": "req_1", "task_id": "t-1"}, "t-1"),
        ({"id": "req_1", "data": {"task_id": "t-1"}}, "t-1"),
        ({"code": 200, "data": [{"task_id": "t:1/2.3", "status": "submitted"}]}, "t:1/2.3"),
        ({"code": "success", "data": {"id": "t-1"}}, "t-1"),
    ],
)
def test_an_id_is_found_and_stays_what_it_is(body: Any, task_id: str) -> None:
    accepted = answered("pixapi", 202, body)

    assert isinstance(accepted, Accepted)
    assert accepted.upstream_task_id == task_id


@pytest.mark.parametrize("task_id", ["", "  ", "a b", "x" * 129, "ä", None, True, [], 10**30])
def test_what_cannot_be_an_id_is_none(task_id: Any) -> None:
    assert type(answered("pixapi", 200, {"id": task_id})) is OutcomeUnknown


def test_images_beside_an_error_are_images() -> None:
    accepted = answered("pixapi_images", 200, {"data": [{"url": "https://cdn.example/0.png"}], **said("partial", "one of two")})

    assert isinstance(accepted, Accepted)
    assert accepted.news is not None
    assert accepted.news.says is Says.SUCCEEDED


@pytest.mark.parametrize("name", EACH)
def test_a_post_carries_the_key_the_exact_bytes_and_no_idempotency_key(name: str) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(402)

    with pytest.raises(UpstreamRefused):
        mocked(name, answer).submit(b'{"exact": "bytes"}', key="task_A:1", timeout_s=5)

    (request,) = sent
    assert (request.content, request.headers["authorization"]) == (b'{"exact": "bytes"}', f"Bearer {API_KEY}")
    assert request.headers["content-type"] == "application/json"
    assert "idempotency-key" not in request.headers


@pytest.mark.parametrize("name", EACH)
def test_errors_hold_no_key_and_no_url_query_and_little_of_the_body(name: str) -> None:
    message = f"the key {API_KEY} may not fetch https://cdn.example/0.png?sig=SECRET"
    error = refusal(name, 403, said("permission_denied", message) | {"padding": ["x" * 90] * 9000})

    assert len(error.raw) <= 4096
    for text in (str(error), error.message, error.raw.decode(), repr(error)):
        assert API_KEY not in text
        assert "SECRET" not in text


def test_what_is_kept_of_a_large_answer_is_its_shape_not_its_pictures() -> None:
    body = {"data": [{"b64_json": "A" * 200_000, "revised_prompt": "a red kite"}], "id": "x"}
    accepted = answered("pixapi_images", 200, body)

    assert isinstance(accepted, Accepted)
    assert accepted.news is not None
    assert b'"revised_prompt": "a red kite"' in accepted.news.raw
    assert "[200000 characters]" in accepted.news.raw.decode()


# -- whatever comes ------------------------------------------------------------------------------------

NAMES = [
    "code",
    "error_code",
    "error",
    "data",
    "message",
    "type",
    "taskId",
    "task_id",
    "id",
    "status",
    "url",
    "b64_json",
    "output",
]
CHAT = ["choices", "content", "images", "finish_reason", "refusal", "text", "image_url", "parts"]
WORDS = [
    "completed",
    "failed",
    "https://cdn.example/0.png",
    "data:image/png;base64,AAAA",
    "![x](https://cdn.example/0.png)",
    "422",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES + CHAT), inner, max_size=6),
    max_leaves=16,
)
BODIES = JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100)


@given(st.sampled_from(EACH), st.integers(200, 599), BODIES, st.text(max_size=20))
def test_every_answer_is_accepted_or_raises_a_named_error(name: str, status: int, raw: bytes, word: str) -> None:
    headers = [(b"Retry-After", word.encode()), (b"X-Request-Id", word.encode())]
    gateway = mocked(name, lambda _: httpx.Response(status, content=raw, headers=headers))

    try:
        outcome: Accepted | UpstreamError = gateway.submit(b"{}", key="k", timeout_s=5)
    except UpstreamError as error:
        outcome = error

    if isinstance(outcome, Accepted):
        assert 200 <= status < 300
        assert (outcome.news is not None) == (name in IMMEDIATE)
        assert outcome.upstream_task_id or name in IMMEDIATE
        assert outcome.news is None or (outcome.news.says is Says.FAILED) == (outcome.news.error is not None)
    else:
        assert outcome.retry_after is None or 0 <= outcome.retry_after <= 3600
        assert len(outcome.message) <= 600
        assert len(outcome.raw) <= 4096


@given(st.lists(st.dictionaries(st.sampled_from(["message", "finish_reason"]), JSON, max_size=2), max_size=3))
def test_every_choice_of_a_chat_is_an_image_or_an_error(choices: list[Any]) -> None:
    accepted = answered("hiapi_chat", 200, {"choices": choices})

    assert isinstance(accepted, Accepted)
    assert accepted.news is not None
    assert bool(accepted.news.outputs) != bool(accepted.news.error)


@given(st.integers(200, 599), BODIES)
def test_every_look_is_news_or_raises_a_named_error(status: int, raw: bytes) -> None:
    with suppress(UpstreamUnavailable, UpstreamRefused, OutcomeUnknown, UpstreamTaskNotFound):
        news = mocked("pixapi", lambda _: httpx.Response(status, content=raw)).look("task_1", attempt=2, timeout_s=5)

        assert (news.attempt, news.by) == (2, "poll")
        assert news.upstream_task_id
        assert (news.error is not None) == (news.says is Says.FAILED)
        assert not news.outputs or news.says is Says.SUCCEEDED
        assert len(news.word) <= 64


@given(JSON, st.sampled_from(["completed", "failed", "processing", "strange"]))
def test_every_task_with_a_status_is_news(found: Any, status: str) -> None:
    gateway = mocked(
        "pixapi", lambda _: httpx.Response(200, json={"id": "task_1", "status": status, "result": found, "error": found})
    )

    news = gateway.look("task_1", attempt=2, timeout_s=5)

    expected = {"completed": Says.SUCCEEDED, "failed": Says.FAILED, "processing": Says.GENERATING, "strange": Says.WORKING}
    assert news.says is expected[status]


@pytest.mark.parametrize(
    "task",
    [
        {"id": "task_1", "data": [{"url": "https://cdn.example/0.png"}]},
        {"data": {"task_id": "task_1", "status": "completed"}, "images": ["https://cdn.example/0.png"]},
        {"data": [{"task_id": "task_1", "state": "succeeded", "result": {"images": [{"url": ["https://cdn.example/0.png"]}]}}]},
    ],
)
def test_a_finished_task_is_read_although_half_of_it_is_missing_or_elsewhere(task: Any) -> None:
    gateway = mocked("pixapi", lambda _: httpx.Response(200, json=task))

    news = gateway.look("task_1", attempt=1, timeout_s=5)

    assert [output.url for output in news.outputs] == ["https://cdn.example/0.png"]


@pytest.mark.parametrize("task_id", ["..", "a/../b", "x?y=1#z", "日本"])
def test_an_id_cannot_lead_elsewhere(task_id: str) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(404)

    with pytest.raises(UpstreamTaskNotFound):
        mocked("pixapi", answer).look(task_id, attempt=1, timeout_s=5)

    path = sent[0].url.raw_path.decode()
    assert path.startswith("/v1/tasks/")
    assert not set("/?#") & set(path.removeprefix("/v1/tasks/"))
    assert ".." not in path
