"""The cursors of lists: where the next page starts, signed, and good for one owner only."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from darkroom.domain.callback_token import SigningKey
from darkroom.domain.ids import is_task_id
from darkroom.web.problems import InputFault, Problem

_MAC_BYTES = 16


def write_cursor(key: SigningKey, *, owner: str, last_seen: str) -> str:
    """The cursor that continues an owner's list after the id `last_seen`."""
    raw = last_seen.encode() + _mac(key, owner, last_seen)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_cursor(keys: Sequence[SigningKey], cursor: str, *, owner: str) -> str:
    """The id inside a cursor of ours; raises Problem invalid_query for any other, and for another owner's."""
    raw = _decoded(cursor)
    last_seen, mac = raw[:-_MAC_BYTES].decode("ascii", errors="replace"), raw[-_MAC_BYTES:]
    if is_task_id(last_seen) and any(hmac.compare_digest(_mac(key, owner, last_seen), mac) for key in keys):
        return last_seen
    faults = [InputFault("parameter", "cursor", "must be the next_cursor of an earlier page, unchanged")]
    raise Problem("invalid_query", "the cursor cannot be used", faults=faults)


def _decoded(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _mac(key: SigningKey, owner: str, last_seen: str) -> bytes:
    text = f"cursor\0{owner}\0{last_seen}"
    return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).digest()[:_MAC_BYTES]
