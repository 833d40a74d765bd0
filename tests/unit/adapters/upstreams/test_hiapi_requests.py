"""What the adapter sends: frozen bytes, one key for every request, and never a secret where it could be read."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.errors import UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Upstream
from tests.contract.hiapi.gateways import API_KEY, RotatingSecrets, mocked

INPUT = {"prompt": "ein roter Drachen", "aspect_ratio": "1:1"}


def gateway() -> HiApi:
    return mocked(lambda _: httpx.Response(200, json={"data": {"taskId": "a-1"}}))


def test_the_adapter_keeps_the_port() -> None:
    upstream: Upstream = gateway()

    assert upstream.name == "hiapi"
    assert upstream.promises.collapses_repeats_for_s == 23 * 3600
    assert upstream.promises.calls_back
    assert upstream.promises.signs_callbacks
    assert not upstream.promises.can_cancel


# -- frozen bytes --------------------------------------------------------------------------------------


def test_the_frozen_bytes_are_compact_utf_8_with_callback_and_route_beside_the_input() -> None:
    frozen = gateway().freeze(
        model="m", route="ext", input={"prompt": "ein schöner Drachen"}, callback_url="https://us.example/cb"
    )

    assert frozen.decode() == (
        '{"callback":{"url":"https://us.example/cb","when":"final"},'
        '"input":{"prompt":"ein schöner Drachen"},"model":"m","route":"ext"}'
    )


@pytest.mark.parametrize("route", [None, "", "default"])
def test_the_default_route_and_no_callback_are_left_out(route: str | None) -> None:
    frozen = gateway().freeze(model="m", route=route, input=INPUT, callback_url=None)

    assert json.loads(frozen) == {"model": "m", "input": INPUT}


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers() | st.text(st.characters(codec="utf-8"))))
def test_equal_requests_freeze_to_equal_bytes_whatever_their_order(fields: dict[str, object]) -> None:
    turned = dict(reversed(fields.items()))
    freeze = gateway().freeze

    first = freeze(model="m", route="ext", input=fields, callback_url="https://us.example/cb")

    assert first == freeze(model="m", route="ext", input=turned, callback_url="https://us.example/cb")
    assert json.loads(first)["input"] == fields


# -- headers -------------------------------------------------------------------------------------------


def test_a_create_carries_the_key_the_idempotency_key_and_the_exact_bytes() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"data": {"taskId": "a-1"}})

    mocked(answer).submit(b'{"exact": "bytes"}', key="task_A:1", timeout_s=5)

    (request,) = sent
    assert (request.method, str(request.url)) == ("POST", "https://gateway.example/v1/tasks")
    assert request.content == b'{"exact": "bytes"}'
    assert request.headers["idempotency-key"] == "task_A:1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {API_KEY}"


# -- the key -------------------------------------------------------------------------------------------


def test_a_stray_line_break_around_the_key_is_trimmed() -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(404)

    with pytest.raises(UpstreamRefused):
        mocked(answer, RotatingSecrets(hiapi_api_key=f" {API_KEY}\r\n")).submit(b"{}", key="k", timeout_s=5)

    assert sent == [f"Bearer {API_KEY}"]


@pytest.mark.parametrize("key", ["", "  \n", "sk-01234\n56789", "sk-01234 56789", "sk-01234\0", "sk-schlüssel", "sk-\x7f0123"])
def test_a_key_that_cannot_be_one_is_refused_by_the_name_of_its_field(key: str) -> None:
    def never(_: httpx.Request) -> httpx.Response:
        pytest.fail("nothing may be sent")

    with pytest.raises(UpstreamRefused) as caught:
        mocked(never, RotatingSecrets(hiapi_api_key=key)).submit(b"{}", key="k", timeout_s=5)

    assert (caught.value.reason, caught.value.charged) == ("upstream_auth", "no")
    assert "hiapi_api_key" in caught.value.message
    assert "0123" not in caught.value.message


def test_a_secret_store_that_does_not_answer_means_that_nothing_was_sent() -> None:
    secrets = RotatingSecrets()
    secrets.down = True

    for ask in (
        lambda: mocked(lambda _: httpx.Response(200), secrets).submit(b"{}", key="k", timeout_s=5),
        lambda: mocked(lambda _: httpx.Response(200), secrets).look("a-1", attempt=1, timeout_s=5),
    ):
        with pytest.raises(UpstreamUnavailable, match="nothing was sent"):
            ask()


class Turnstile:
    """A gateway that knows one key; says 401, or an error inside a 200."""

    def __init__(self, accepts: str, *, status: int = 401) -> None:
        self.accepts = accepts
        self.status = status
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if request.headers["authorization"] == f"Bearer {self.accepts}":
            data = {"taskId": "a-1", "status": "queued"}
            return httpx.Response(200, json={"data": data})
        return httpx.Response(self.status, json={"error": {"code": "permission_denied", "message": "who are you"}})


@pytest.mark.parametrize("status", [401, 403, 200])
def test_a_rotated_key_is_read_anew_and_the_request_repeated_once(status: int) -> None:
    secrets, turnstile = RotatingSecrets(), Turnstile("hi-sk-the-new-one-0", status=status)
    secrets.next_fields = {"hiapi_api_key": "hi-sk-the-new-one-0\n"}

    assert mocked(turnstile, secrets).submit(b"{}", key="k", timeout_s=5).upstream_task_id == "a-1"
    assert (turnstile.asked, secrets.refreshed) == (2, 1)


def test_a_look_survives_a_rotation_too() -> None:
    secrets, turnstile = RotatingSecrets(), Turnstile("hi-sk-the-new-one-0")
    secrets.next_fields = {"hiapi_api_key": "hi-sk-the-new-one-0"}

    assert mocked(turnstile, secrets).look("a-1", attempt=1, timeout_s=5).word == "queued"


@pytest.mark.parametrize("found", [API_KEY, "hi-sk-another-wrong-one", "", "no key"])
def test_a_key_that_stays_wrong_is_refused_after_at_most_one_more_try(found: str) -> None:
    secrets, turnstile = RotatingSecrets(), Turnstile("hi-sk-the-new-one-0")
    secrets.next_fields = {"hiapi_api_key": found}

    with pytest.raises(UpstreamRefused) as caught:
        mocked(turnstile, secrets).submit(b"{}", key="k", timeout_s=5)

    assert caught.value.reason == "upstream_auth"
    assert turnstile.asked == (2 if found == "hi-sk-another-wrong-one" else 1)


def test_a_refused_key_stays_refused_when_the_secret_cannot_be_read_anew() -> None:
    class Breaking(RotatingSecrets):
        def refresh(self) -> None:
            self.down = True

    with pytest.raises(UpstreamRefused, match="who are you"):
        mocked(Turnstile("other"), Breaking()).submit(b"{}", key="k", timeout_s=5)


def test_other_refusals_do_not_read_the_secret_anew() -> None:
    secrets = RotatingSecrets()

    with pytest.raises(UpstreamRefused):
        mocked(lambda _: httpx.Response(402), secrets).submit(b"{}", key="k", timeout_s=5)

    assert secrets.refreshed == 0


def test_a_repr_shows_no_secret() -> None:
    assert API_KEY not in repr(gateway())
