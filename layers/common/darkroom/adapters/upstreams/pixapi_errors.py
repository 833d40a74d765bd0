"""What Pixapi's answers complain about: its numbers, words and types in one form."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from darkroom.adapters.upstreams import once
from darkroom.adapters.upstreams.complaints import Complaint
from darkroom.adapters.upstreams.http import Answer

_WORDS: Mapping[int, str] = {
    404: "model_not_found",
    422: "prompt_rejected",
    429: "rate_limited",
    503: "model_unavailable",
}
"""The one meaning that each status has (Pixapi docs, errors); the docs disagree on whether the body says it in words too.

401 and 402 are not in here: where no code tells, a message that names the content or the model is believed before them.
"""


def complaint_of(answer: Answer, doc: Mapping[str, Any] | None) -> Complaint:
    """As `once.complaint_of`; where Pixapi itself (not a proxy's page) says only a number, the status is the word."""
    complaint = once.complaint_of(answer, doc)
    wordless = complaint.code is None or complaint.code.isdigit()
    word = _WORDS.get(complaint.status) if doc is not None and wordless else None
    return replace(complaint, code=word) if word else complaint
