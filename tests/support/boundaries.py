"""Where the pipeline talks to something: each method of a port is watched on both sides, because its Protocol names it.

A watched port has an `on_call`, which hears `tasks.move` before the operation takes effect and `tasks.move:done` after it
(an error is an answer too). Whatever `on_call` raises is a crash, an outage or a lost answer at just that point.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from darkroom.ports import Download

OnCall = Callable[[str], None]
Port = TypeVar("Port", bound=type)


class Killed(BaseException):
    """The process ends here; no `except Exception` may keep it alive."""


class Surprise(Exception):
    """An error that no code expects; each trigger contains it."""


def nothing_happens(_: str) -> None:
    """No crash."""


def operations(protocol: type, *, pure: tuple[str, ...] = ()) -> list[str]:
    """The methods of a port that leave the process."""
    found = inspect.getmembers(protocol, inspect.isfunction)
    return [name for name, _ in found if not name.startswith("_") and name not in pure]


def boundaries(protocol: type, name: str, *, pure: tuple[str, ...] = ()) -> Callable[[Port], Port]:
    """Watch every operation of `protocol` in a class that keeps it, under the port's `name`."""

    def watch(port: Port) -> Port:
        for operation in operations(protocol, pure=pure):
            setattr(port, operation, _watched(getattr(port, operation), f"{name}.{operation}", name))
        return port

    return watch


def _watched(method: Callable[..., Any], boundary: str, port: str) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _both_sides(self.on_call, boundary):
            return method(self, *args, **kwargs)

    @wraps(method)
    def opened(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _watched_context(method(self, *args, **kwargs), self.on_call, boundary, port)

    return opened if inspect.isgeneratorfunction(inspect.unwrap(method)) else call


@contextmanager
def _both_sides(on_call: OnCall, boundary: str) -> Iterator[None]:
    on_call(boundary)
    try:
        yield
    except Exception:
        on_call(f"{boundary}:done")
        raise
    on_call(f"{boundary}:done")


@contextmanager
def _watched_context(answer: AbstractContextManager[Any], on_call: OnCall, boundary: str, port: str) -> Iterator[Any]:
    with _both_sides(on_call, boundary):
        opened = answer.__enter__()
    try:
        yield _in_chunks(opened, on_call, port)
    except BaseException as error:
        answer.__exit__(type(error), error, error.__traceback__)
        raise
    answer.__exit__(None, None, None)


def _in_chunks(opened: Any, on_call: OnCall, port: str) -> Any:
    if isinstance(opened, Download):
        return replace(opened, chunks=_each(opened.chunks, on_call, f"{port}.chunk"))
    return _each(opened, on_call, f"{port}.chunk")


def _each(chunks: Iterator[bytes], on_call: OnCall, boundary: str) -> Iterator[bytes]:
    for chunk in chunks:
        on_call(boundary)
        yield chunk
