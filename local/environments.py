"""Execution environments in plenty: calls to a function run side by side, each in a process of its own."""

import json
import multiprocessing
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from local.environment import Call, Outcome, serve
from local.parts import Function

# Forked from a process that has imported the handlers and built their services: a cold start costs some milliseconds.
_context = multiprocessing.get_context("forkserver")
_starting = threading.Lock()

MOST = 48
"""So many calls to one function run at once; further ones wait."""

LogLine = Callable[[str, str], None]
"""Takes a function's folder and one line that it printed."""


class InvocationFailed(Exception):
    """The function raised, crashed or ran out of time; the message says which."""


class CannotFork(Exception):
    """Not a single environment can be started."""


class Environments:
    """Runs the functions. Nothing outlives this process: each environment ends as soon as it is gone.

    The handlers are imported and their services built once, in a process from which environments are then forked, with
    the variables that this process has now: the functions' settings must be among them.
    """

    def __init__(self, functions: Sequence[Function], *, log: LogLine) -> None:
        _context.set_forkserver_preload([serve.__module__, *(one.module for one in functions)])
        # Lambda says so too; the handlers then build what they need at once instead of in the first call.
        os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] = "on-demand"
        self._lifeline, self._held = _context.Pipe(duplex=False)
        self._pools = {one.id: _Pool(one, self._lifeline, log) for one in functions}

    def warm_up(self) -> None:
        """Start one environment of each function; raises CannotFork when not even that works."""
        try:
            for pool in self._pools.values():
                pool.warm_up()
        except (OSError, EOFError) as error:
            raise CannotFork("the functions cannot be imported; what Python said stands above") from error

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Call a function by its logical id and return what it returned; raises InvocationFailed."""
        return self._pools[function].invoke(event)

    def stop(self, *, patience_s: float) -> None:
        """End them all; calls that have begun may go on for so long."""
        until = time.monotonic() + patience_s
        while any(pool.is_busy for pool in self._pools.values()) and time.monotonic() < until:
            time.sleep(0.02)
        for pool in self._pools.values():
            pool.stop()
        self._held.close()


class _Pool:
    """The environments of one function, the last used first."""

    def __init__(self, function: Function, lifeline: Connection, log: LogLine) -> None:
        self._function = function
        self._lifeline = lifeline
        self._log = log
        self._room = threading.BoundedSemaphore(MOST)
        self._lock = threading.Lock()
        self._idle: list[_Environment] = []
        self._all: set[_Environment] = set()
        self._stopped = False

    @property
    def is_busy(self) -> bool:
        with self._lock:
            return len(self._idle) < len(self._all)

    def warm_up(self) -> None:
        self._give_back(self._take())

    def invoke(self, event: Mapping[str, Any]) -> Any:
        with self._room:
            environment = self._take()
            try:
                outcome = environment.call(event, timeout_s=self._function.timeout_s)
            except InvocationFailed:
                self._discard(environment)
                raise
            self._give_back(environment)
        if outcome.error is not None:
            raise InvocationFailed(outcome.error)
        return json.loads(outcome.answer or "null")

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            doomed = list(self._all)
        for environment in doomed:
            self._discard(environment)

    def _take(self) -> "_Environment":
        with self._lock:
            if self._stopped:
                raise InvocationFailed("the stack is ending")
            if self._idle:
                return self._idle.pop()
        environment = _Environment(self._function, self._lifeline, self._log)
        with self._lock:
            self._all.add(environment)
        return environment

    def _give_back(self, environment: "_Environment") -> None:
        with self._lock:
            self._idle.append(environment)

    def _discard(self, environment: "_Environment") -> None:
        with self._lock:
            self._all.discard(environment)
        environment.kill()


class _Environment:
    """This side of one environment."""

    def __init__(self, function: Function, lifeline: Connection, log: LogLine) -> None:
        self._calls, theirs = _context.Pipe()
        printed, to_print = _context.Pipe(duplex=False)
        self._process = _context.Process(
            target=serve, args=(theirs, to_print, lifeline, function), name=function.folder, daemon=True
        )
        with _starting, _without_main():
            self._process.start()
        theirs.close()
        to_print.close()
        threading.Thread(target=_relay, args=(printed, function.folder, log), daemon=True).start()

    def call(self, event: Mapping[str, Any], *, timeout_s: float) -> Outcome:
        until = time.monotonic() + timeout_s
        try:
            self._calls.send(Call(request_id=str(uuid.uuid4()), event=json.dumps(event), until=until))
            if not self._calls.poll(timeout_s):
                raise InvocationFailed(f"{self._process.name} timed out after {timeout_s} s")
            outcome: Outcome = self._calls.recv()
        except (EOFError, OSError) as error:
            raise InvocationFailed(f"{self._process.name} exited before it answered") from error
        return outcome

    def kill(self) -> None:
        with suppress(OSError, ValueError):
            self._process.kill()
            self._process.join(2)
            self._calls.close()


@contextmanager
def _without_main() -> Iterator[None]:
    """Otherwise multiprocessing imports the main script again in every environment, which takes far longer than forking."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _relay(printed: Connection, folder: str, log: LogLine) -> None:
    with open(os.dup(printed.fileno()), encoding="utf-8", errors="replace") as lines:
        printed.close()
        for line in lines:
            log(folder, line.rstrip("\n"))
