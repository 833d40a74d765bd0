"""HiAPI's memory of idempotency keys: the raw body's hash and the first answer, for 24 simulated hours.

A key belongs to an account. A refused create (4xx) does not occupy it.
"""

import hashlib
import threading
from dataclasses import dataclass

from local.simulator.messages import Refused

MEMORY_S = 24 * 3600
# HiAPI normally asks for five seconds (hiapi-python, README).
RETRY_AFTER_S = 5


@dataclass
class Entry:
    """One key: whose bytes it stands for, since when, and the answer's body once there is one."""

    digest: str
    since: float
    answer: bytes | None = None
    task_id: str = ""


class Keys:
    """Collapses repeats of a create; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Entry] = {}

    def knows(self, account: str, key: str) -> bool:
        """Whether the key is remembered."""
        with self._lock:
            return (account, key) in self._entries

    def reserve(self, account: str, key: str, body: bytes, now: float) -> Entry | None:
        """Take the key for this body and return None, or return the entry to replay.

        Raises `Refused`: 422 when the key stands for other bytes, 409 while its first request is being processed.
        """
        digest = hashlib.sha256(body).hexdigest()
        with self._lock:
            entry = self._entries.get((account, key))
            if entry is None or now - entry.since >= MEMORY_S:
                self._entries[account, key] = Entry(digest, now)
                return None
            if entry.digest != digest:
                raise Refused(422, "IDEMPOTENCY_KEY_MISMATCH", "Idempotency-Key was used with a different body")
            if entry.answer is None:
                raise Refused(
                    409,
                    "IDEMPOTENCY_KEY_PROCESSING",
                    "the first request with this Idempotency-Key is still being processed",
                    Retry_After=str(RETRY_AFTER_S),
                )
            return entry

    def settle(self, account: str, key: str, answer: bytes, task_id: str) -> None:
        """From now on a repeat gets this answer."""
        with self._lock:
            entry = self._entries.get((account, key))
            if entry is not None:
                entry.answer, entry.task_id = answer, task_id

    def forget(self, account: str, key: str) -> None:
        """The key is free again."""
        with self._lock:
            self._entries.pop((account, key), None)

    def clear(self) -> None:
        """All keys are free again."""
        with self._lock:
            self._entries.clear()
