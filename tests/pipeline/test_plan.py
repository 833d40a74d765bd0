"""Flags and environment of `darkroom up`, before anything starts."""

import pytest

from local.plan import BadChoice, make_plan

REMOTE = "https://api.hiapi.ai"


def test_without_further_ado_the_upstream_is_simulated_and_signs() -> None:
    plan = make_plan({})

    assert plan.upstream_url is None
    assert plan.hiapi_api_key == "sim-key"
    assert len(plan.webhook_secret) >= 16
    assert plan.calls_back_locally
    assert plan.aws_endpoint_url is None


def test_a_flag_wins_over_the_environment() -> None:
    plan = make_plan({"HIAPI_BASE_URL": REMOTE}, upstream_url="http://127.0.0.1:9000")

    assert plan.upstream_url == "http://127.0.0.1:9000"


def test_an_upstream_in_the_environment_replaces_the_simulator() -> None:
    plan = make_plan({"HIAPI_BASE_URL": REMOTE, "HIAPI_API_KEY": "sk-1"})

    assert plan.upstream_url == REMOTE
    assert not plan.calls_back_locally


def test_the_real_upstream_needs_its_key() -> None:
    with pytest.raises(BadChoice, match="HIAPI_API_KEY"):
        make_plan({"HIAPI_API_KEY": "  "}, simulator=False)


@pytest.mark.parametrize(
    ("env", "upstream", "secret"),
    [
        ({"HIAPI_WEBHOOK_SECRET": "whsec_mine"}, None, "whsec_mine"),
        ({"HIAPI_WEBHOOK_SECRET": ""}, None, ""),
        ({"HIAPI_WEBHOOK_SECRET": "whsec_mine"}, "http://127.0.0.1:9000", "whsec_mine"),
        ({}, "http://127.0.0.1:9000", ""),
        ({"HIAPI_API_KEY": "sk-1"}, REMOTE, ""),
    ],
)
def test_callbacks_are_signed_when_a_secret_is_set_or_both_sides_are_ours(
    env: dict[str, str], upstream: str | None, secret: str
) -> None:
    assert make_plan(env, upstream_url=upstream).webhook_secret == secret


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_an_upstream_on_this_machine_can_call_back_here(host: str) -> None:
    assert make_plan({}, upstream_url=f"http://{host}:9000").calls_back_locally


def test_a_development_key_is_taken_verbatim_or_generated() -> None:
    given = make_plan({"DARKROOM_API_KEY": "exactly-16-chars"}).api_key
    flagged = make_plan({"DARKROOM_API_KEY": "exactly-16-chars"}, api_key="another-key-by-flag").api_key
    generated = {make_plan({"DARKROOM_API_KEY": ""}).api_key for _ in range(2)}

    assert given == "exactly-16-chars"
    assert flagged == "another-key-by-flag"
    assert len(generated) == 2
    assert all(key.startswith("drk_") for key in generated)


def test_a_development_key_that_is_too_short_is_refused() -> None:
    with pytest.raises(BadChoice, match="16"):
        make_plan({"DARKROOM_API_KEY": "fifteen-letters"})


def test_no_repr_shows_a_secret() -> None:
    plan = make_plan(
        {"HIAPI_API_KEY": "sk-upstream", "HIAPI_WEBHOOK_SECRET": "whsec_mine", "DARKROOM_API_KEY": "exactly-16-chars"}
    )

    assert not [secret for secret in ("sk-upstream", "whsec_mine", "exactly-16-chars") if secret in repr(plan)]
