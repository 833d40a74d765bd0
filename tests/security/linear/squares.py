"""What is known to be quadratic, in Python and in C, and what is not."""

import re

from tests.support.instructions import Work


def each_compared(text: str) -> int:
    """In Python: each name with each other one."""
    return sum(one == other for one in text.split() for other in text.split())


def each_counted(text: str) -> list[str]:
    """In the C of a list."""
    names = text.split()
    return [name for name in names if names.count(name) > 1]


def matched(text: str) -> object:
    """In the C of `re`: from each place to the end."""
    return re.compile(r"a\w*!").search(text)


def read_once(text: str) -> int:
    """Linear."""
    return len(set(text.split()))


def raising(text: str) -> None:
    """Ends otherwise than it should."""
    raise LookupError(text[:10])


def _numbers(size: int) -> str:
    return " ".join(map(str, range(10_000, 10_000 + size // 6)))


SQUARES = [
    Work(name="compared", does=each_compared, given=_numbers),
    Work(name="counted", does=each_counted, given=_numbers),
    Work(name="matched", does=matched, given=lambda size: "a" * size),
]
OTHERS = [
    Work(name="read once", does=read_once, given=_numbers),
    Work(name="raising", does=raising, given=_numbers),
    Work(name="dear", does=read_once, given=_numbers, most_per_byte=-100_000),
]
