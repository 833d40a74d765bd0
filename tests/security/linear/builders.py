"""Texts and JSON of about so many bytes, made of what costs a reader most."""

import itertools
import string
from collections.abc import Callable, Iterator

_LETTERS = string.ascii_letters + string.digits


def repeated(unit: str, before: str = "", behind: str = "") -> Callable[[int], str]:
    """`unit` over and over, between `before` and `behind`."""
    return lambda size: before + unit * ((size - len(before) - len(behind)) // len(unit)) + behind


def in_bytes(text: Callable[[int], str]) -> Callable[[int], bytes]:
    """The same as UTF-8."""
    return lambda size: text(size).encode("utf-8", "surrogatepass")


def names() -> Iterator[str]:
    """Short names, all different."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(_LETTERS, repeat=length))


def members(value: str = "0", before: str = "{", behind: str = "}", first: str = "") -> Callable[[int], str]:
    """An object of many names, `first` in front of them."""

    def build(size: int) -> str:
        parts, left = [first] if first else [], size - len(before) - len(behind) - len(first)
        for name in names():
            one = f'"{name}":{value}'
            left -= len(one) + 1
            if left < 0:
                return before + ",".join(parts) + behind
            parts.append(one)
        raise AssertionError("names never end")

    return build


def entries(unit: str, before: str = "[", behind: str = "]") -> Callable[[int], str]:
    """A list of many equal entries."""
    return lambda size: before + ",".join([unit] * max(1, (size - len(before) - len(behind)) // (len(unit) + 1))) + behind
