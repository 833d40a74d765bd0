"""A POST without an idempotency key goes out once: every refusal, loss and lie is named, and nothing is paid for twice."""

import pytest

from darkroom.errors import (
    ConfigurationError,
    NotAsked,
    OutcomeUnknown,
    SignatureRejected,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from darkroom.ports import Promises, Upstream
from tests.contract.upstreams.gateways import CASES, Gateway, before

PIXAPI = ("pixapi", "pixapi_images")


def caught(gateway: Gateway, kind: type[UpstreamError], prompt: str = "a red kite", **more: float) -> UpstreamError:
    with pytest.raises(kind) as raised:
        gateway.submit(prompt, **more)
    assert type(raised.value) is kind
    return raised.value


def test_the_promises_say_what_the_gateway_does_not_do(each: Gateway) -> None:
    upstream: Upstream = each.adapter
    promises = upstream.promises

    assert upstream.name == each.name
    assert not any((promises.collapses_repeats, promises.calls_back, promises.signs_callbacks, promises.can_cancel))


@pytest.mark.parametrize(
    ("name", "promises"),
    [
        ("pixapi", Promises()),
        ("pixapi_images", Promises(synchronous=True, answers_within_s=600)),
        ("hiapi_images", Promises(synchronous=True, answers_within_s=600, in_flight=10, per_minute=60)),
        ("hiapi_chat", Promises(synchronous=True, answers_within_s=600, in_flight=10, per_minute=60)),
    ],
)
def test_what_is_not_documented_is_not_promised(name: str, promises: Promises) -> None:
    assert CASES[name].adapter.promises == promises


# -- refusals ------------------------------------------------------------------------------------------

REFUSALS = [
    ("create-400", "generation_failed"),
    ("create-401", "upstream_auth"),
    ("create-402", "upstream_quota"),
    ("create-403", "upstream_auth"),
    ("create-404", "model_unavailable"),
    ("create-413", "generation_failed"),
    ("create-415", "generation_failed"),
    ("create-422", "content_rejected"),
    ("create-200-error", "upstream_auth"),
]


@pytest.mark.parametrize(("fault", "reason"), REFUSALS)
def test_a_refusal_is_final_and_costs_nothing(each: Gateway, fault: str, reason: str) -> None:
    each.sim.admin.arm(fault)

    error = caught(each, UpstreamRefused)

    assert isinstance(error, UpstreamRefused)
    assert (error.reason, error.charged) == (reason, "no")
    assert (each.posts, each.billed) == (1, 0)
    assert error.raw
    assert error.request_id


@pytest.mark.parametrize(
    ("envelope", "status", "reason"),
    [
        (envelope, status, reason)
        for envelope in ("P-a", "P-b", "E-d")
        for status, reason in [(402, "upstream_quota"), (404, "model_unavailable"), (422, "content_rejected")]
    ],
)
@pytest.mark.parametrize("name", PIXAPI)
def test_pixapi_means_the_same_by_a_number_and_by_a_word(sim, name: str, envelope: str, status: int, reason: str) -> None:
    gateway = before(sim, name)
    sim.admin.arm(f"create-{status}", envelope=envelope)

    error = caught(gateway, UpstreamRefused)

    assert isinstance(error, UpstreamRefused)
    assert (error.reason, error.charged, error.status) == (reason, "no", status)


@pytest.mark.parametrize("name", PIXAPI)
def test_pixapis_number_without_a_word_means_what_the_status_means(sim, name: str) -> None:
    gateway = before(sim, name)
    sim.admin.arm("create-422", envelope="P-c", message="no")

    error = caught(gateway, UpstreamRefused)

    assert isinstance(error, UpstreamRefused)
    assert (error.reason, error.code) == ("content_rejected", "prompt_rejected")


def test_an_error_in_a_200_with_an_unknown_word_is_final_at_an_unknown_price(each: Gateway) -> None:
    each.sim.admin.arm("create-200-error", error_code="mist", message="something is in the way")

    error = caught(each, UpstreamRefused)

    assert isinstance(error, UpstreamRefused)
    assert (error.reason, error.charged, error.code) == ("generation_failed", "unknown", "mist")


def test_an_unknown_model_is_refused_by_name(each: Gateway) -> None:
    with pytest.raises(UpstreamRefused, match="gpt-image-99") as raised:
        each.submit(model="gpt-image-99")

    assert (raised.value.reason, each.billed) == ("model_unavailable", 0)


@pytest.mark.parametrize(("fault", "seconds"), [("create-429", 7), ("create-503", 9)])
def test_what_did_no_work_is_asked_again_after_the_time_it_names(each: Gateway, fault: str, seconds: int) -> None:
    each.sim.admin.arm(fault, retry_after=seconds)

    error = caught(each, UpstreamUnavailable)

    assert (error.retry_after, each.billed) == (seconds, 0)


def test_an_empty_balance_is_refused(each: Gateway) -> None:
    each.sim.admin.configure(balance=0)

    assert caught(each, UpstreamRefused).status == 402


def test_too_many_at_once_wait(each: Gateway) -> None:
    each.sim.admin.configure(concurrent_tasks=0)

    caught(each, UpstreamUnavailable)


# -- nobody knows --------------------------------------------------------------------------------------

LOST = [
    ("create-500", 0),
    ("create-502", 0),
    ("create-504", 0),
    ("create-dropped", 0),
    ("create-500-accepted", 1),
    ("create-502-accepted", 1),
    ("create-504-accepted", 1),
    ("create-dropped-accepted", 1),
    ("create-200-truncated", 1),
]


@pytest.mark.parametrize(("fault", "billed"), LOST)
def test_a_lost_answer_is_unknown_and_never_sent_again(each: Gateway, fault: str, billed: int) -> None:
    each.sim.admin.arm(fault)

    caught(each, OutcomeUnknown)

    assert (each.posts, each.billed) == (1, billed)


def test_a_503_of_a_proxy_may_come_after_the_work_was_begun(each: Gateway) -> None:
    each.sim.admin.arm("create-503-accepted", envelope="E-f")

    caught(each, OutcomeUnknown)

    assert (each.posts, each.billed) == (1, 1)


def test_a_generation_that_outlasts_our_patience_is_unknown_and_billed(now: Gateway) -> None:
    caught(now, OutcomeUnknown, "a kite [sim:hang]", timeout_s=2)

    assert (now.posts, now.billed) == (1, 1)


def test_no_time_left_means_nothing_was_sent(each: Gateway) -> None:
    caught(each, NotAsked, timeout_s=0)

    assert each.posts == 0


# -- the key -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_200", [False, True])
def test_a_wrong_key_is_refused_by_status_or_inside_a_200(each: Gateway, as_200: bool) -> None:
    each.sim.admin.configure(bad_key_as_200=as_200, api_keys={"another-key-0123": "main"})

    error = caught(each, UpstreamRefused)

    assert isinstance(error, UpstreamRefused)
    assert (error.reason, error.charged, each.billed) == ("upstream_auth", "no", 0)
    assert each.secrets.refreshed == 1


@pytest.mark.parametrize("as_200", [False, True])
def test_a_rotated_key_needs_no_deploy(each: Gateway, as_200: bool) -> None:
    each.sim.admin.configure(bad_key_as_200=as_200, api_keys={"the-new-key-01234": "main"})
    each.secrets.next_fields = {CASES[each.name].key_field: "the-new-key-01234\n"}

    each.submit()

    assert each.billed == 1


@pytest.mark.parametrize("key", ["", "  \n", "sk two words"])
def test_a_key_that_cannot_be_one_is_named_by_its_field_and_not_sent(each: Gateway, key: str) -> None:
    field = CASES[each.name].key_field
    each.secrets.fields[field] = key

    error = caught(each, UpstreamRefused)

    assert field in error.message
    assert "two words" not in error.message
    assert each.posts == 0


def test_without_the_secret_nothing_is_sent(each: Gateway) -> None:
    each.secrets.down = True

    caught(each, NotAsked)

    assert each.posts == 0


# -- what it cannot do ---------------------------------------------------------------------------------


def test_a_callback_is_never_believed(each: Gateway) -> None:
    with pytest.raises(SignatureRejected):
        each.adapter.hear({}, b'{"id":"task_1","status":"completed"}', attempt=1, now=0)


def test_a_route_is_a_mistake_of_the_configuration(each: Gateway) -> None:
    with pytest.raises(ConfigurationError, match="'ext'"):
        each.adapter.freeze(model="m", route="ext", input={"prompt": "a"}, callback_url=None)


def test_the_same_request_freezes_to_the_same_bytes(each: Gateway) -> None:
    assert each.freeze(quality="low", n=2) == each.freeze(n=2, quality="low")
    assert each.freeze("a") != each.freeze("b")


def test_the_representation_shows_the_address_and_no_key(each: Gateway) -> None:
    assert "/v1" in repr(each.adapter)
    assert "sk-" not in repr(each.adapter)
