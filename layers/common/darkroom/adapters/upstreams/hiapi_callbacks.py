"""HiAPI's callbacks: whether it signed them, and what they say (HiAPI docs, async-api; worked example in its Python SDK)."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from darkroom.adapters.upstreams.hiapi_tasks import is_terminal, read_news
from darkroom.adapters.upstreams.reading import Unreadable, read_object
from darkroom.adapters.upstreams.refusals import RAW_CAP
from darkroom.domain.news import News
from darkroom.domain.redact import redact_bytes
from darkroom.errors import SignatureRejected
from darkroom.ports import Heard

TOLERANCE_S = 300
_TIMESTAMP = re.compile(r"-?[0-9]{1,15}")


def hear(headers: Mapping[str, str], raw: bytes, *, secrets: Sequence[str], attempt: int, now: float) -> Heard:
    """What the callback says and whether to trust it; raises SignatureRejected.

    Trusted is only what one of `secrets` signed within five minutes of `now`. A right signature outside of that is a hint:
    nobody documents whether a repeated delivery is stamped anew. Without a secret everything is a hint.
    """
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    doubt = _doubt(lowered, raw, secrets, now)
    news, why = _read(raw, lowered, attempt)
    return Heard(trusted=not doubt, news=news, why="; ".join(filter(None, (doubt, why))), raw=redact_bytes(raw, RAW_CAP))


def _doubt(headers: Mapping[str, str], raw: bytes, secrets: Sequence[str], now: float) -> str:
    """Why the callback is only a hint, empty when it is not."""
    if not secrets:
        return "unsigned"
    timestamp, signature = headers.get("x-hiapi-timestamp", ""), headers.get("x-hiapi-signature", "")
    if not timestamp or not signature:
        raise SignatureRejected("a secret is configured and the callback is not signed")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureRejected("the timestamp is not a whole number of seconds")
    if not _signed_by_any(secrets, timestamp, signature, raw):
        raise SignatureRejected("the signature does not fit the bytes")
    return "stale" if abs(now - int(timestamp)) > TOLERANCE_S else ""


def _signed_by_any(secrets: Sequence[str], timestamp: str, signature: str, raw: bytes) -> bool:
    """Tries every secret, in constant time each; the hex may come in either case."""
    given = signature.lower().encode(errors="replace")
    message = timestamp.encode() + b"." + raw
    return any([hmac.compare_digest(_mac(secret, message), given) for secret in secrets])  # noqa: C419  (no early exit)


def _mac(secret: str, message: bytes) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()


def _read(raw: bytes, headers: Mapping[str, str], attempt: int) -> tuple[News | None, str]:
    try:
        doc = read_object(raw)
    except Unreadable as error:
        return None, str(error)
    news = read_news(doc, attempt=attempt, by="callback", raw=raw, headers=headers)
    if news is None:
        return None, "no status"
    if news.upstream_task_id is None:
        return None, "no task id"
    return (news, "") if is_terminal(news) else (None, "not terminal")
