"""What every store of callers' keys promises, and how the deployed one remembers."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from darkroom.adapters.claims import DynamoApiKeys, api_key_id
from darkroom.adapters.dynamo import Table
from darkroom.ports import ApiKey, ApiKeys
from tests.contract.ports.conftest import Clock
from tests.support.aws import Aws, clients_at
from tests.support.faulty import faulty

NOW = 1_763_600_000.25


def a_key(text: str = "drk_secret", **facts: Any) -> ApiKey:
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    defaults: dict[str, Any] = {
        "id": api_key_id(sha256),
        "sha256": sha256,
        "owner": "dev",
        "scopes": frozenset({"tasks:read", "tasks:write"}),
        "created_at": NOW,
    }
    return ApiKey(**(defaults | facts))


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"name": "laptop", "hint": "drk_…a1"},
        {"scopes": frozenset()},
        {"presets": frozenset({"poster", "product@2"})},
    ],
)
def test_a_key_is_found_by_its_hash(api_keys: ApiKeys, facts: dict[str, Any]) -> None:
    key = a_key(**facts)

    api_keys.add(key)

    assert api_keys.find(key.sha256) == key


def test_an_unknown_key_is_not_found(api_keys: ApiKeys) -> None:
    api_keys.add(a_key())

    assert api_keys.find(a_key("another").sha256) is None


def test_a_hash_that_only_begins_alike_is_not_found(api_keys: ApiKeys) -> None:
    key = a_key()
    api_keys.add(key)

    assert api_keys.find(key.sha256[:24] + "0" * 40) is None


def test_a_key_whose_id_is_not_its_hashs_is_not_taken(api_keys: ApiKeys) -> None:
    with pytest.raises(ValueError, match="key_mine"):
        api_keys.add(a_key(id="key_mine"))


def test_keys_are_listed_oldest_first(api_keys: ApiKeys) -> None:
    keys = [a_key(f"key {number}", created_at=NOW - number) for number in range(5)]
    for key in keys:
        api_keys.add(key)

    assert list(api_keys.list()) == keys[::-1]


def test_a_revoked_key_is_found_with_its_revocation(api_keys: ApiKeys) -> None:
    key = a_key()
    api_keys.add(key)

    assert api_keys.revoke(key.id, now=NOW + 5)

    assert api_keys.find(key.sha256) == replace(key, revoked_at=NOW + 5)


def test_revoking_twice_keeps_the_first_time(api_keys: ApiKeys) -> None:
    key = a_key()
    api_keys.add(key)
    api_keys.revoke(key.id, now=NOW + 5)

    assert api_keys.revoke(key.id, now=NOW + 9)

    assert list(api_keys.list()) == [replace(key, revoked_at=NOW + 5)]


def test_an_unknown_key_cannot_be_revoked(api_keys: ApiKeys) -> None:
    assert not api_keys.revoke("key_0123", now=NOW)


@pytest.fixture
def two(moto: Aws, clock: Clock):
    """Two machines over one table, the first one behind a network that counts."""
    name = moto.table()
    with faulty(moto.endpoint) as faults:
        near = DynamoApiKeys(table=Table(client=clients_at(faults.endpoint).dynamodb, name=name), clock=clock, cache_s=60)
        far = DynamoApiKeys(table=Table(client=moto.clients.dynamodb, name=name), clock=clock, cache_s=60)
        yield near, far, faults


def test_a_known_key_is_read_once_a_minute(two, clock: Clock) -> None:
    near, far, faults = two
    far.add(a_key())

    for _ in range(5):
        near.find(a_key().sha256)
    clock.now += 61
    near.find(a_key().sha256)

    assert faults.seen.count("GetItem") == 2


def test_an_unknown_key_is_looked_for_once_a_minute(two) -> None:
    near, _, faults = two

    for _ in range(5):
        assert near.find(a_key().sha256) is None

    assert faults.seen.count("GetItem") == 1


def test_a_revocation_elsewhere_is_seen_after_a_minute(two, clock: Clock) -> None:
    near, far, _ = two
    far.add(a_key())
    near.find(a_key().sha256)

    far.revoke(a_key().id, now=NOW)

    assert near.find(a_key().sha256).revoked_at is None
    clock.now += 61
    assert near.find(a_key().sha256).revoked_at == NOW


def test_a_change_made_here_is_seen_here_at_once(two) -> None:
    near, _, _ = two
    assert near.find(a_key().sha256) is None

    near.add(a_key())
    assert near.find(a_key().sha256) == a_key()
    near.revoke(a_key().id, now=NOW)

    assert near.find(a_key().sha256).revoked_at == NOW


def test_guessing_keys_does_not_fill_the_memory(clock: Clock, moto: Aws) -> None:
    keys = DynamoApiKeys(table=Table(client=moto.clients.dynamodb, name=moto.table()), clock=clock, cache_s=60)

    for number in range(1100):
        keys._remember(a_key(f"guess {number}").sha256, None)

    assert len(keys._cache) <= 1000
