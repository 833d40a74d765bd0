"""Runs the stack until it is told to end: what `darkroom up` does once its flags are read."""

import os
import shlex
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from local.children import ChildFailed
from local.environments import CannotFork
from local.logs import Logs
from local.plan import BadChoice, Plan, make_plan
from local.stack import CannotListen, LocalStack

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(*, log: Path | None, **flags: Any) -> None:
    """Start the stack, print `ready URL`, and stay until SIGINT or SIGTERM. `flags` are those of `make_plan`."""
    try:
        plan = make_plan(os.environ, **flags)
    except BadChoice as error:
        raise click.UsageError(str(error)) from error
    ended = threading.Event()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: ended.set())
    logs = Logs(log or _temporary_log(), sys.stderr, verbose=plan.verbose)
    stack = _start(plan, logs)
    click.echo(_greeting(plan, stack, logs), err=True)
    click.echo(f"ready {stack.url}")
    sys.stdout.flush()
    # That line is all that standard output holds, whatever a library may print.
    os.dup2(2, 1)
    ended.wait()
    click.echo("ending …", err=True)
    stack.stop()
    logs.close()
    if log is None and not logs.saw_faults:
        # Of a run without faults nobody wants to read more; a file that was asked for stays.
        logs.path.unlink(missing_ok=True)


def _start(plan: Plan, logs: Logs) -> LocalStack:
    try:
        stack = LocalStack(plan, logs, os.environ)
        stack.start()
    except BadChoice as error:
        raise click.UsageError(str(error)) from error
    except (CannotListen, ChildFailed, CannotFork) as error:
        raise click.ClickException(str(error)) from error
    except (BotoCoreError, ClientError) as error:
        where = plan.aws_endpoint_url or "the embedded store"
        raise click.ClickException(f"the stores could not be made at {where}: {error}") from error
    return stack


def _temporary_log() -> Path:
    handle, name = tempfile.mkstemp(prefix="darkroom-up-", suffix=".log")
    os.close(handle)
    return Path(name)


UNSIGNED = """
  HIAPI_WEBHOOK_SECRET is not set: callbacks are unsigned. Each is only a hint, and the upstream is asked whether it is true, at
  most once a minute for a task. A task whose submission got no answer learns nothing from one. docs/deploying.md says more.
"""
"""What is told of a stack that cannot tell who writes its callbacks."""


def _greeting(plan: Plan, stack: LocalStack, logs: Logs) -> str:
    upstream = f"{stack.simulator_url} (simulated)" if stack.simulator_url else str(plan.upstream_url)
    return f"""
  api        {stack.url}      (try it in a browser: {stack.url}/docs)
  key        {plan.api_key}
  upstream   {upstream}
  store      {stack.store_url}{"" if plan.aws_endpoint_url else " (embedded, forgotten at the end)"}
  log        {logs.path}
{"" if plan.webhook_secret else UNSIGNED}
  Ask for a picture:
  {_curl_line(plan, stack)}

  Or from another terminal:
  export DARKROOM_URL={stack.url} DARKROOM_API_KEY={shlex.quote(plan.api_key)}
  darkroom create 'a red kite over a stormy sea' --save pictures

  Ctrl-C ends all of it.
"""


def _curl_line(plan: Plan, stack: LocalStack) -> str:
    key = shlex.quote(f"Authorization: Bearer {plan.api_key}")
    body = '{"model": "gpt-image-2/text-to-image", "input": {"prompt": "a red kite over a stormy sea"}}'
    return f"curl -s {stack.url}/v1/tasks -H {key} -H 'Content-Type: application/json' -H 'Prefer: wait=20' -d '{body}'"
