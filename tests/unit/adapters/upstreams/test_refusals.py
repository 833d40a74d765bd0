"""What a refusal is about: the request, a model or the account. What it says is believed before its status."""

import json
from typing import Any

import httpx
import pytest

from darkroom.adapters.upstreams.refusals import POLICY_SCANNED, is_policy
from darkroom.errors import About, UpstreamError, UpstreamRefused, UpstreamUnavailable
from tests.contract.hiapi import gateways as hiapi
from tests.contract.upstreams.gateways import CASES, answered

EACH = ("hiapi", *CASES)
REQUEST, MODEL, ACCOUNT = About.REQUEST, About.MODEL, About.ACCOUNT


def flat(code: str | None, status: int, message: str = "no") -> dict[str, Any]:
    """HiAPI's documented envelope."""
    return {"code": status, "message": message, "data": None} | ({"error_code": code} if code else {})


def said(code: Any, message: str = "no", **more: Any) -> dict[str, Any]:
    """HiAPI's other envelope, Pixapi's, and that of everything that imitates OpenAI."""
    return {"error": {"code": code, "message": message, **more}}


def created(name: str, status: int, body: Any) -> UpstreamError:
    if name != "hiapi":
        error = answered(name, status, body)
    else:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        with pytest.raises(UpstreamError) as caught:
            hiapi.mocked(lambda _: httpx.Response(status, content=raw)).submit(b"{}", key="task_A:1", timeout_s=5)
        error = caught.value
    assert isinstance(error, UpstreamError)
    return error


SAFETY = "Your request was rejected by the safety system"
POLICY = "Your prompt violates our content policy. Repeated violations may cost you your account and its key."
REFUSALS: list[tuple[int, Any, str, About]] = [
    # the content, whatever the status
    *[(status, said("content_policy_violation", "x"), "content_rejected", REQUEST) for status in (400, 401, 402, 403, 422)],
    *[(status, said(None, SAFETY), "content_rejected", REQUEST) for status in (400, 401, 402, 403, 422)],
    (403, said(None, POLICY), "content_rejected", REQUEST),
    (403, said("moderation_blocked", "flagged"), "content_rejected", REQUEST),
    (403, said("ModerationBlocked", "flagged"), "content_rejected", REQUEST),
    (403, said("permission_denied", SAFETY, type="hiapi_error"), "content_rejected", REQUEST),
    (403, said("forbidden", POLICY), "content_rejected", REQUEST),
    (403, flat("INVALID_REQUEST", 403, SAFETY), "content_rejected", REQUEST),
    (401, flat(None, 401, SAFETY), "content_rejected", REQUEST),
    (402, said(402, SAFETY, type="invalid_request_error"), "content_rejected", REQUEST),
    (403, {"detail": SAFETY}, "content_rejected", REQUEST),
    (403, b"Request blocked: NSFW", "content_rejected", REQUEST),
    (422, said("prompt_rejected"), "content_rejected", REQUEST),
    # a model, whatever the status
    *[(status, said("model_not_found"), "model_unavailable", MODEL) for status in (400, 401, 402, 403, 404)],
    (403, flat("MODEL_UNAVAILABLE", 403), "model_unavailable", MODEL),
    (403, said("ModelNotSupported", "your account has no such model"), "model_unavailable", MODEL),
    (403, said("unknown-model", "check your key"), "model_unavailable", MODEL),
    (404, said(404, type="model_not_found"), "model_unavailable", MODEL),
    (403, said(None, type="content_policy_violation"), "content_rejected", REQUEST),
    # the key, or its plan, for this model
    (403, said("permission_denied", "no", type="hiapi_error"), "upstream_auth", MODEL),
    (403, said("permission_denied", "This API key has no access to the model gpt-image-2"), "upstream_auth", MODEL),
    (403, said("forbidden", "your plan does not include this model"), "upstream_auth", MODEL),
    (401, said("permission_denied", "the model is not in your plan"), "upstream_auth", MODEL),
    (403, flat(None, 403), "upstream_auth", MODEL),
    (403, said("access_denied"), "upstream_auth", MODEL),
    (403, b"", "upstream_auth", MODEL),
    (403, b"<html><body data-account='key'>403 Forbidden</body></html>", "upstream_auth", MODEL),
    # the key or the account
    (401, said("unauthorized"), "upstream_auth", ACCOUNT),
    (401, flat(None, 401, "missing or invalid key"), "upstream_auth", ACCOUNT),
    (401, said("permission_denied"), "upstream_auth", ACCOUNT),
    (401, said(None, "Invalid API key for the model gpt-image-2"), "upstream_auth", ACCOUNT),
    (401, b"", "upstream_auth", ACCOUNT),
    (403, said("permission_denied", "the API key has been revoked"), "upstream_auth", ACCOUNT),
    (403, said("forbidden", "Your account is suspended"), "upstream_auth", ACCOUNT),
    (403, said("account_suspended", "see our usage policy"), "upstream_auth", ACCOUNT),
    (403, said("InvalidApiKey"), "upstream_auth", ACCOUNT),
    (403, flat(None, 403, "Expired token"), "upstream_auth", ACCOUNT),
    (200, said("unauthorized"), "upstream_auth", ACCOUNT),
    # its balance
    (402, said("insufficient_credits"), "upstream_quota", ACCOUNT),
    (402, flat(None, 402, "balance too low"), "upstream_quota", ACCOUNT),
    (402, b"", "upstream_quota", ACCOUNT),
    (403, said("insufficient_user_quota"), "upstream_quota", ACCOUNT),
    (403, flat(None, 403, "insufficient balance"), "upstream_quota", ACCOUNT),
    (429, said("insufficient_quota", "check your plan and billing details"), "upstream_quota", ACCOUNT),
    (503, flat("INSUFFICIENT_BALANCE", 503), "upstream_quota", ACCOUNT),
    # the request
    (403, flat("INVALID_REQUEST", 403), "generation_failed", REQUEST),
    (403, said("TASK_FAILED"), "generation_failed", REQUEST),
    (400, said("invalid_parameter", "unknown key 'account' for this model"), "generation_failed", REQUEST),
    (415, flat(None, 415), "generation_failed", REQUEST),
]


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(("status", "body", "reason", "about"), REFUSALS)
def test_a_refusal_is_sorted_by_what_it_says_before_its_status(
    name: str, status: int, body: Any, reason: str, about: About
) -> None:
    error = created(name, status, body)

    assert isinstance(error, UpstreamRefused)
    assert (error.reason, error.about) == (reason, about)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("body", [said("rate_limit_exceeded", "your key has too many requests"), said(None, "quota"), b""])
def test_a_429_that_does_not_name_the_account_in_its_code_is_want_of_capacity(name: str, body: Any) -> None:
    assert type(created(name, 429, body)) is UpstreamUnavailable


@pytest.mark.parametrize("name", EACH)
def test_only_a_denied_model_is_explained(name: str) -> None:
    denied = created(name, 403, said("permission_denied", "denied"))
    revoked = created(name, 403, said("permission_denied", "the API key has been revoked"))
    flagged = created(name, 403, said("moderation_blocked", "flagged"))

    assert denied.message == "the upstream key or its plan may not use this model: denied"
    assert (revoked.message, flagged.message) == ("the API key has been revoked", "flagged")


@pytest.mark.parametrize(
    ("reason", "status", "about"),
    [
        ("upstream_auth", 401, ACCOUNT),
        ("upstream_auth", None, ACCOUNT),
        ("upstream_auth", 403, MODEL),
        ("upstream_quota", 402, ACCOUNT),
        ("model_unavailable", 404, MODEL),
        ("content_rejected", 403, REQUEST),
    ],
)
def test_an_adapter_that_does_not_say_what_a_refusal_is_about_means_the_usual(
    reason: str, status: int | None, about: About
) -> None:
    assert UpstreamRefused("no", reason=reason, status=status).about is about


def test_policy_is_looked_for_in_the_beginning_of_a_text_only() -> None:
    near, far = "x" * (POLICY_SCANNED - 40), "x" * POLICY_SCANNED

    assert is_policy("", f"{near} against our content policy")
    assert not is_policy("", f"{far} against our content policy")
    assert not is_policy(f"{far}moderation", "")
