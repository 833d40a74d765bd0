"""What the local run takes from the template, as plain values: functions, routes, queue sources, schedules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STACK = "darkroom-local"
REGION = "us-east-1"
ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function: `folder` below functions/, `timeout_s` in seconds, `environment` with what still refers to resources."""

    id: str
    folder: str
    handler: str
    timeout_s: int
    memory_mb: int
    environment: Mapping[str, Any]

    @property
    def module(self) -> str:
        """Where Python finds its handler's module here; Lambda knows it as the first half of `handler`."""
        return f"functions.{self.folder}.{self.handler.partition('.')[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Requests of one method (None = any) to one path go to one function; the path $default takes what is left."""

    method: str | None
    path: str
    function: str

    @property
    def key(self) -> str:
        """As API Gateway writes it."""
        return self.path if self.path == "$default" else f"{self.method or 'ANY'} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSource:
    """A function that is fed from a queue, so many messages at a time, in at most so many invocations at once."""

    queue: str
    function: str
    batch_size: int
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A function that is called again and again."""

    name: str
    function: str
