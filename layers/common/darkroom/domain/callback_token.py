"""The token in a callback's path: an HMAC that ties a URL to one upstream, one task and one attempt, for some days."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from darkroom.errors import TokenRejected

RETIRED_KEYS_LIVE_S = 48 * 3600
"""A callback may come up to 24 h after the first POST, and its last delivery 26 minutes later."""

_DAY_S = 86_400
_SENT_LIVES_S = 3 * _DAY_S
"""From its first POST an attempt is repeated for at most 23 hours, has a deadline of at most a day from then on, and is asked
about for one more day."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A stack secret; `retired_at` (Unix seconds) is None for the one that signs now."""

    secret: str = field(repr=False)
    retired_at: float | None = None

    @property
    def kid(self) -> str:
        """A short name that tells nothing of the secret."""
        return hashlib.sha256(b"darkroom-kid\0" + self.secret.encode()).hexdigest()[:8]


def token_lives_s(max_wait_s: float) -> float:
    """How long a token opens its door, in seconds: as long as a task may wait to be sent, and news of it may come after that."""
    return max_wait_s + _SENT_LIVES_S


def sign(key: SigningKey, *, upstream: str, task_id: str, attempt: int, now: float) -> str:
    """`kid.attempt.time.mac`, fit for a URL path; the time is when the attempt was made ready, in whole Unix seconds."""
    made_at = int(now)
    return f"{key.kid}.{attempt}.{made_at}.{_mac(key, upstream, task_id, attempt, made_at)}"


def callback_url(key: SigningKey, origin: str, *, upstream: str, task_id: str, attempt: int, now: float) -> str:
    """The address that lets an upstream in for one attempt of one task."""
    token = sign(key, upstream=upstream, task_id=task_id, attempt=attempt, now=now)
    return f"{origin}/v1/callbacks/{upstream}/{task_id}/{token}"


def verify(keys: Sequence[SigningKey], token: str, *, upstream: str, task_id: str, now: float, lives_s: float) -> int:
    """The attempt that `token` opens; raises TokenRejected, also `lives_s` seconds after it was made. Constant time."""
    parts = token.split(".")
    if len(parts) != 4 or not (_is_number(parts[1], 4) and _is_number(parts[2], 12)):
        raise TokenRejected("not a token")
    attempt, made_at = int(parts[1]), int(parts[2])
    for key in keys:
        if key.kid == parts[0] and not _dead(key, now):
            if not hmac.compare_digest(_mac(key, upstream, task_id, attempt, made_at).encode(), parts[3].encode()):
                raise TokenRejected("wrong token")
            if now > made_at + lives_s:
                raise TokenRejected("the token is too old")
            return attempt
    raise TokenRejected("unknown kid")


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= most


def _dead(key: SigningKey, now: float) -> bool:
    return key.retired_at is not None and now > key.retired_at + RETIRED_KEYS_LIVE_S


def _mac(key: SigningKey, upstream: str, task_id: str, attempt: int, made_at: int) -> str:
    text = f"callback\0{upstream}\0{task_id}\0{attempt}\0{made_at}"
    return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()[:40]
