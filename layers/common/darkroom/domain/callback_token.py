"""The token in a callback's path: an HMAC that ties a URL to one upstream, one task and one attempt."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from darkroom.errors import TokenRejected

RETIRED_KEYS_LIVE_S = 48 * 3600
"""A callback may come up to 24 h after the first POST, and its last delivery 26 minutes later."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A stack secret; `retired_at` (Unix seconds) is None for the one that signs now."""

    secret: str = field(repr=False)
    retired_at: float | None = None

    @property
    def kid(self) -> str:
        """A short name that tells nothing of the secret."""
        return hashlib.sha256(b"darkroom-kid\0" + self.secret.encode()).hexdigest()[:8]


def sign(key: SigningKey, *, upstream: str, task_id: str, attempt: int) -> str:
    """`kid.attempt.mac`, fit for a URL path."""
    return f"{key.kid}.{attempt}.{_mac(key, upstream, task_id, attempt)}"


def callback_url(key: SigningKey, origin: str, *, upstream: str, task_id: str, attempt: int) -> str:
    """The address that lets an upstream in for one attempt of one task."""
    return f"{origin}/v1/callbacks/{upstream}/{task_id}/{sign(key, upstream=upstream, task_id=task_id, attempt=attempt)}"


def verify(keys: Sequence[SigningKey], token: str, *, upstream: str, task_id: str, now: float) -> int:
    """The attempt that `token` opens; raises TokenRejected. Compares in constant time."""
    parts = token.split(".")
    if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) <= 4):
        raise TokenRejected("not a token")
    attempt = int(parts[1])
    for key in keys:
        if key.kid == parts[0] and not _dead(key, now):
            if hmac.compare_digest(_mac(key, upstream, task_id, attempt).encode(), parts[2].encode()):
                return attempt
            raise TokenRejected("wrong token")
    raise TokenRejected("unknown kid")


def _dead(key: SigningKey, now: float) -> bool:
    return key.retired_at is not None and now > key.retired_at + RETIRED_KEYS_LIVE_S


def _mac(key: SigningKey, upstream: str, task_id: str, attempt: int) -> str:
    text = f"callback\0{upstream}\0{task_id}\0{attempt}"
    return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()[:40]
