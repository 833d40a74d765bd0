"""Creating a task at HiAPI: accepted once, whatever happens to the answer."""

from typing import Any

import pytest

from darkroom.errors import OutcomeUnknown, UpstreamError, UpstreamRefused, UpstreamUnavailable
from tests.contract.hiapi.conftest import Gateway
from tests.contract.hiapi.gateways import API_KEY


def test_a_create_is_accepted_and_its_task_can_be_looked_at(gateway: Gateway) -> None:
    accepted = gateway.submit()

    assert not accepted.replayed
    assert accepted.request_id
    assert gateway.look(accepted.upstream_task_id).word == "queued"


def test_a_route_is_sent_beside_the_input(gateway: Gateway) -> None:
    fields = {"aspect_ratio": "1:1", "resolution": "1K", "quality": "low"}
    task_id = gateway.begin(route="ext", **fields)

    assert b'"route":"ext"' in gateway.look(task_id).raw


def test_a_repeat_with_the_same_key_and_bytes_is_the_same_task(gateway: Gateway) -> None:
    first = gateway.submit()
    again = gateway.submit()

    assert again.upstream_task_id == first.upstream_task_id
    assert again.replayed
    assert gateway.sim.admin.totals()["billed"] == 1


def test_other_bytes_under_the_same_key_are_refused_as_our_bug(gateway: Gateway) -> None:
    gateway.submit("a red kite")

    with pytest.raises(UpstreamRefused) as caught:
        gateway.submit("a blue kite")

    assert (caught.value.reason, caught.value.charged) == ("submission_outcome_unknown", "unknown")
    assert caught.value.code == "IDEMPOTENCY_KEY_MISMATCH"


def test_a_busy_key_is_asked_again_after_the_time_it_names(gateway: Gateway) -> None:
    gateway.sim.admin.arm("create-409-processing", retry_after=7)

    with pytest.raises(OutcomeUnknown) as caught:
        gateway.submit()
    assert caught.value.retry_after == 7
    assert gateway.submit().upstream_task_id


def test_an_input_that_the_model_does_not_take_is_refused_with_its_field(gateway: Gateway) -> None:
    with pytest.raises(UpstreamRefused, match="aspect_ratio") as caught:
        gateway.submit(aspect_ratio="7:5")

    assert (caught.value.reason, caught.value.charged, caught.value.status) == ("generation_failed", "no", 400)
    assert gateway.sim.admin.totals()["billed"] == 0


@pytest.mark.parametrize("as_200", [False, True])
def test_a_wrong_key_is_refused_whether_by_status_or_inside_a_200(gateway: Gateway, as_200: bool) -> None:
    gateway.sim.admin.configure(bad_key_as_200=as_200)
    gateway.secrets.fields["hiapi_api_key"] = "hi-sk-a-wrong-key-0"

    with pytest.raises(UpstreamRefused) as caught:
        gateway.submit()

    assert (caught.value.reason, caught.value.charged) == ("upstream_auth", "no")
    assert caught.value.status == (200 if as_200 else 401)


@pytest.mark.parametrize("as_200", [False, True])
def test_a_rotated_key_needs_no_deploy(gateway: Gateway, as_200: bool) -> None:
    gateway.sim.admin.configure(bad_key_as_200=as_200, api_keys={"hi-sk-the-new-one-0": "main"})
    gateway.secrets.next_fields = {"hiapi_api_key": "hi-sk-the-new-one-0"}

    assert gateway.submit().upstream_task_id
    assert gateway.sim.admin.totals()["billed"] == 1


def test_an_empty_balance_is_refused_and_costs_nothing(gateway: Gateway) -> None:
    gateway.sim.admin.configure(balance=0)

    with pytest.raises(UpstreamRefused) as caught:
        gateway.submit()

    assert (caught.value.reason, caught.value.charged) == ("upstream_quota", "no")


@pytest.mark.parametrize("as_date", [False, True])
@pytest.mark.parametrize("fault", ["create-429", "create-503"])
def test_a_refusal_before_any_work_names_when_to_come_back(gateway: Gateway, fault: str, as_date: bool) -> None:
    gateway.sim.admin.arm(fault, retry_after=120, retry_after_date=as_date)

    with pytest.raises(UpstreamUnavailable) as caught:
        gateway.submit()
    assert caught.value.retry_after == pytest.approx(120, abs=30)
    assert not gateway.submit().replayed


@pytest.mark.parametrize("fault", ["create-429", "create-503"])
def test_a_refusal_before_any_work_need_not_name_it(gateway: Gateway, fault: str) -> None:
    gateway.sim.admin.arm(fault)

    with pytest.raises(UpstreamUnavailable) as caught:
        gateway.submit()

    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "fault",
    [
        "create-500",
        "create-502",
        "create-504",
        "create-500-accepted",
        "create-502-accepted",
        "create-504-accepted",
        "create-200-no-id",
        "create-200-truncated",
        "create-dropped",
        "create-dropped-accepted",
    ],
)
def test_a_lost_answer_is_found_out_by_the_same_bytes_and_paid_once(gateway: Gateway, fault: str) -> None:
    gateway.sim.admin.arm(fault)

    with pytest.raises(OutcomeUnknown):
        gateway.submit()
    found = gateway.submit()

    totals = gateway.sim.admin.totals()
    assert totals["billed"] == 1
    assert found.replayed == (totals["replays"] == 1)


def test_a_503_after_acceptance_looks_like_one_before_and_the_same_key_keeps_it_one_task(gateway: Gateway) -> None:
    gateway.sim.admin.arm("create-503-accepted")

    with pytest.raises(UpstreamUnavailable):
        gateway.submit()

    assert gateway.submit().replayed
    assert gateway.sim.admin.totals()["billed"] == 1


def test_an_answer_that_comes_too_late_is_unknown_and_the_key_busy_until_it_is_ready(gateway: Gateway) -> None:
    gateway.sim.admin.arm("create-slow", seconds=30.0)

    with pytest.raises(OutcomeUnknown):
        gateway.submit(timeout_s=2)
    with pytest.raises(OutcomeUnknown) as caught:
        gateway.submit()

    assert caught.value.code == "IDEMPOTENCY_KEY_PROCESSING"


CODES = {
    400: ("INVALID_REQUEST", UpstreamRefused, "generation_failed"),
    401: ("unauthorized", UpstreamRefused, "upstream_auth"),
    402: (None, UpstreamRefused, "upstream_quota"),
    403: ("permission_denied", UpstreamRefused, "upstream_auth"),
    404: ("model_not_found", UpstreamRefused, "model_unavailable"),
    409: ("CONFLICT", UpstreamRefused, "generation_failed"),
    413: (None, UpstreamRefused, "generation_failed"),
    415: (None, UpstreamRefused, "generation_failed"),
    422: ("IDEMPOTENCY_KEY_MISMATCH", UpstreamRefused, "submission_outcome_unknown"),
    429: ("rate_limit_exceeded", UpstreamUnavailable, None),
    500: (None, OutcomeUnknown, None),
    502: (None, OutcomeUnknown, None),
    503: (None, UpstreamUnavailable, None),
    504: (None, OutcomeUnknown, None),
}


@pytest.mark.parametrize("place", ["header", "error", "field", "message"])
@pytest.mark.parametrize("envelope", ["E-a", "E-b", "E-c", "E-d"])
@pytest.mark.parametrize("status", CODES)
def test_every_envelope_at_every_status_means_the_same(gateway: Gateway, status: int, envelope: str, place: str) -> None:
    code, kind, reason = CODES[status]
    gateway.sim.admin.arm(f"create-{status}", envelope=envelope, error_code=code, request_id_in=place, message="simulated no")

    error = _error(gateway, kind)

    assert getattr(error, "reason", None) == reason
    assert "simulated no" in error.message
    assert error.status == status
    if code:
        assert error.code == code
    if not (envelope == "E-a" and place == "error"):
        assert error.request_id


@pytest.mark.parametrize("text", ["html", "plain", "empty"])
@pytest.mark.parametrize("status", CODES)
def test_an_edge_proxys_page_is_judged_by_its_status(gateway: Gateway, status: int, text: str) -> None:
    # A proxy's 503 promises nothing: the gateway behind it may have begun.
    kind = OutcomeUnknown if status == 503 else CODES[status][1]
    gateway.sim.admin.arm(f"create-{status}", envelope="E-f", text=text)

    error = _error(gateway, kind)

    assert error.code is None
    assert error.request_id


@pytest.mark.parametrize("envelope", ["E-a", "E-b", "E-c", "E-d", "E-e"])
@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("permission_denied", UpstreamRefused, "upstream_auth"),
        ("model_not_found", UpstreamRefused, "model_unavailable"),
        ("INVALID_REQUEST", UpstreamRefused, "generation_failed"),
        ("TASK_FAILED", UpstreamRefused, "generation_failed"),
        ("rate_limit_exceeded", UpstreamUnavailable, None),
        ("SOMETHING_NEW", OutcomeUnknown, None),
    ],
)
def test_an_error_inside_a_200_is_judged_by_its_code(
    gateway: Gateway, envelope: str, code: str, kind: type[UpstreamError], reason: str | None
) -> None:
    gateway.sim.admin.arm("create-200-error", envelope=envelope, error_code=code)

    error = _error(gateway, kind)

    assert getattr(error, "reason", None) == reason
    assert (error.status, error.code) == (200, code)


def test_an_error_quotes_no_key(gateway: Gateway) -> None:
    gateway.sim.admin.arm("create-403", message=f"the key {API_KEY} may not")

    error = _error(gateway, UpstreamRefused)

    assert API_KEY not in f"{error!r} {error.message} {error.raw!r}"


def _error(gateway: Gateway, kind: type[UpstreamError]) -> Any:
    with pytest.raises(kind) as caught:
        gateway.submit()
    assert type(caught.value) is kind
    return caught.value
