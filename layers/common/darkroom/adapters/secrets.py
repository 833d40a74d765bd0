"""The deployment's secrets: one JSON secret, cached, so that a rotation needs no deploy."""

import json
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from darkroom.adapters.clients import code_of, unavailable
from darkroom.domain.callback_token import SigningKey
from darkroom.errors import ConfigurationError, StorageUnavailable
from darkroom.ports import Secrets

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

STALE_S = 3600
"""How long an old value is used while the service does not answer."""

_RETRY_S = 30
_MISSED_S = 5
"""Without an old value nobody gets on; one invocation that needs several secrets still waits for one failure alone."""

_LEAST_SECRET = 16
_NEVER = (0.0, 0.0)


class SecretsManager:
    """`Secrets` over Secrets Manager."""

    def __init__(self, *, client: "SecretsManagerClient", secret_id: str, cache_s: float, clock: Callable[[], float]) -> None:
        self._client = client
        self._secret_id = secret_id
        self._cache_s = cache_s
        self._clock = clock
        self._lock = threading.Lock()
        self._values: Mapping[str, str] = {}
        self._read_at: float | None = None
        self._fresh: tuple[float, float] = _NEVER
        self._missed: tuple[float, str] | None = None

    def __repr__(self) -> str:
        return f"SecretsManager(secret_id={self._secret_id!r})"

    def get(self, name: str) -> str:
        with self._lock:
            # A clock may be set back.
            begins, ends = self._fresh
            if not begins <= self._clock() < ends:
                self._renew()
            return self._values.get(name, "")

    def refresh(self) -> None:
        with self._lock:
            self._fresh = _NEVER

    def _renew(self) -> None:
        now = self._clock()
        if self._missed and 0 < self._missed[0] - now <= _MISSED_S:
            raise StorageUnavailable(self._missed[1])
        try:
            values = self._read()
        except StorageUnavailable as error:
            if self._read_at is None or now >= self._read_at + STALE_S:
                self._missed = self._clock() + _MISSED_S, str(error)
                raise
            self._fresh = now, now + _RETRY_S
            return
        self._values, self._read_at, self._fresh = values, now, (now, now + self._cache_s)

    def _read(self) -> Mapping[str, str]:
        with unavailable("secret"):
            try:
                answer = self._client.get_secret_value(SecretId=self._secret_id)
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    raise ConfigurationError(f"there is no secret {self._secret_id}") from error
                raise
        return _values(answer.get("SecretString", ""), self._secret_id)


def signing_keys(secrets: Secrets) -> tuple[SigningKey, ...]:
    """The keys of callback tokens, the one that signs first; raises ConfigurationError when one is missing or too short."""
    current = secrets.get("callback_secret")
    if len(current) < _LEAST_SECRET:
        raise ConfigurationError(f"the secret's callback_secret needs at least {_LEAST_SECRET} characters")
    previous = secrets.get("callback_secret_previous")
    if not previous:
        return (SigningKey(current),)
    return SigningKey(current), SigningKey(previous, retired_at=_unix(secrets.get("callback_secret_rotated_at")))


def _values(text: str, secret_id: str) -> Mapping[str, str]:
    try:
        facts = json.loads(text)
    except ValueError:
        # Without the cause: it would quote the secret.
        raise ConfigurationError(f"the secret {secret_id} is not JSON: an object of names and texts is needed") from None
    if not isinstance(facts, dict):
        raise ConfigurationError(f"the secret {secret_id} is not a JSON object of names and texts")
    return {name: "" if value is None else str(value).strip() for name, value in facts.items()}


def _unix(text: str) -> float:
    try:
        return float(int(text))
    except ValueError:
        raise ConfigurationError(
            "the secret's callback_secret_rotated_at must be Unix seconds where a previous one is kept"
        ) from None
