"""What every bucket promises, and what the real one does with a body that breaks."""

import io
import tracemalloc
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from darkroom.adapters.bucket import S3Bucket
from darkroom.adapters.clients import Clients
from darkroom.errors import DownloadInterrupted, StorageUnavailable
from darkroom.ports import Bucket, Peek, SignedPut
from tests.support.aws import Aws, clients_at
from tests.support.origin import head, origin

KEY, EMPTY = "images/dev/task_1/1/0", "images/dev/task_1/1/1"
UPLOAD = "uploads/dev/upl_01M7WD7TG000000000000EXAMP"


class Broken:
    """A body that gives `good` bytes and then fails."""

    def __init__(self, good: int, error: Exception) -> None:
        self._left = good
        self._error = error

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            raise self._error
        given = min(size, self._left)
        self._left -= given
        return b"x" * given


class Endless:
    """A large body that nobody ever holds as a whole."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        given = min(size, self._left)
        self._left -= given
        return b"x" * given


def put(bucket: Bucket, content: bytes = b"picture", key: str = KEY) -> bool:
    return bucket.put(key, io.BytesIO(content), size=len(content), content_type="image/png", filename="img_1.png")


def content_of(bucket: Bucket, key: str = KEY) -> bytes:
    with bucket.read(key) as chunks:
        return b"".join(chunks)


@pytest.mark.parametrize("content", [b"picture", b"", bytes(range(256)) * 4000], ids=["small", "empty", "a megabyte"])
def test_a_picture_comes_back_as_it_was_put(bucket: Bucket, content: bytes) -> None:
    assert put(bucket, content)

    assert content_of(bucket) == content
    assert bucket.exists(KEY)


def test_a_taken_key_keeps_its_picture(bucket: Bucket) -> None:
    put(bucket, b"first")

    assert not put(bucket, b"second")

    assert content_of(bucket) == b"first"


def test_what_is_replaced_is_the_newest(bucket: Bucket) -> None:
    for content in (b"first", b"second, longer", b""):
        bucket.replace("config/kept.json", content, content_type="application/json")

        assert content_of(bucket, "config/kept.json") == content


def test_of_many_puts_at_once_one_wins(bucket: Bucket) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: put(bucket, b"%d" % number), range(8)))

    assert won.count(True) == 1
    assert content_of(bucket) == b"%d" % won.index(True)


def test_what_is_not_there_is_a_key_error(bucket: Bucket) -> None:
    assert not bucket.exists(KEY)

    with pytest.raises(KeyError):
        content_of(bucket)


@pytest.mark.parametrize("good", [0, 10, 500_000])
def test_a_fault_of_the_body_comes_out_as_it_is_and_leaves_nothing(bucket: Bucket, good: int) -> None:
    fault = DownloadInterrupted("broken off")

    with pytest.raises(DownloadInterrupted) as caught:
        bucket.put(KEY, Broken(good, fault), size=1_000_000, content_type="image/png", filename="a.png")

    assert caught.value is fault
    assert not bucket.exists(KEY)
    assert put(bucket)


@pytest.mark.parametrize("size", [6, 8], ids=["too long", "too short"])
def test_a_body_of_another_size_than_promised_leaves_nothing(bucket: Bucket, size: int) -> None:
    with pytest.raises(ValueError, match="promised"):
        bucket.put(KEY, io.BytesIO(b"picture"), size=size, content_type="image/png", filename="a.png")

    assert not bucket.exists(KEY)


@pytest.mark.parametrize(("size", "head"), [(4, b"pict"), (7, b"picture"), (4096, b"picture")])
def test_the_first_bytes_can_be_seen_with_the_whole_size_and_type(bucket: Bucket, size: int, head: bytes) -> None:
    put(bucket, b"picture")

    assert bucket.peek(KEY, size) == Peek(head=head, size=7, content_type="image/png")


def test_there_is_nothing_to_see_where_nothing_is(bucket: Bucket) -> None:
    put(bucket, b"", key=EMPTY)

    assert bucket.peek(KEY, 16) is None
    empty = bucket.peek(EMPTY, 16)
    assert empty is not None
    assert (empty.head, empty.size) == (b"", 0)


@pytest.fixture
def real(aws: Aws) -> S3Bucket:
    return S3Bucket(client=aws.clients.s3, name=aws.bucket())


def test_a_presigned_url_gives_the_picture_without_a_key(real: S3Bucket) -> None:
    put(real, b"picture")

    with urllib.request.urlopen(real.presign(KEY, expires_s=60), timeout=10) as answer:
        assert answer.read() == b"picture"
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Disposition"] == 'inline; filename="img_1.png"'
        assert answer.headers["Cache-Control"] == "private"


def send(signed: SignedPut, content: bytes) -> int:
    """PUT as anybody does it who has been given the address."""
    request = urllib.request.Request(signed.url, data=content, method="PUT", headers=dict(signed.headers))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as refused:
        status = refused.code
        refused.close()
    return status


def test_a_presigned_put_takes_the_bytes_without_a_key_and_only_once(real: S3Bucket) -> None:
    signed = real.presign_put(UPLOAD, content_type="image/png", size=7, expires_s=60)

    assert send(signed, b"picture") == 200
    assert send(signed, b"another") == 412

    assert real.peek(UPLOAD, 16) == Peek(head=b"picture", size=7, content_type="image/png")


def test_a_presigned_put_signs_all_that_s3_can_hold_its_sender_to(real: S3Bucket) -> None:
    signed = real.presign_put(UPLOAD, content_type="image/png", size=7, expires_s=60)

    asked = parse_qs(urlsplit(signed.url).query)
    assert set(asked["X-Amz-SignedHeaders"][0].split(";")) == {"host", *map(str.lower, signed.headers)}
    assert asked["X-Amz-Expires"] == ["60"]
    assert signed.headers == {"Content-Type": "image/png", "Content-Length": "7", "If-None-Match": "*"}


def test_a_signature_does_not_fit_other_headers_than_it_was_made_for(real: S3Bucket) -> None:
    made = [
        real.presign_put(UPLOAD, content_type=kind, size=size, expires_s=60).url
        for kind, size in (("image/png", 7), ("image/png", 8), ("text/html", 7))
    ]

    assert len({parse_qs(urlsplit(url).query)["X-Amz-Signature"][0] for url in made}) == 3


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_urls_are_signed_for_the_buckets_own_region(region: str) -> None:
    """A new bucket's global host name redirects to its region, and the signature, which covers the host, would not fit there."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=region)
    bucket = S3Bucket(client=Clients(session=session).s3, name="pictures")

    hosts = {
        urlsplit(url).hostname
        for url in (
            bucket.presign(KEY, expires_s=60),
            bucket.presign_put(UPLOAD, content_type="image/png", size=7, expires_s=60).url,
        )
    }

    own = "pictures.s3.amazonaws.com" if region == "us-east-1" else f"pictures.s3.{region}.amazonaws.com"
    assert hosts == {own}


def test_a_file_name_cannot_break_out_of_its_header(real: S3Bucket) -> None:
    real.put(KEY, io.BytesIO(b"x"), size=1, content_type="image/png", filename='a"\r\nX-Evil: ü.png')

    with urllib.request.urlopen(real.presign(KEY, expires_s=60), timeout=10) as answer:
        assert answer.headers["Content-Disposition"] == 'inline; filename="a___X-Evil___.png"'


def test_thirty_megabytes_pass_through_little_memory(real: S3Bucket) -> None:
    size = 30_000_000
    put(real, key="warm")
    tracemalloc.start()
    try:
        real.put(KEY, Endless(size), size=size, content_type="image/png", filename="a.png")
        with real.read(KEY) as chunks:
            assert sum(map(len, chunks)) == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5_000_000


def test_a_bucket_that_does_not_answer_is_unavailable() -> None:
    nowhere = S3Bucket(client=clients_at("http://127.0.0.1:9").s3, name="pictures")

    for call in (lambda: put(nowhere), lambda: nowhere.exists(KEY), lambda: content_of(nowhere)):
        with pytest.raises(StorageUnavailable, match="bucket: "):
            call()


def test_a_bucket_that_is_not_there_is_unavailable(aws: Aws) -> None:
    missing = S3Bucket(client=aws.clients.s3, name="no-such-bucket")

    with pytest.raises(StorageUnavailable, match="NoSuchBucket"):
        put(missing)


def test_a_picture_leaves_in_one_request_that_waits_for_no_leave() -> None:
    with origin() as s3:
        s3.answers["/pictures/" + KEY] = lambda visit: visit.send(head("200 OK", "Content-Length: 0", "Connection: close"))

        put(S3Bucket(client=clients_at(f"http://127.0.0.1:{s3.port}").s3, name="pictures"))

        sent = s3.visits[0].headers
    assert sent["content-length"] == "7"
    assert sent["if-none-match"] == "*"
    assert not {"expect", "transfer-encoding", "x-amz-trailer"} & sent.keys()


class Contended:
    """S3 as it answers when two writers of one key meet; the other one's object shows up after `looks` looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def put_object(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")

    def head_object(self, **_: object) -> None:
        self.looks -= 1
        if self.looks >= 0:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")


def test_a_writer_who_meets_another_waits_for_the_others_picture() -> None:
    waits: list[float] = []
    bucket = S3Bucket(client=Contended(looks=2), name="pictures", sleep=waits.append)

    assert not put(bucket)

    assert len(waits) == 3


def test_a_writer_who_meets_another_that_fails_too_says_so() -> None:
    bucket = S3Bucket(client=Contended(looks=9), name="pictures", sleep=lambda _: None)

    with pytest.raises(StorageUnavailable, match="two writers"):
        put(bucket)
