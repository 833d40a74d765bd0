"""Prefixed, time-sortable identifiers: made from a time and randomness that the caller brings."""

import re

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BODY = r"[0-9A-HJKMNP-TV-Z]{26}"
_TASK = re.compile(rf"task_{_BODY}")
_IMAGE = re.compile(rf"img_({_BODY})([0-9a-f]{{2}})([0-9a-f]{{2}}|[1-9a-f][0-9a-f]{{2,3}})")


def ulid(now: float, randomness: bytes) -> str:
    """26 characters of Crockford base 32: 48 bits of `now` (Unix seconds, kept to the millisecond), 80 random bits."""
    number = (int(now * 1000) & (2**48 - 1)) << 80 | int.from_bytes(randomness[:10].rjust(10, b"\0"))
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def ulid_time(text: str) -> float:
    """The Unix time in seconds inside a ULID."""
    number = 0
    for character in text[:10]:
        number = number << 5 | _ALPHABET.index(character)
    return number / 1000


def task_id(now: float, randomness: bytes) -> str:
    """A new task's id; ids sort by the time they were made."""
    return "task_" + ulid(now, randomness)


def is_task_id(text: str) -> bool:
    """Whether `text` has the form of a task id (it may still not exist)."""
    return _TASK.fullmatch(text) is not None


def image_id(task: str, attempt: int, index: int) -> str:
    """An image's id, which encodes its task, attempt and index, so that no row is needed to find it.

    The index takes two digits, and more of them where it needs more; an attempt is always below 256.
    """
    return f"img_{task.removeprefix('task_')}{attempt:02x}{index:02x}"


def read_image_id(text: str) -> tuple[str, int, int] | None:
    """Task id, attempt and index inside an image id; None when it is not one."""
    found = _IMAGE.fullmatch(text)
    return (f"task_{found[1]}", int(found[2], 16), int(found[3], 16)) if found else None


def created_at(task: str) -> float:
    """When a task's id was made, in Unix seconds."""
    return ulid_time(task.removeprefix("task_"))
