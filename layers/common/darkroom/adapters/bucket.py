"""The bucket in S3: the owner's pictures are streamed in once per key, and never overwritten."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from darkroom.adapters.clients import code_of, unavailable
from darkroom.errors import StorageUnavailable
from darkroom.ports import Body, Peek, SignedPut

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_CHUNK = 64 * 1024
_CONFLICT_WAITS_S = (0.1, 0.3, 1.0)
_MISSING = ("NoSuchKey", "404")
_UNFIT_FOR_A_HEADER = re.compile(r"[^A-Za-z0-9._-]")


class S3Bucket:
    """`Bucket` over S3; holds no more than a chunk of any picture in memory."""

    def __init__(self, *, client: "S3Client", name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    def put(self, key: str, body: Body, *, size: int, content_type: str, filename: str) -> bool:
        try:
            with unavailable("bucket"):
                return self._put(key, _Exact(body, size), content_type, filename)
        except _BodyFailed as failed:
            raise failed.error from None

    def replace(self, key: str, content: bytes, *, content_type: str) -> None:
        with unavailable("bucket"):
            self._client.put_object(Bucket=self._name, Key=key, Body=content, ContentType=content_type)

    @contextmanager
    def read(self, key: str) -> Iterator[Iterator[bytes]]:
        answer = self._get(key)
        try:
            yield _chunks(answer)
        finally:
            answer["Body"].close()

    def exists(self, key: str) -> bool:
        with unavailable("bucket"):
            try:
                self._client.head_object(Bucket=self._name, Key=key)
            except ClientError as error:
                if code_of(error) in _MISSING:
                    return False
                raise
        return True

    def presign(self, key: str, *, expires_s: int) -> str:
        with unavailable("bucket"):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._name, "Key": key}, ExpiresIn=expires_s
            )

    def presign_put(self, key: str, *, content_type: str, size: int, expires_s: int) -> SignedPut:
        # Each of these becomes a signed header: S3 refuses a request that leaves one out or says it otherwise.
        signed = {"ContentType": content_type, "ContentLength": size, "IfNoneMatch": "*"}
        with unavailable("bucket"):
            url = self._client.generate_presigned_url(
                "put_object", Params={"Bucket": self._name, "Key": key, **signed}, ExpiresIn=expires_s
            )
        return SignedPut(url=url, headers={"Content-Type": content_type, "Content-Length": str(size), "If-None-Match": "*"})

    def peek(self, key: str, size: int) -> Peek | None:
        with unavailable("bucket"):
            try:
                answer = self._client.get_object(Bucket=self._name, Key=key, Range=f"bytes=0-{size - 1}")
            except ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                if code_of(error) == "InvalidRange":
                    return Peek(head=b"", size=0, content_type="")
                raise
            with closing(answer["Body"]) as body:
                head = body.read()
        whole = answer["ContentRange"].rpartition("/")[2]
        return Peek(head=head, size=int(whole), content_type=answer["ContentType"])

    def _put(self, key: str, body: "_Exact", content_type: str, filename: str) -> bool:
        try:
            self._client.put_object(
                Bucket=self._name,
                Key=key,
                Body=body,  # type: ignore[arg-type]  # botocore reads it and asks for nothing else
                ContentLength=body.size,
                ContentType=content_type,
                ContentDisposition=f'inline; filename="{_UNFIT_FOR_A_HEADER.sub("_", filename)}"',
                CacheControl="private",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if code_of(error) == "ConditionalRequestConflict":
                return self._lost_to_another_writer(key)
            if code_of(error) == "PreconditionFailed":
                return False
            raise
        return True

    def _lost_to_another_writer(self, key: str) -> bool:
        """S3 saw two writers of one key at once. The body is gone, so only wait and see whether the other one got through."""
        for wait in _CONFLICT_WAITS_S:
            self._sleep(wait)
            if self.exists(key):
                return False
        raise StorageUnavailable("bucket: two writers of one key, and neither got through")

    def _get(self, key: str) -> "GetObjectOutputTypeDef":
        with unavailable("bucket"):
            try:
                return self._client.get_object(Bucket=self._name, Key=key)
            except ClientError as error:
                if code_of(error) in _MISSING:
                    raise KeyError(key) from error
                raise


def _chunks(answer: "GetObjectOutputTypeDef") -> Iterator[bytes]:
    chunks = iter(answer["Body"].iter_chunks(_CHUNK))
    while True:
        with unavailable("bucket"):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


class _BodyFailed(BaseException):
    """Carries what the body raised past botocore, which would wrap any `Exception` and then try to send the rest again."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _Exact:
    """A body of exactly `size` bytes: its last chunk leaves only once it is known that nothing follows.

    S3 keeps an object as soon as it has the promised number of bytes; so whatever is wrong with the body must show before.
    """

    def __init__(self, body: Body, size: int) -> None:
        self.size = size
        self._body = body
        self._left = size

    def read(self, size: int = -1) -> bytes:
        try:
            return self._read(_CHUNK if size < 0 else size)
        except Exception as error:
            raise _BodyFailed(error) from error

    def _read(self, size: int) -> bytes:
        if self._left == 0:
            return b""
        chunk = self._body.read(min(size, self._left))
        if not chunk:
            raise ValueError(f"the body ended {self._left} bytes before the {self.size} that were promised")
        self._left -= len(chunk)
        if self._left == 0 and self._body.read(1):
            raise ValueError(f"the body is longer than the {self.size} bytes that were promised")
        return chunk
