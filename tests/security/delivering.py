"""Callbacks as anybody may send them: where they go, how they are sealed, and proof that one of them changed nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.security.stack import PNG, Door, Stack, delivery, signed


def finished(stack: Stack) -> Door:
    """Where the callback of a task goes whose picture is ready."""
    door = stack.create()
    stack.downloads.serve(f"https://cdn.test/{door.task_id}/0.png", PNG)
    return door


def deliver(stack: Stack, door: Door, raw: bytes | str, headers: dict[str, str] | None = None, **more: Any) -> int:
    """The status of one delivery; without headers it is signed as it should be."""
    given = signed(raw.encode() if isinstance(raw, str) else raw, stack.clock()) if headers is None else headers
    return int(stack.handle("receive_callback", delivery(door, raw, given, **more))["statusCode"])


def answer_to(stack: Stack, door: Door, raw: bytes, headers: dict[str, str] | None = None) -> Any:
    given = signed(raw, stack.clock()) if headers is None else headers
    return json.loads(stack.handle("receive_callback", delivery(door, raw, given))["body"])


@contextmanager
def nothing_changes(stack: Stack) -> Iterator[None]:
    """Whatever happens inside: nothing is written, nobody is asked, nothing is fetched."""
    before, asked = stack.everything(), len(stack.http.requests)
    yield
    assert stack.everything() == before
    assert len(stack.http.requests) == asked
    assert stack.downloads.opened == []
