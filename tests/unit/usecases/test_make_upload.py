"""An upload is an address in the bucket, and nothing that is stored."""

from darkroom.domain.uploads import is_upload_id
from darkroom.usecases.make_upload import make_upload
from tests.support.memory import MemoryBucket

NOW = 1_763_600_000.0


def test_an_upload_is_an_address_below_its_owner_that_takes_exactly_what_was_announced() -> None:
    bucket = MemoryBucket()

    upload = make_upload(owner="shop", content_type="image/png", size=7, now=NOW, fresh=bytes, bucket=bucket)

    assert is_upload_id(upload.id)
    assert f"/uploads/shop/{upload.id}?" in upload.url
    assert upload.headers == {"Content-Type": "image/png", "Content-Length": "7", "If-None-Match": "*"}
    assert (upload.put_until, upload.expires_at) == (NOW + 900, NOW + 86_400)
    assert bucket.objects == {}


def test_its_address_shows_in_no_repr() -> None:
    upload = make_upload(owner="shop", content_type="image/png", size=7, now=NOW, fresh=bytes, bucket=MemoryBucket())

    assert upload.url not in repr(upload)
