"""Bring a finished task's bytes home: stream each output into the bucket once, then close the task."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from darkroom.domain.endings import EndFinder, end_finder
from darkroom.domain.ids import image_id
from darkroom.domain.pictures import TYPE_KNOWN_AT, Picture, extension, sniff
from darkroom.domain.task import Image, Output, Phase, Task
from darkroom.errors import DownloadError, DownloadInterrupted, OutputGone, OutputRefused, StorageUnavailable, TaskChanged
from darkroom.ports import Bucket, Clock, Download, Downloads, Tasks

_TRIES = 3
_HEAD_BYTES = 512 * 1024
"""JPEG and AVIF may put half a megabyte of profiles before their size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The task as it is now, and where it could not be closed why: `faults` by the output's index.

    `images` are those that are in the bucket. Without faults the task is closed, or others see to it.
    """

    task: Task
    faults: Mapping[int, DownloadError] = field(default_factory=dict)
    images: tuple[Image, ...] = ()
    downloads: int = 0

    @property
    def fault(self) -> DownloadError | None:
        """The fault that decides what comes next: one that may pass, where there is one."""
        faults = self.faults.values()
        passing = next((one for one in faults if isinstance(one, DownloadInterrupted)), None)
        return passing or next(iter(faults), None)

    @property
    def missing(self) -> tuple[str, ...]:
        """Which outputs are not in the bucket, and why, for the task's application."""
        return tuple(f"output {index + 1}: {fault}" for index, fault in self.faults.items())


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
    """Fetch `task.outputs` and close the task when all of them are stored; the caller holds `task.lease`.

    Raises StorageUnavailable when table or bucket are away; whatever was stored by then is found again.
    """
    kept = keep_pictures(
        task,
        resume=resume,
        until=until,
        delays=delays,
        max_bytes=max_bytes,
        clock=clock,
        sleep=sleep,
        bucket=bucket,
        downloads=downloads,
    )
    return kept if kept.faults else replace(kept, task=_close(task, kept.images, clock=clock, tasks=tasks))


def keep_pictures(
    task: Task,
    *,
    resume: bool,
    until: float,
    delays: tuple[float, ...],
    max_bytes: int,
    clock: Clock,
    sleep: _Waits,
    bucket: Bucket,
    downloads: Downloads,
) -> Stored:
    """Fetch `task.outputs` into the bucket, under the number of `task.attempt`, and leave the task as it is.

    All are tried at each of `delays` (seconds) until `until`, so that one of them cannot hold up the others. `resume`: an earlier
    holder may have stored some already; those are read back, not fetched. Raises StorageUnavailable.
    """
    if not task.outputs:
        return Stored(task=task, faults={0: OutputGone("no address of an output is known")})
    fetch = _Fetch(task=task, until=until, max_bytes=max_bytes, clock=clock, bucket=bucket, downloads=downloads)
    if resume:
        fetch.find_stored()
    for delay in delays:
        if not fetch.wanted or clock() + delay >= until:
            break
        sleep(delay)
        fetch.try_all()
    images = tuple(image for _, image in sorted(fetch.images.items()))
    return Stored(task=task, faults=dict(sorted(fetch.faults.items())), images=images, downloads=fetch.count)


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
    """The outputs of one task on their way into the bucket: which are there, and why the others are not."""

    task: Task
    until: float
    max_bytes: int
    clock: Clock
    bucket: Bucket
    downloads: Downloads
    images: dict[int, Image] = field(default_factory=dict)
    faults: dict[int, DownloadError] = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        untried = DownloadInterrupted("no time was left to fetch the output")
        self.faults = dict.fromkeys(range(len(self.task.outputs)), untried)

    @property
    def wanted(self) -> list[int]:
        """The outputs that another try may bring."""
        return [index for index, fault in self.faults.items() if not isinstance(fault, OutputRefused)]

    def find_stored(self) -> None:
        """Read back what an earlier holder has stored."""
        for index in self.wanted:
            try:
                facts = self._read_back(self._key(index))
            except OutputRefused as fault:
                self.faults[index] = fault
            else:
                if facts is not None:
                    self._is_stored(index, facts)

    def try_all(self) -> None:
        """Fetch each output that is not stored; none takes more than its share of the time while others wait."""
        wanted = self.wanted
        for place, index in enumerate(wanted):
            share = (self.until - self.clock()) / (len(wanted) - place)
            try:
                self._is_stored(index, self._fetch(index, self.task.outputs[index], timeout_s=share))
            except DownloadError as fault:
                self.faults[index] = fault

    def _is_stored(self, index: int, facts: "_Facts") -> None:
        self.images[index] = facts.image(self.task, index, self.clock())
        del self.faults[index]

    def _key(self, index: int) -> str:
        return picture_key(self.task, self.task.attempt, index)

    def _fetch(self, index: int, output: Output, *, timeout_s: float) -> "_Facts":
        if not output.url:
            raise OutputRefused("its address was not kept, or it came inside an answer that is gone", code="output_expired")
        self.count += 1
        key = self._key(index)
        with self.downloads.open(output.url, timeout_s=timeout_s) as download:
            try:
                facts = self._pass_on(key, index, download)
            except DownloadError as fault:
                if download.repeatable:
                    raise
                raise OutputRefused(str(fault), code=fault.code) from fault
        facts = facts or self._read_back(key)
        if facts is None:
            raise DownloadInterrupted("the bucket says the picture is there and not there")
        return facts

    def _pass_on(self, key: str, index: int, download: Download) -> "_Facts | None":
        """Stream a download into the bucket and return its facts; None when there is something under its key."""
        if download.size is not None and download.size > self.max_bytes:
            raise _too_large(self.max_bytes)
        body = MeteredBody(download.chunks, max_bytes=self.max_bytes)
        picture = body.picture()
        name = f"{image_id(self.task.id, self.task.attempt, index)}.{extension(picture.content_type)}"
        return body.facts() if self._put(key, body, download, picture.content_type, name) else None

    def _put(self, key: str, body: "MeteredBody", download: Download, content_type: str, name: str) -> bool:
        if download.size is not None:
            return self.bucket.put(key, body, size=download.size, content_type=content_type, filename=name)
        # The bucket wants to know the length beforehand: spool on disk, not in memory.
        try:
            with tempfile.TemporaryFile() as spool:
                while chunk := body.read(1 << 16):
                    spool.write(chunk)
                spool.seek(0)
                return self.bucket.put(key, spool, size=body.size, content_type=content_type, filename=name)
        except OSError as error:
            raise StorageUnavailable(f"disk: {error.strerror}") from error

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
        self._end: EndFinder | None = None
        self.size = 0

    def picture(self) -> Picture:
        """Tell from the first bytes what this is; raises OutputGone when they are no image's.

        From then on a body that ends before its picture does raises DownloadInterrupted, before its end is told to anybody.
        """
        while len(self._waiting) < TYPE_KNOWN_AT and self._more():
            pass
        picture = sniff(self._waiting[:_HEAD_BYTES])
        if picture is None:
            raise OutputGone("the output is not a PNG, JPEG, WebP, AVIF or GIF image", code="no_output")
        self._end = end_finder(picture.content_type)
        return picture

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; all that is left when negative."""
        more = True
        while more and (size < 0 or not self._waiting):
            more = self._more()
        taken, self._waiting = (self._waiting, b"") if size < 0 else (self._waiting[:size], self._waiting[size:])
        self._measure(taken)
        if not more and self._end is not None and not self._end.found:
            raise DownloadInterrupted(f"the picture ends early, after {self.size} bytes", code="output_incomplete")
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
        if self._end is not None:
            self._end.feed(taken)

    def facts(self) -> _Facts:
        """What was read, once all of it was."""
        picture = sniff(bytes(self._head))
        if picture is None:
            raise OutputRefused("the stored object is not an image", code="no_output")
        return _Facts(picture=picture, size=self.size, sha256=self._hash.hexdigest())


def _too_large(max_bytes: int) -> OutputRefused:
    return OutputRefused(f"the output is larger than {max_bytes} bytes")
