"""A caller's key: random, shown once, kept as a hash."""

import hashlib

import pytest

from darkroom.adapters.claims import api_key_id
from darkroom.usecases.make_key import SCOPES, make_key, record_key, sha256_of

FACTS = {"owner": "shop", "scopes": ["tasks:read"], "now": 7.0, "key_id": api_key_id}


def test_a_new_key_is_the_randomness_in_url_safe_letters_and_is_kept_as_a_hash_only() -> None:
    new = make_key(**FACTS, fresh=lambda size: b"\xfb" * size, name="web shop")

    assert new.key == "drk_" + "-_v7" * 10 + "-_s"
    assert new.record.sha256 == hashlib.sha256(new.key.encode()).hexdigest()
    assert new.record.id == api_key_id(new.record.sha256)
    assert (new.record.owner, new.record.scopes, new.record.created_at) == ("shop", frozenset({"tasks:read"}), 7.0)
    assert (new.record.name, new.record.hint, new.record.revoked_at) == ("web shop", "v7-_s"[-4:], None)
    assert new.key not in repr(new)


def test_any_key_can_be_recorded_under_every_scope() -> None:
    record = record_key("a key of your own choice", **(FACTS | {"scopes": SCOPES}))

    assert record.scopes == {"tasks:write", "tasks:read", "admin"}
    assert record.hint == "oice"


@pytest.mark.parametrize("owner", ["", "a/b", "../x", ".x", "a b", "é", "x" * 65, "shop\n"])
def test_an_owner_that_could_not_name_a_folder_is_refused(owner: str) -> None:
    with pytest.raises(ValueError, match="an owner has"):
        record_key("k" * 20, **(FACTS | {"owner": owner}))


@pytest.mark.parametrize("scopes", [[], ["root"], ["admin", "root"]])
def test_scopes_that_nobody_knows_are_refused(scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="each one of tasks:write"):
        record_key("k" * 20, **(FACTS | {"scopes": scopes}))


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_name_is_short_or_absent(name: str) -> None:
    with pytest.raises(ValueError, match="a name has"):
        record_key("k" * 20, **FACTS, name=name)


def test_a_key_may_be_limited_to_presets_and_their_versions() -> None:
    limited = record_key("k" * 20, **FACTS, presets=["poster", "product@2"])
    free = record_key("k" * 20, **FACTS)

    assert [limited.may_use(preset) for preset in ("poster@1", "poster@7", "product@2")] == [True, True, True]
    assert [limited.may_use(preset) for preset in ("product@1", "draft@1", None)] == [False, False, False]
    assert (free.presets, free.may_use(None), free.may_use("draft@1")) == (None, True, True)


@pytest.mark.parametrize("presets", [[], ["Poster"], ["poster@0"], ["a b"], ["poster\n"], [f"p{n}" for n in range(51)]])
def test_a_limit_that_names_no_preset_is_refused(presets: list[str]) -> None:
    with pytest.raises(ValueError, match="limited to 1 to 50 presets"):
        record_key("k" * 20, **FACTS, presets=presets)


def test_a_key_that_makes_keys_cannot_be_limited() -> None:
    with pytest.raises(ValueError, match="scope admin"):
        record_key("k" * 20, **(FACTS | {"scopes": ["admin"]}), presets=["poster"])


def test_any_text_can_be_looked_up() -> None:
    assert len(sha256_of("half a \udcff character")) == 64
