"""Give an application an address for one reference image: its bytes go to the bucket and never through us."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from darkroom.domain.uploads import PUT_LIVES_S, USABLE_S, new_upload_id, upload_key
from darkroom.ports import Bucket, Randomness


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload that is expected: PUT to `url` with `headers` before `put_until`; usable before `expires_at` (Unix seconds)."""

    id: str
    content_type: str
    size: int
    url: str = field(repr=False)
    headers: Mapping[str, str]
    put_until: float
    expires_at: float


def make_upload(*, owner: str, content_type: str, size: int, now: float, fresh: Randomness, bucket: Bucket) -> Upload:
    """An upload of exactly `size` bytes of that type, for `owner` alone. Nothing is stored: what is put there tells the rest."""
    upload_id = new_upload_id(now, fresh(10))
    put = bucket.presign_put(upload_key(owner, upload_id), content_type=content_type, size=size, expires_s=PUT_LIVES_S)
    return Upload(
        id=upload_id,
        content_type=content_type,
        size=size,
        url=put.url,
        headers=put.headers,
        put_until=now + PUT_LIVES_S,
        expires_at=now + USABLE_S,
    )
