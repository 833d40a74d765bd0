"""Names near to one that nobody knows."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

_SHORTEST, _LONGEST = 3, 128


def near(name: str, known: Mapping[str, str], *, most: int = 1) -> list[str]:
    """What `known` spellings stand for that start with `name`, contain it or are like it, in this order; case does not matter."""
    # A long name would make the comparison slow, and is near to nothing.
    if len(name) > _LONGEST:
        return []
    wanted, by_lower = name.lower(), {spelling.lower(): meant for spelling, meant in known.items()}
    # A very short one is a part of nearly everything.
    holding = [one for one in by_lower if wanted in one and len(wanted) >= _SHORTEST]
    holding.sort(key=lambda one: not one.startswith(wanted))
    like = get_close_matches(wanted, by_lower, n=most, cutoff=0.6)
    return list(dict.fromkeys(by_lower[one] for one in (*holding, *like)))[:most]


def did_you_mean(names: Iterable[str]) -> str:
    """The question for `names`; empty when there are none."""
    *others, last = [*names] or [""]
    return f"did you mean {' or '.join([', '.join(others), last] if others else [last])}?" if last else ""
