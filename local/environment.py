"""One execution environment: a process that runs one function, one call at a time, as Lambda does.

Handlers may keep what they like in module globals, because a call never meets another one. That is why a thread per
call would not do: Powertools' metrics and router keep the current call in globals.
"""

import importlib
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from local.parts import ACCOUNT, REGION, STACK, Function


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the environment is asked: an event as JSON, and until when (monotonic seconds) an answer is of use."""

    request_id: str
    event: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call came to: the answer as JSON, or the error with its trace."""

    answer: str | None = None
    error: str | None = None


class LambdaContext:
    """What Lambda gives a handler besides the event."""

    log_group_name = "local"
    log_stream_name = "local"
    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, function: Function, call: Call) -> None:
        self.function_name = f"{STACK}-{function.folder}"
        self.memory_limit_in_mb = function.memory_mb
        self.invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}"
        self.aws_request_id = call.request_id
        self._until = call.until

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's timeout."""
        return max(0, int((self._until - time.monotonic()) * 1000))


Handler = Callable[[Any, LambdaContext], Any]


class CannotStart(Exception):
    """The function's module cannot be imported."""


def serve(calls: Connection, log: Connection, lifeline: Connection, function: Function) -> None:
    """Answer calls until the other side is gone. Everything printed goes to `log`."""
    # Ctrl-C in a terminal reaches every process of the group; ending is up to the one that started us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    _print_to(log)
    # Forked processes would all draw the same lots.
    random.seed()
    handler = _handler(function)
    while (call := _next(calls)) is not None:
        calls.send(_answer(handler, function, call))


def _handler(function: Function) -> Handler:
    try:
        handler: Handler = getattr(importlib.import_module(function.module), function.handler.rpartition(".")[2])
    except Exception:
        # As in Lambda, an environment that cannot start says why, to each who asks.
        reason = traceback.format_exc()

        def refuse(_event: Any, _context: LambdaContext) -> Any:
            raise CannotStart(reason)

        return refuse
    return handler


def _answer(handler: Handler, function: Function, call: Call) -> Outcome:
    try:
        answer = handler(json.loads(call.event), LambdaContext(function, call))
        return Outcome(answer=json.dumps(answer))
    except Exception:
        # Lambda's own last resort: whatever a handler lets through is the call's error, and the environment lives on.
        return Outcome(error=traceback.format_exc())
    finally:
        sys.stdout.flush()


def _next(calls: Connection) -> Call | None:
    try:
        call: Call = calls.recv()
    except EOFError:
        return None
    return call


def _print_to(log: Connection) -> None:
    for descriptor in (1, 2):
        os.dup2(log.fileno(), descriptor)


def _die_with(lifeline: Connection) -> None:
    """End as soon as the process that holds the other end has ended, however that happened."""
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
