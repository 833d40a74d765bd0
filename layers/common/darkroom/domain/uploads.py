"""Reference images that an application uploads first: their ids, where they lie, and what stands for them in a request.

A request is frozen before its uploads have an address. Until it is sent, a stand-in is in the place of each of them.
"""

import json
import re
from collections.abc import Callable

from darkroom.domain.ids import ulid, ulid_time

TYPES = ("image/png", "image/jpeg", "image/webp")
"""What gateways take as a reference (HiAPI's skills: JPEG, PNG or WebP, no SVG)."""

LARGEST = 20 * 1024 * 1024
"""Bytes of one upload."""

LARGEST_INLINE = 7 * 1024 * 1024
"""Bytes of all uploads that travel inside a request: base64 adds a third, and HiAPI takes 10 MB (HiAPI docs, rate limits)."""

PUT_LIVES_S = 900
"""So long the address for the bytes is good."""

USABLE_S = 24 * 3600
"""So long after its making an upload may be named in a new task; the bucket keeps it until no task can need it any more."""

FOLDER = "uploads/"

_ID = re.compile(r"upl_[0-9A-HJKMNP-TV-Z]{26}")
_STAND_IN = re.compile(r"upload:(?:url|data)/(upl_[0-9A-HJKMNP-TV-Z]{26})")
_IN_BODY = {
    as_data: re.compile(rf'"upload:{"data" if as_data else "url"}/(upl_[0-9A-HJKMNP-TV-Z]{{26}})"'.encode())
    for as_data in (False, True)
}


def new_upload_id(now: float, randomness: bytes) -> str:
    """A new upload's id, which nobody guesses."""
    return "upl_" + ulid(now, randomness)


def is_upload_id(text: str) -> bool:
    """Whether `text` has the form of an upload's id (it may still not exist)."""
    return _ID.fullmatch(text) is not None


def made_at(upload_id: str) -> float:
    """When an upload's id was made, in Unix seconds."""
    return ulid_time(upload_id.removeprefix("upl_"))


def upload_key(owner: str, upload_id: str) -> str:
    """Where an owner's upload lies in the bucket: to any other owner the same id names nothing."""
    return f"{FOLDER}{owner}/{upload_id}"


def stand_in(upload_id: str, *, as_data: bool) -> str:
    """What stands for an upload in a model's own field: to become its address, or the bytes themselves as a data: URI."""
    return f"upload:{'data' if as_data else 'url'}/{upload_id}"


def is_stand_in(text: str) -> bool:
    """Whether `text` would be taken for an upload when the request is sent."""
    return _STAND_IN.fullmatch(text) is not None


def upload_named(text: str) -> str | None:
    """The upload that `text` names, by its id or by a stand-in of it; None when it is something else."""
    found = _STAND_IN.fullmatch(text)
    if found:
        return found[1]
    return text if is_upload_id(text) else None


def waits_for(body: bytes, *, as_data: bool) -> bool:
    """Whether a frozen request has stand-ins of that kind."""
    return _IN_BODY[as_data].search(body) is not None


def filled(body: bytes, text_of: Callable[[str], str], *, as_data: bool) -> bytes:
    """A frozen JSON request with `text_of(upload id)` for each stand-in of that kind; every other byte stays what it is."""
    return _IN_BODY[as_data].sub(lambda found: json.dumps(text_of(found[1].decode())).encode(), body)
