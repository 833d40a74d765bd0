"""Look at the uploads of a request before anything is stored or sent: whose they are, how large, and what they really are."""

from collections.abc import Iterator, Mapping

from darkroom.domain.pictures import TYPE_KNOWN_AT, sniff
from darkroom.domain.uploads import LARGEST, LARGEST_INLINE, TYPES, USABLE_S, made_at, upload_key
from darkroom.ports import Bucket, Peek

Complaint = tuple[str, str]


def check_uploads(
    uploads: Mapping[str, str], *, owner: str, largest: int | None, as_data: bool, now: float, bucket: Bucket
) -> tuple[Complaint, ...]:
    """What is wrong with `uploads` (place in the request → id), each with its place; raises StorageUnavailable.

    `largest` is the model's limit in bytes, if it has one; `as_data`: they will travel inside the request.
    """
    found = {place: _look(upload, owner, now, bucket) for place, upload in uploads.items()}
    limit = min(largest or LARGEST, LARGEST)
    complaints = tuple(_complaints(found, limit))
    if complaints or not as_data:
        return complaints
    whole = sum(one.size for one in found.values() if isinstance(one, Peek))
    if whole <= LARGEST_INLINE:
        return ()
    said = f"this model takes files inside the request, of at most {LARGEST_INLINE} bytes together; these have {whole}"
    return ((next(iter(found)), said),)


def _look(upload: str, owner: str, now: float, bucket: Bucket) -> Peek | str:
    if now >= made_at(upload) + USABLE_S:
        return f"the upload {upload} has expired: upload the image again"
    return bucket.peek(upload_key(owner, upload), TYPE_KNOWN_AT) or f"you have no upload {upload}, or its bytes are not there yet"


def _complaints(found: Mapping[str, Peek | str], limit: int) -> Iterator[Complaint]:
    for place, one in found.items():
        wrong = one if isinstance(one, str) else _wrong(one, limit)
        if wrong:
            yield place, wrong


def _wrong(peek: Peek, limit: int) -> str:
    """What it is, its first bytes say; how it was announced is how the gateway will be served it, so both must agree."""
    picture = sniff(peek.head)
    kind = picture.content_type if picture else None
    if kind not in TYPES:
        return f"its bytes are not an image of the types {', '.join(TYPES)}{f', but {kind}' if kind else ''}"
    if kind != peek.content_type:
        return f"its bytes are {kind}, though it was uploaded as {peek.content_type}"
    return f"must have at most {limit} bytes; it has {peek.size}" if peek.size > limit else ""
