"""The attempts that one task may take: those that came to nothing, and the other ways that its preset allows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Way = tuple[str, str, str | None]
"""Upstream, model, and what the upstream is told of a route."""


class Begun(StrEnum):
    """How an attempt came about."""

    FIRST = "first"
    AUTOMATIC_RETRY = "automatic_retry"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt that failed with `code`, cost nothing, and was followed by another one; times are Unix seconds.

    `sent_at` is None when it was given up before anything was sent. `paid`: it was charged after all, as its upstream told later.
    """

    upstream: str
    model: str
    route: str | None = None
    sent_at: float | None = None
    ended_at: float
    code: str
    paid: bool = False

    @property
    def way(self) -> Way:
        """Which way it took."""
        return self.upstream, self.model, self.route


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One more way to serve a request, planned when it came: `input` is as this model takes it.

    `wire_model` is what the upstream calls the model, `route` what it is told of a route.
    """

    upstream: str
    model: str
    route: str | None
    wire_model: str
    input: Mapping[str, Any] = field(repr=False)


def begun_after(before: Attempt | None, way: Way) -> Begun:
    """How the attempt that goes that `way` came about, after the attempt `before` it."""
    if before is None:
        return Begun.FIRST
    return Begun.AUTOMATIC_RETRY if before.way == way else Begun.FALLBACK
