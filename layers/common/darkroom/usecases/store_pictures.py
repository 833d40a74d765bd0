"""Bring a finished task's bytes home: stream each output into the bucket once, then close the task."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from darkroom.domain.ids import image_id
from darkroom.domain.pictures import TYPE_KNOWN_AT, Picture, extension, sniff
from darkroom.domain.task import Image, Output, Phase, Task
from darkroom.errors import DownloadError, DownloadInterrupted, OutputGone, OutputRefused, TaskChanged
from darkroom.ports import Bucket, Clock, Download, Downloads, Tasks

_TRIES = 3
_HEAD_BYTES = 512 * 1024
"""JPEG and AVIF may put half a megabyte of profiles before their size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The task as it is now; `fault` says why its pictures are not in the bucket (None: they are, or others see to it)."""

    task: Task
    fault: DownloadError | None = None
    downloads: int = 0


class _Waits(Protocol):
    def __call__(self, seconds: float, /) -> None: ...


def picture_key(task: Task, attempt: int, index: int) -> str:
    """Where a picture lies in the bucket."""
    return f"images/{task.owner}/{task.id}/{attempt}/{index}"


def store_pictures(
    task: Task,
    *,
    resume: bool,
    until: float,
    delays: tuple[float, ...],
    max_bytes: int,
    clock: Clock,
    sleep: _Waits,
    tasks: Tasks,
    bucket: Bucket,
    downloads: Downloads,
) -> Stored:
    """Fetch `task.outputs` and close the task; the caller holds `task.lease`.

    Each output is tried at `delays` (seconds) until `until`. `resume`: an earlier holder may have stored
    some already; those are read back, not fetched. Raises StorageUnavailable when table or bucket are away;
    whatever was stored by then is found again.
    """
    fetch = _Fetch(until=until, delays=delays, max_bytes=max_bytes, clock=clock, sleep=sleep, bucket=bucket, downloads=downloads)
    images = []
    for index, output in enumerate(task.outputs):
        try:
            images.append(fetch.image(task, index, output, resume=resume))
        except DownloadError as fault:
            return Stored(task=task, fault=fault, downloads=fetch.count)
    return Stored(task=_close(task, tuple(images), clock=clock, tasks=tasks), downloads=fetch.count)


def _close(task: Task, images: tuple[Image, ...], *, clock: Clock, tasks: Tasks) -> Task:
    current = task
    for _ in range(_TRIES):
        after = current.stored(clock(), images)
        try:
            tasks.move(current, after)
        except TaskChanged:
            current = tasks.get(task.id) or current
            # Looked at meanwhile: still ours. Closed, or leased to somebody else: theirs, with the same objects.
            if current.lease != task.lease or current.phase not in (Phase.STORING, Phase.EXPIRED):
                return current
        else:
            return after
    raise TaskChanged(f"{task.id} moved {_TRIES} times while it was being closed")


@dataclass(slots=True, kw_only=True)
class _Fetch:
    """One round of fetching: the time it may take and what it has done."""

    until: float
    delays: tuple[float, ...]
    max_bytes: int
    clock: Clock
    sleep: _Waits
    bucket: Bucket
    downloads: Downloads
    count: int = field(default=0)

    def image(self, task: Task, index: int, output: Output, *, resume: bool) -> Image:
        key = picture_key(task, task.attempt, index)
        if resume and (facts := self._read_back(key)) is not None:
            return facts.image(task, index, self.clock())
        if not output.url:
            raise OutputGone("the output's address was not kept, or it came inside an answer that is gone")
        return self._patiently(lambda: self._fetch(key, task, index, output))

    def _patiently(self, once: Callable[[], Image]) -> Image:
        fault: DownloadError = DownloadInterrupted("no time was left to fetch the output")
        for delay in self.delays:
            if self.clock() + delay >= self.until:
                break
            self.sleep(delay)
            try:
                return once()
            except OutputRefused:
                raise
            except DownloadError as error:
                fault = error
        raise fault

    def _fetch(self, key: str, task: Task, index: int, output: Output) -> Image:
        self.count += 1
        with self.downloads.open(output.url, timeout_s=self.until - self.clock()) as download:
            if download.size is not None and download.size > self.max_bytes:
                raise _too_large(self.max_bytes)
            body = MeteredBody(download.chunks, max_bytes=self.max_bytes)
            picture = body.picture()
            name = f"{image_id(task.id, task.attempt, index)}.{extension(picture.content_type)}"
            if self._put(key, body, download, picture.content_type, name):
                return body.facts().image(task, index, self.clock())
        facts = self._read_back(key)
        if facts is None:
            raise DownloadInterrupted("the bucket says the picture is there and not there")
        return facts.image(task, index, self.clock())

    def _put(self, key: str, body: "MeteredBody", download: Download, content_type: str, name: str) -> bool:
        if download.size is not None:
            return self.bucket.put(key, body, size=download.size, content_type=content_type, filename=name)
        # The bucket wants to know the length beforehand: spool on disk, not in memory.
        with tempfile.TemporaryFile() as spool:
            while chunk := body.read(1 << 16):
                spool.write(chunk)
            spool.seek(0)
            return self.bucket.put(key, spool, size=body.size, content_type=content_type, filename=name)

    def _read_back(self, key: str) -> "_Facts | None":
        """The facts of what lies in the bucket: after a crash between storing and closing, those are the task's."""
        try:
            with self.bucket.read(key) as chunks:
                body = MeteredBody(chunks, max_bytes=1 << 40)
                while body.read(1 << 16):
                    pass
                return body.facts()
        except KeyError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    picture: Picture
    size: int
    sha256: str

    def image(self, task: Task, index: int, now: float) -> Image:
        return Image(
            index=index,
            content_type=self.picture.content_type,
            size=self.size,
            width=self.picture.width,
            height=self.picture.height,
            sha256=self.sha256,
            created_at=now,
            attempt=task.attempt,
        )


class MeteredBody:
    """A body that is hashed, measured and capped while somebody else reads it."""

    def __init__(self, chunks: Iterator[bytes], *, max_bytes: int) -> None:
        self._chunks = chunks
        self._max = max_bytes
        self._waiting = b""
        self._hash = hashlib.sha256()
        self._head = bytearray()
        self.size = 0

    def picture(self) -> Picture:
        """What the first bytes say; raises OutputRefused when they are no image's."""
        while len(self._waiting) < TYPE_KNOWN_AT and self._more():
            pass
        picture = sniff(self._waiting[:_HEAD_BYTES])
        if picture is None:
            raise OutputRefused("the output is not a PNG, JPEG, WebP, AVIF or GIF image", code="no_output")
        return picture

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; all that is left when negative."""
        while (size < 0 or not self._waiting) and self._more():
            pass
        taken, self._waiting = (self._waiting, b"") if size < 0 else (self._waiting[:size], self._waiting[size:])
        self._measure(taken)
        return taken

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        self._waiting += chunk or b""
        return chunk is not None

    def _measure(self, taken: bytes) -> None:
        self.size += len(taken)
        if self.size > self._max:
            raise _too_large(self._max)
        self._hash.update(taken)
        if len(self._head) < _HEAD_BYTES:
            self._head += taken[: _HEAD_BYTES - len(self._head)]

    def facts(self) -> _Facts:
        """What was read, once all of it was."""
        picture = sniff(bytes(self._head))
        if picture is None:
            raise OutputRefused("the stored object is not an image", code="no_output")
        return _Facts(picture=picture, size=self.size, sha256=self._hash.hexdigest())


def _too_large(max_bytes: int) -> OutputRefused:
    return OutputRefused(f"the output is larger than {max_bytes} bytes", code="storage_failed")
