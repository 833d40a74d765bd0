"""What of a success could not be had: short texts that a task keeps and its application reads."""

from collections.abc import Iterable

from darkroom.domain.redact import redact

MAX_REASONS = 8
MAX_CHARACTERS = 120
AND_MORE = "and more"
_SCANNED = 4 * MAX_CHARACTERS


def shortened(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return each of `reasons` once, in one short line without URL queries and keys.

    Of more than `MAX_REASONS` the last ones are left out, and `AND_MORE` says so.
    """
    told = dict.fromkeys(redact(" ".join(reason[:_SCANNED].split()), MAX_CHARACTERS) for reason in reasons)
    kept = tuple(reason for reason in told if reason not in ("", AND_MORE))
    if len(kept) > MAX_REASONS or AND_MORE in told:
        return (*kept[: MAX_REASONS - 1], AND_MORE)
    return kept
