"""How much is tried here: a part of it in `make test-rest`, all of it where DARKROOM_CHAOS is set, as `make chaos` does."""

from tests.support.sampling import LONG, sample

__all__ = ["LONG", "TIMEOUT_S", "sample", "seeds"]

TIMEOUT_S = 900 if LONG else 120
"""How long one test may take, on a machine that has much else to do."""


def seeds(*, short: int, long: int) -> range:
    """Seeds for random runs."""
    return range(long if LONG else short)
