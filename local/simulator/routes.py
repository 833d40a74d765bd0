"""What leads a request to its answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from local.simulator.dialects import HIAPI, Dialect
from local.simulator.messages import Answer


@dataclass(frozen=True)
class Route:
    """A method and path, what answers it, the total that it counts towards, and how its API words a refusal."""

    method: str
    path: re.Pattern[str]
    handle: Callable[..., Answer]
    total: str | None = None
    limited: bool = False
    dialect: Dialect = HIAPI
