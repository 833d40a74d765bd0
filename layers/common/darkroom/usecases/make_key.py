"""Make a caller's key: shown once, remembered only as a hash."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from darkroom.ports import ApiKey, Randomness

SCOPES = ("tasks:write", "tasks:read", "admin")
"""What a key may be allowed to do; none implies another."""

OWNER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?!\n)$"
"""An owner's name is part of the pictures' keys in the bucket."""

NAME_LENGTH = 100

PRESET = r"^[a-z0-9][a-z0-9-]{0,31}(@[1-9][0-9]{0,4})?(?!\n)$"
"""How a key's limit names a preset: all its versions, or one."""

MOST_PRESETS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """The key itself, to be shown once, and what is stored of it."""

    key: str = field(repr=False)
    record: ApiKey


def make_key(
    *,
    owner: str,
    scopes: Iterable[str],
    now: float,
    fresh: Randomness,
    key_id: Callable[[str], str],
    name: str | None = None,
    presets: Iterable[str] | None = None,
) -> NewKey:
    """A new random key, `drk_` and 43 characters; raises ValueError as `record_key` does. Storing it is the caller's part."""
    key = "drk_" + base64.urlsafe_b64encode(fresh(32)).decode().rstrip("=")
    record = record_key(key, owner=owner, scopes=scopes, now=now, key_id=key_id, name=name, presets=presets)
    return NewKey(key=key, record=record)


def record_key(
    key: str,
    *,
    owner: str,
    scopes: Iterable[str],
    now: float,
    key_id: Callable[[str], str],
    name: str | None = None,
    presets: Iterable[str] | None = None,
) -> ApiKey:
    """What is stored of `key`; raises ValueError that says what is wrong with the owner, the scopes, the name or the presets."""
    allowed = frozenset(scopes)
    limit = None if presets is None else frozenset(presets)
    if not re.match(OWNER, owner):
        raise ValueError(f"an owner has 1 to 64 letters, digits, dots, dashes or underscores; {owner!r} does not fit")
    if not allowed or not allowed <= set(SCOPES):
        raise ValueError(f"at least one scope is needed, each one of {', '.join(SCOPES)}")
    if name is not None and not 1 <= len(name) <= NAME_LENGTH:
        raise ValueError(f"a name has 1 to {NAME_LENGTH} characters")
    if limit is not None and not (1 <= len(limit) <= MOST_PRESETS and all(re.match(PRESET, one) for one in limit)):
        raise ValueError(f"a key is limited to 1 to {MOST_PRESETS} presets, each named like poster or poster@1")
    if limit is not None and "admin" in allowed:
        raise ValueError("a key with the scope admin could make one without a limit: it cannot be limited to presets")
    digest = sha256_of(key)
    return ApiKey(
        id=key_id(digest),
        sha256=digest,
        owner=owner,
        scopes=allowed,
        created_at=now,
        name=name,
        hint=key[-4:],
        presets=limit,
    )


def sha256_of(key: str) -> str:
    """How a key is looked up (hex). Any text will do: what a caller sends need not be a key of ours."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
