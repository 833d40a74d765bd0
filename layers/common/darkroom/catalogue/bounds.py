"""What a model says of sizes that are in none of its tables: the sides, the pixels and the ratio."""

import re
from dataclasses import dataclass

_SIZE = re.compile(r"([0-9]{1,6})[x*]([0-9]{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Sides are multiples of `multiple`, have `least` to `most` pixels together, and one is at most `ratio` times the other."""

    multiple: int
    least: int
    most: int
    ratio: int

    def __str__(self) -> str:
        return (
            f"both sides multiples of {self.multiple}, from {self.least} to {self.most} pixels together, "
            f"and a ratio of at most {self.ratio}:1"
        )

    def hold(self, size: object) -> bool:
        """Whether `size` is within them; what is no text of the form WIDTHxHEIGHT is not theirs to judge."""
        found = _SIZE.fullmatch(size) if isinstance(size, str) else None
        if found is None:
            return True
        short, long = sorted(map(int, found.groups()))
        fits = short % self.multiple == long % self.multiple == 0 and self.least <= short * long <= self.most
        return fits and long <= self.ratio * short
