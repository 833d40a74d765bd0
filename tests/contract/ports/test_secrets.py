"""What every source of secrets promises, how the deployed one remembers, and which keys sign callback tokens."""

import pytest

from darkroom.adapters.secrets import SecretsManager, signing_keys
from darkroom.domain.callback_token import SigningKey
from darkroom.errors import ConfigurationError, StorageUnavailable
from tests.contract.ports.conftest import Clock, Vault, vault_in
from tests.support.aws import Aws, clients_at
from tests.support.faulty import FAIL, faulty
from tests.support.memory import MemorySecrets


def test_a_value_comes_without_the_white_space_around_it(vault: Vault) -> None:
    assert vault.secrets.get("hiapi_api_key") == "first"


def test_a_value_that_is_not_set_is_empty(vault: Vault) -> None:
    assert vault.secrets.get("hiapi_webhook_secret") == ""


def test_a_rotation_is_seen_after_a_refresh(vault: Vault) -> None:
    vault.secrets.get("hiapi_api_key")
    vault.change({"hiapi_api_key": "second"})
    assert vault.secrets.get("hiapi_api_key") == "first"

    vault.secrets.refresh()

    assert vault.secrets.get("hiapi_api_key") == "second"


def test_no_value_appears_in_a_repr(vault: Vault) -> None:
    vault.secrets.get("hiapi_api_key")

    assert "first" not in repr(vault.secrets)


def test_a_rotation_is_seen_when_the_cache_ends(aws: Aws, clock: Clock) -> None:
    vault = vault_in(aws, clock)
    vault.secrets.get("hiapi_api_key")
    vault.change({"hiapi_api_key": "second"})

    clock.now += 299
    assert vault.secrets.get("hiapi_api_key") == "first"
    clock.now += 2
    assert vault.secrets.get("hiapi_api_key") == "second"


def test_an_old_value_bridges_an_outage_of_up_to_an_hour(moto: Aws, clock: Clock) -> None:
    name = moto.secret('{"hiapi_api_key":"first"}')
    with faulty(moto.endpoint) as faults:
        secrets = SecretsManager(client=clients_at(faults.endpoint).secretsmanager, secret_id=name, cache_s=300, clock=clock)
        secrets.get("hiapi_api_key")
        faults.plan(FAIL, "GetSecretValue", times=6)

        clock.now += 3500
        assert secrets.get("hiapi_api_key") == "first"
        clock.now += 200
        with pytest.raises(StorageUnavailable, match="secret: "):
            secrets.get("hiapi_api_key")
        clock.now += 5
        assert secrets.get("hiapi_api_key") == "first"


def test_during_an_outage_the_service_is_not_asked_each_time(moto: Aws, clock: Clock) -> None:
    name = moto.secret('{"hiapi_api_key":"first"}')
    with faulty(moto.endpoint) as faults:
        secrets = SecretsManager(client=clients_at(faults.endpoint).secretsmanager, secret_id=name, cache_s=300, clock=clock)
        secrets.get("hiapi_api_key")
        faults.plan(FAIL, "GetSecretValue", times=3)
        clock.now += 301
        secrets.get("hiapi_api_key")
        asked = len(faults.seen)

        secrets.get("hiapi_api_key")

        assert len(faults.seen) == asked


def test_without_an_old_value_the_service_is_left_alone_for_a_moment(moto: Aws, clock: Clock) -> None:
    name = moto.secret('{"hiapi_api_key":"first"}')
    with faulty(moto.endpoint) as faults:
        secrets = SecretsManager(client=clients_at(faults.endpoint).secretsmanager, secret_id=name, cache_s=300, clock=clock)
        faults.plan(FAIL, "GetSecretValue", times=3)
        for field in ("hiapi_api_key", "callback_secret"):
            with pytest.raises(StorageUnavailable, match="secret: GetSecretValue gave"):
                secrets.get(field)
        assert len(faults.seen) == 3

        clock.now += 5

        assert secrets.get("hiapi_api_key") == "first"


def test_a_failure_is_forgotten_when_the_clock_is_set_back(moto: Aws, clock: Clock) -> None:
    name = moto.secret('{"hiapi_api_key":"first"}')
    with faulty(moto.endpoint) as faults:
        secrets = SecretsManager(client=clients_at(faults.endpoint).secretsmanager, secret_id=name, cache_s=300, clock=clock)
        faults.plan(FAIL, "GetSecretValue", times=3)
        with pytest.raises(StorageUnavailable):
            secrets.get("hiapi_api_key")

        clock.now -= 600

        assert secrets.get("hiapi_api_key") == "first"


def test_an_old_value_is_read_anew_when_the_clock_is_set_back(moto: Aws, clock: Clock) -> None:
    vault = vault_in(moto, clock)
    vault.secrets.get("hiapi_api_key")
    vault.change({"hiapi_api_key": "second"})

    clock.now -= 86_400

    assert vault.secrets.get("hiapi_api_key") == "second"


def test_a_first_read_that_fails_is_unavailable(clock: Clock) -> None:
    client = clients_at("http://127.0.0.1:9").secretsmanager

    with pytest.raises(StorageUnavailable, match="secret: "):
        SecretsManager(client=client, secret_id="stack", cache_s=300, clock=clock).get("hiapi_api_key")


@pytest.mark.parametrize("text", ["not json: hunter2", '["hunter2"]', '"hunter2"'])
def test_a_secret_of_another_shape_is_named_but_not_shown(aws: Aws, clock: Clock, text: str) -> None:
    name = aws.secret(text)

    with pytest.raises(ConfigurationError, match=name) as caught:
        SecretsManager(client=aws.clients.secretsmanager, secret_id=name, cache_s=300, clock=clock).get("hiapi_api_key")

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_secret_that_does_not_exist_is_named(aws: Aws, clock: Clock) -> None:
    with pytest.raises(ConfigurationError, match="stack-9"):
        SecretsManager(client=aws.clients.secretsmanager, secret_id="stack-9", cache_s=300, clock=clock).get("hiapi_api_key")


def test_one_secret_signs_callback_tokens() -> None:
    assert signing_keys(MemorySecrets({"callback_secret": "a" * 16})) == (SigningKey("a" * 16),)


def test_the_secret_before_it_still_opens_them() -> None:
    secrets = MemorySecrets(
        {"callback_secret": "a" * 16, "callback_secret_previous": "b" * 16, "callback_secret_rotated_at": "1763600000"}
    )

    assert signing_keys(secrets) == (SigningKey("a" * 16), SigningKey("b" * 16, retired_at=1763600000.0))


@pytest.mark.parametrize("secret", ["", "short", "   " + "a" * 15 + "   "])
def test_a_missing_or_short_callback_secret_stops_us(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="callback_secret"):
        signing_keys(MemorySecrets({"callback_secret": secret}))


@pytest.mark.parametrize("rotated_at", ["", "yesterday", "nan"])
def test_a_previous_secret_without_its_end_stops_us(rotated_at: str) -> None:
    facts = {"callback_secret": "a" * 16, "callback_secret_previous": "b" * 16, "callback_secret_rotated_at": rotated_at}

    with pytest.raises(ConfigurationError, match="callback_secret_rotated_at"):
        signing_keys(MemorySecrets(facts))
