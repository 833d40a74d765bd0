"""What a handler works with: the request, this environment's services, who asks, and until when an answer is due."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from darkroom.ports import ApiKey
from darkroom.web.answers import Answer
from darkroom.web.request import Request
from darkroom.wiring import Services

NOBODY = ApiKey(id="", sha256="", owner="", scopes=frozenset(), created_at=0.0)
"""Who asks where no key is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request being answered. `until` is in Unix seconds; `facts` is what its log line will say."""

    request: Request
    services: Services
    until: float
    caller: ApiKey = NOBODY
    query: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation. `query`: the parameters it takes (None: whatever comes). `repeatable`: doing it twice is doing it once.

    `scope` is what the caller's key must have, "" for any key and None for no key at all. Without an `answer` another
    function answers it.
    """

    method: str
    path: str
    name: str
    answer: Callable[..., Answer] | None
    scope: str | None
    query: frozenset[str] | None = frozenset()
    repeatable: bool = True
