"""Look at the uploads of a request before anything is stored or sent: whose they are, how large, and what they really are."""

from collections.abc import Iterator, Mapping

from darkroom.domain.pictures import TYPE_KNOWN_AT, sniff
from darkroom.domain.uploads import LARGEST, LARGEST_INLINE, TYPES, USABLE_S, made_at, upload_key
from darkroom.ports import Bucket, Peek

MEASURED_WITHIN = 512 * 1024
"""Bytes in which the sides of a JPEG are looked for, behind its EXIF and colour profile."""

Complaint = tuple[str, str]


def check_uploads(
    uploads: Mapping[str, str],
    *,
    owner: str,
    largest: int | None,
    as_data: bool,
    now: float,
    bucket: Bucket,
    largest_pixels: int | None = None,
) -> tuple[Complaint, ...]:
    """What is wrong with `uploads` (place in the request → id), each with its place; raises StorageUnavailable.

    `largest` and `largest_pixels` are the model's limits, if it has any; `as_data`: they will travel inside the request. A JPEG
    whose sides stand behind its first MEASURED_WITHIN bytes is left for the gateway to measure.
    """
    measured = largest_pixels is not None
    found = {place: _look(upload, owner, now, bucket, measured=measured) for place, upload in uploads.items()}
    limit = min(largest or LARGEST, LARGEST)
    complaints = tuple(_complaints(found, limit, largest_pixels))
    if complaints or not as_data:
        return complaints
    whole = sum(one.size for one in found.values() if isinstance(one, Peek))
    if whole <= LARGEST_INLINE:
        return ()
    said = f"this model takes files inside the request, of at most {LARGEST_INLINE} bytes together; these have {whole}"
    return ((next(iter(found)), said),)


def _look(upload: str, owner: str, now: float, bucket: Bucket, *, measured: bool) -> Peek | str:
    if now >= made_at(upload) + USABLE_S:
        return f"the upload {upload} has expired: upload the image again"
    key = upload_key(owner, upload)
    seen = bucket.peek(key, TYPE_KNOWN_AT)
    if measured and seen is not None and _lacks_sides(seen):
        seen = bucket.peek(key, MEASURED_WITHIN)
    return seen or f"you have no upload {upload}, or its bytes are not there yet"


def _lacks_sides(peek: Peek) -> bool:
    picture = sniff(peek.head)
    return picture is not None and picture.width is None


def _complaints(found: Mapping[str, Peek | str], limit: int, largest_pixels: int | None) -> Iterator[Complaint]:
    for place, one in found.items():
        wrong = one if isinstance(one, str) else _wrong(one, limit, largest_pixels)
        if wrong:
            yield place, wrong


def _wrong(peek: Peek, limit: int, largest_pixels: int | None) -> str:
    """What it is, its first bytes say; how it was announced is how the gateway will be served it, so both must agree."""
    picture = sniff(peek.head)
    kind = picture.content_type if picture else None
    if kind not in TYPES:
        return f"its bytes are not an image of the types {', '.join(TYPES)}{f', but {kind}' if kind else ''}"
    if kind != peek.content_type:
        return f"its bytes are {kind}, though it was uploaded as {peek.content_type}"
    if peek.size > limit:
        return f"must have at most {limit} bytes; it has {peek.size}"
    width, height = (picture.width or 0, picture.height or 0) if picture else (0, 0)
    if largest_pixels is not None and width * height > largest_pixels:
        return f"must have at most {largest_pixels} pixels; it has {width} x {height}"
    return ""
