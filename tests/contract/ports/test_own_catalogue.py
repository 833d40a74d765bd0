"""A deployer's object comes out of every bucket as it was put in, and its absence is no outage."""

import io

import pytest

from darkroom.catalogue.live import LARGEST, object_in
from darkroom.errors import ConfigurationError
from darkroom.ports import Bucket

KEY = "config/catalogue.json"


def put(bucket: Bucket, content: bytes) -> None:
    bucket.put(KEY, io.BytesIO(content), size=len(content), content_type="application/json", filename="catalogue.json")


@pytest.mark.parametrize("content", [b"", b"{}", b" " * LARGEST], ids=["empty", "small", "as large as may be"])
def test_the_object_is_read_whole(bucket: Bucket, content: bytes) -> None:
    put(bucket, content)

    assert object_in(bucket, KEY) == content


def test_one_that_is_not_there_is_named(bucket: Bucket) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no config/catalogue\.json"):
        object_in(bucket, KEY)


def test_one_that_is_too_large_is_not_held(bucket: Bucket) -> None:
    put(bucket, b" " * (LARGEST + 1))

    with pytest.raises(ConfigurationError, match="more than 1048576 bytes"):
        object_in(bucket, KEY)
