"""What each answer to a look means, and what a task object says in every form that has been seen."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.news import News, Says
from darkroom.domain.task import Output
from darkroom.errors import OutcomeUnknown, UpstreamError, UpstreamRefused, UpstreamTaskNotFound, UpstreamUnavailable
from tests.contract.hiapi.gateways import mocked

TASK_ID = "tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR"
URL = "https://cdn.hiapi.ai/tasks/example/0.png"


def looked(status: int, body: Any, **headers: str) -> News:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return mocked(lambda _: httpx.Response(status, content=raw, headers=named)).look(TASK_ID, attempt=2, timeout_s=5)


def task(status: Any, **fields: Any) -> dict[str, Any]:
    return {"code": 200, "message": "success", "data": {"taskId": TASK_ID, "status": status, **fields}}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("queued", Says.QUEUED),
        ("handling", Says.GENERATING),
        ("archiving", Says.ARCHIVING),
        ("success", Says.SUCCEEDED),
        ("fail", Says.FAILED),
        ("pending", Says.QUEUED),
        ("processing", Says.GENERATING),
        ("succeeded", Says.SUCCEEDED),
        ("failed", Says.FAILED),
        ("timeout", Says.FAILED),
        ("cancelled", Says.FAILED),
        (" Success ", Says.SUCCEEDED),
        ("postprocessing", Says.WORKING),
    ],
)
def test_every_status_word_is_understood_or_means_ask_again(word: str, says: Says) -> None:
    news = looked(200, task(word), X_Request_Id="req-1")

    assert (news.says, news.word, news.attempt, news.by) == (says, word.strip(), 2, "poll")
    assert (news.upstream_task_id, news.request_id) == (TASK_ID, "req-1")


def test_a_bare_task_is_read_like_a_wrapped_one() -> None:
    assert looked(200, task("handling")["data"]).says is Says.GENERATING


def test_a_task_without_its_id_is_the_one_that_was_asked_for_and_another_id_is_told() -> None:
    assert looked(200, {"data": {"status": "queued"}}).upstream_task_id == TASK_ID
    assert looked(200, {"data": {"status": "queued", "taskId": "other"}}).upstream_task_id == "other"


# -- outputs -------------------------------------------------------------------------------------------


def outputs(*entries: Any) -> tuple[Output, ...]:
    return looked(200, task("success", output=list(entries))).outputs


def test_outputs_are_the_images_in_their_order() -> None:
    entries = [
        {"url": URL + "?n=1", "type": "image", "expireAt": 1_777_886_899},
        {"url": URL + "?n=2", "expireAt": 1_777_886_899_000},
        {"url": URL + "?n=3", "type": None, "expireAt": "2026-05-04T09:28:19Z"},
        {"url": URL + "?n=4", "type": "image"},
    ]

    assert outputs(*entries) == (
        Output(url=URL + "?n=1", expires_at=1_777_886_899),
        Output(url=URL + "?n=2", expires_at=1_777_886_899),
        Output(url=URL + "?n=3", expires_at=1_777_886_899),
        Output(url=URL + "?n=4", expires_at=None),
    )


@pytest.mark.parametrize(
    "entry",
    [
        {"url": URL, "type": "video"},
        {"url": URL, "type": "thumbnail"},
        {"url": URL, "type": ["image"]},
        {"url": "data:image/png;base64,iVBOR", "type": "image"},
        {"url": "ftp://cdn.example/0.png", "type": "image"},
        {"url": "/0.png", "type": "image"},
        {"url": "https://", "type": "image"},
        {"url": "https://[::1", "type": "image"},
        {"url": "https://cdn.example/a b", "type": "image"},
        {"url": "https://cdn.example/\ud800", "type": "image"},
        {"url": "https://cdn.example/" + "a" * 9000, "type": "image"},
        {"url": 5, "type": "image"},
        {"type": "image"},
        None,
    ],
)
def test_what_cannot_be_fetched_as_an_image_is_left_out(entry: Any) -> None:
    assert outputs(entry, {"url": URL, "type": "image"}) == (Output(url=URL),)


@pytest.mark.parametrize(
    "output",
    [
        URL,
        [URL],
        [f" {URL}\n"],
        {"url": URL},
        {"url": URL, "type": "image/png"},
        [{"url": URL, "type": "IMAGE"}],
        {"images": [{"image_url": {"url": URL}}]},
        json.dumps([{"url": URL}]),
    ],
)
def test_an_output_is_read_in_every_form(output: Any) -> None:
    assert looked(200, task("success", output=output)).outputs == (Output(url=URL),)


def test_an_output_may_be_the_picture_itself() -> None:
    (output,) = outputs({"url": "data:image/png;base64,iVBORw0KGgo=", "type": "image"})

    assert output.url == "data:image/png;base64,iVBORw0KGgo="


def test_what_cannot_be_read_of_several_outputs_is_told() -> None:
    news = looked(200, task("success", output=[{"url": URL}, {"url": "ftp://cdn.example/0.png"}, {"type": "image"}]))

    assert news.missing == ("output 2: its address is none that can be fetched", "output 3: no address and no picture in it")


@pytest.mark.parametrize("fields", [{}, {"output": []}, {"output": None}])
def test_a_success_without_an_image_is_still_a_success(fields: dict[str, Any]) -> None:
    news = looked(200, task("success", **fields))

    assert (news.says, news.outputs) == (Says.SUCCEEDED, ())


def test_only_a_success_has_outputs() -> None:
    assert looked(200, task("handling", output=[{"url": URL}])).outputs == ()


# -- failures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"code": "TASK_FAILED", "message": "task failed"}, "generation_failed", "manual"),
        ({"code": "TASK_TIMEOUT", "message": "late"}, "generation_failed", "later"),
        ({"code": "STORAGE_UNAVAILABLE", "message": "disk"}, "generation_failed", "later"),
        ({"code": "MODEL_UNAVAILABLE", "message": "down"}, "model_unavailable", "later"),
        ({"code": "content_policy_violation", "message": "no"}, "content_rejected", "manual"),
        ({"code": "TASK_FAILED", "message": "flagged by content moderation"}, "content_rejected", "manual"),
        ({"code": "TASK_FAILED", "message": "upstream rejected the prompt"}, "generation_failed", "manual"),
        ("it broke", "generation_failed", "manual"),
        (None, "generation_failed", "manual"),
        ([], "generation_failed", "manual"),
        ({"code": {}, "message": 5.5}, "generation_failed", "manual"),
    ],
)
def test_a_failed_task_gets_our_code_and_what_it_cost_is_unknown(error: Any, code: str, retryable: str) -> None:
    found = looked(200, task("fail", error=error)).error

    assert found is not None
    assert (found.code, found.retryable, found.charged) == (code, retryable, "unknown")
    assert found.message


def test_a_failure_keeps_what_the_upstream_said_for_a_support_ticket() -> None:
    message = "gave up on https://in.example/a.png?sig=SECRET (request id: 20260626-abc) " + "x" * 900
    found = looked(200, task("fail", error={"code": "TASK_FAILED", "message": message})).error

    assert found is not None
    assert found.upstream_code == "TASK_FAILED"
    assert found.upstream_message is not None
    assert found.upstream_message.startswith("gave up on https://in.example/a.png (request id")
    assert len(found.upstream_message) == 500
    assert found.upstream_request_id == "20260626-abc"


def test_the_status_timeout_is_a_passing_failure_even_without_a_code() -> None:
    found = looked(200, task("timeout")).error

    assert found is not None
    assert (found.upstream_code, found.retryable) == ("TASK_TIMEOUT", "later")


def test_the_raw_body_is_kept_capped_and_without_url_queries() -> None:
    news = looked(200, task("success", output=[{"url": URL + "?sig=SECRET"}], padding="x" * 9000))

    assert len(news.raw) == 4096
    assert b"SECRET" not in news.raw
    assert news.outputs[0].url.endswith("?sig=SECRET")


# -- no news -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, {"code": 404, "message": "task not found", "data": None}, UpstreamTaskNotFound),
        (404, b"", UpstreamTaskNotFound),
        (200, {"code": 404, "message": "task not found", "data": None}, UpstreamTaskNotFound),
        (200, {"error": {"code": "task_not_found", "message": "no"}}, UpstreamTaskNotFound),
        (429, b"", UpstreamUnavailable),
        (503, b"", UpstreamUnavailable),
        (500, b"<html>", UpstreamUnavailable),
        (502, b"", UpstreamUnavailable),
        (504, b"", UpstreamUnavailable),
        (408, b"", UpstreamUnavailable),
        (200, {"error": {"code": "rate_limit_exceeded", "message": "no"}}, UpstreamUnavailable),
        (200, {"code": 500, "message": "no", "data": None}, UpstreamUnavailable),
        (401, b"", UpstreamRefused),
        (402, b"", UpstreamRefused),
        (403, {"error": {"code": "permission_denied", "message": "no"}}, UpstreamRefused),
        (200, {"error": {"code": "permission_denied", "message": "no"}}, UpstreamRefused),
        (200, {"code": 402, "message": "balance", "data": None}, UpstreamRefused),
        (200, b"", OutcomeUnknown),
        (200, b"<html>", OutcomeUnknown),
        (200, b"[]", OutcomeUnknown),
        (200, {"code": 200, "message": "success", "data": {"taskId": TASK_ID}}, OutcomeUnknown),
        (200, task(None), OutcomeUnknown),
        (200, task(["success"]), OutcomeUnknown),
        (302, b"", OutcomeUnknown),
        (400, b"", OutcomeUnknown),
        (404, task("success"), UpstreamTaskNotFound),
    ],
)
def test_a_look_without_news_says_what_to_do_next(status: int, body: Any, error: type[UpstreamError]) -> None:
    with pytest.raises(error) as caught:
        looked(status, body)

    assert type(caught.value) is error
    assert caught.value.status == status


def test_the_id_cannot_leave_its_place_in_the_path() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(404)

    for odd in ("a/../b", "..", "a?b#c", "ä\n", "a%2Fb"):
        with pytest.raises(UpstreamTaskNotFound):
            mocked(answer).look(odd, attempt=1, timeout_s=5)

    assert asked == [f"/v1/tasks/{quoted}" for quoted in ("a%2F%2E%2E%2Fb", "%2E%2E", "a%3Fb%23c", "%C3%A4%0A", "a%252Fb")]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([URL, "success", "fail"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "status", "taskId", "output", "url", "type", "expireAt", "error", "code", "message", "request_id"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)


@given(VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_every_body_is_news_or_a_named_error(raw: bytes) -> None:
    try:
        news = looked(200, raw)
    except UpstreamError:
        return
    assert len(news.raw) <= 4096
    assert len(news.word) <= 64
    assert (news.error is not None) == (news.says is Says.FAILED)


@given(
    st.fixed_dictionaries(
        {"status": st.sampled_from(["success", "fail", "queued"]), "output": VALUES, "error": VALUES, "taskId": VALUES}
    )
)
def test_no_field_of_a_task_makes_it_raise(fields: dict[str, Any]) -> None:
    assert looked(200, {"data": fields}).upstream_task_id
