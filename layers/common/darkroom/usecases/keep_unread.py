"""Keep an answer that could not be read and cannot be asked for again: a picture in it is paid for, and a person may find it."""

from collections.abc import Callable

from darkroom.domain.task import Task
from darkroom.errors import StorageUnavailable
from darkroom.ports import Bucket

FOLDER = "unreadable/"

KeepUnread = Callable[[Task, bytes], str | None]
"""Keeps an answer to a task's present attempt, and tells where; None: it could not be kept."""


def keep_unread(task: Task, body: bytes, *, bucket: Bucket) -> str | None:
    """Write `body` into the bucket as it came and return its key; None when the bucket is away: the task ends all the same."""
    key = unread_key(task)
    try:
        bucket.replace(key, body, content_type="application/octet-stream")
    except StorageUnavailable:
        return None
    return key


def unread_key(task: Task) -> str:
    """Return where in the bucket the answer to the task's present attempt lies, if it was kept."""
    return f"{FOLDER}{task.id}/{task.attempt}"


def keep_nothing(task: Task, body: bytes) -> None:
    """For callers whose upstreams can be asked again."""
