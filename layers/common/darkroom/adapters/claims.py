"""Idempotency keys and callers' keys, in the tasks' table."""

import hashlib
import hmac
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from darkroom.adapters.dynamo import ABSENT, Row, Table, is_expired, key
from darkroom.ports import ApiKey, Claim

CLAIM_KEPT_S = 48 * 3600
_KEYS = "keys"
_CACHE_SIZE = 1000
_MANY = 10_000


class DynamoClaims:
    """`Claims` over DynamoDB: one conditional write, which also gives the answer to a replay."""

    def __init__(self, *, table: Table) -> None:
        self._table = table

    def claim(self, owner: str, key: str, *, fingerprint: str, task_id: str, now: float) -> Claim:
        row = {
            "pk": {"S": _claim_key(owner, key)},
            "sk": {"S": "claim"},
            "task_id": {"S": task_id},
            "fingerprint": {"S": fingerprint},
            "expires_at": {"N": str(int(now + CLAIM_KEPT_S))},
        }
        taken = self._table.put_if(row, ABSENT, {":now": {"N": repr(now)}})
        if taken is None:
            return Claim(task_id=task_id, fingerprint=fingerprint, fresh=True)
        return _claim_of(taken)

    def known(self, owner: str, key: str, *, now: float) -> Claim | None:
        row = self._table.get(_claim_key(owner, key), "claim")
        return None if row is None or is_expired(row, now) else _claim_of(row)


class DynamoApiKeys:
    """`ApiKeys` over DynamoDB. What was found, or not, is believed for `cache_s` seconds of `clock`; 0: never."""

    def __init__(self, *, table: Table, clock: Callable[[], float], cache_s: float) -> None:
        self._table = table
        self._clock = clock
        self._cache_s = cache_s
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[float, ApiKey | None]] = {}

    def find(self, sha256: str) -> ApiKey | None:
        with self._lock:
            until, known = self._cache.get(sha256, (0.0, None))
        if self._clock() < until:
            return known
        found = self._read(sha256)
        self._remember(sha256, found)
        return found

    def add(self, key: ApiKey) -> None:
        if key.id != api_key_id(key.sha256):
            raise ValueError(f"{key.id} is not the id that belongs to its hash: find() would never see it")
        self._table.put(_key_row(key))
        self._forget(key.sha256)

    def list(self) -> Sequence[ApiKey]:
        found = self._table.query("pk = :keys", {":keys": {"S": _KEYS}}, limit=_MANY)
        return sorted(map(_key_of, found), key=lambda key: (key.created_at, key.id))

    def revoke(self, key_id: str, *, now: float) -> bool:
        row = self._table.get(_KEYS, key_id)
        if row is None:
            return False
        found = _key_of(row)
        if found.revoked_at is None:
            # Losing this race is fine: only another revocation can win it.
            self._table.put_if(_key_row(replace(found, revoked_at=now)), "attribute_not_exists(revoked_at)", {})
        self._forget(found.sha256)
        return True

    def _read(self, sha256: str) -> ApiKey | None:
        row = self._table.get(_KEYS, api_key_id(sha256), consistent=False)
        found = _key_of(row) if row else None
        return found if found and hmac.compare_digest(found.sha256.encode(), sha256.encode()) else None

    def _remember(self, sha256: str, found: ApiKey | None) -> None:
        if self._cache_s <= 0:
            return
        with self._lock:
            if len(self._cache) >= _CACHE_SIZE:
                # Somebody is guessing keys; memory stays bounded.
                self._cache.clear()
            self._cache[sha256] = (self._clock() + self._cache_s, found)

    def _forget(self, sha256: str) -> None:
        with self._lock:
            self._cache.pop(sha256, None)


def api_key_id(sha256: str) -> str:
    """A key's id follows from its hash, so that finding a key is one read and its id tells nothing of it."""
    return "key_" + sha256[:24]


def _claim_of(row: Row) -> Claim:
    return Claim(task_id=row["task_id"]["S"], fingerprint=row["fingerprint"]["S"], fresh=False)


def _claim_key(owner: str, key: str) -> str:
    return "idem#" + hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()


def _key_row(found: ApiKey) -> Row:
    row = key(_KEYS, found.id) | {
        "sha256": {"S": found.sha256},
        "owner": {"S": found.owner},
        "scopes": {"S": " ".join(sorted(found.scopes))},
        "created_at": {"N": repr(found.created_at)},
        "hint": {"S": found.hint},
    }
    named = {"name": {"S": found.name}} if found.name is not None else {}
    revoked = {"revoked_at": {"N": repr(found.revoked_at)}} if found.revoked_at is not None else {}
    limited = {"presets": {"S": " ".join(sorted(found.presets))}} if found.presets is not None else {}
    return row | named | revoked | limited


def _key_of(row: Row) -> ApiKey:
    return ApiKey(
        id=row["sk"]["S"],
        sha256=row["sha256"]["S"],
        owner=row["owner"]["S"],
        scopes=frozenset(row["scopes"]["S"].split()),
        created_at=float(row["created_at"]["N"]),
        name=row["name"]["S"] if "name" in row else None,
        hint=row["hint"]["S"],
        revoked_at=float(row["revoked_at"]["N"]) if "revoked_at" in row else None,
        presets=frozenset(row["presets"]["S"].split()) if "presets" in row else None,
    )
