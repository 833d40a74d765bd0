"""What every command that calls the API shares: its options, its exit statuses and how it complains.

Exit status 0 = done, 1 = the task did not succeed, 2 = usage, 3 = the API said no or did not answer.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NoReturn

import click
from rich.console import Console

from local.addresses import is_web_address
from local.client import Api, ApiRefused, ApiUnreachable, Json

DEFAULT_URL = "http://127.0.0.1:8080"
UNSUCCESSFUL = 1
REFUSED = 3


@dataclass(frozen=True, slots=True)
class Session:
    """One command's connection and its two outlets: results on standard output, everything else on standard error."""

    api: Api
    as_json: bool
    out: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    err: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True, stderr=True))

    def show(self, found: Json, human: Callable[[Console, Json], None]) -> None:
        """The API's object as JSON if that was asked for, otherwise told by `human`."""
        show_object(found, lambda: human(self.out, found), as_json=self.as_json)


class Refused(click.ClickException):
    """The API's no, with every fault it named; as JSON on standard output too if JSON was asked for."""

    exit_code = REFUSED

    def __init__(self, problem: Json, *, as_json: bool) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title")))
        self._problem = problem
        self._as_json = as_json

    def show(self, file: Any = None) -> None:
        """Title, detail, the faults by field, and whether trying again makes sense."""
        if self._as_json:
            click.echo(json.dumps(self._problem, indent=2, ensure_ascii=False))
        for line in problem_lines(self._problem):
            click.echo(line, file=file, err=file is None)


class Unreachable(click.ClickException):
    """No answer that can be used."""

    exit_code = REFUSED


def problem_lines(problem: Json) -> list[str]:
    """A problem document in a few lines."""
    code = problem.get("code") or problem.get("status")
    lines = [f"Error: {problem.get('detail') or problem.get('title')} ({code})"]
    for fault in problem.get("errors") or ():
        where = fault.get("pointer") or fault.get("parameter") or fault.get("header") or "?"
        lines.append(f"  {where}: {fault.get('detail')}")
    advice = {"same": "send the same again", "later": "try again later"}.get(str(problem.get("retryable")))
    told = [text for text in (advice, problem.get("request_id")) if text]
    return [*lines, f"  ({', '.join(map(str, told))})"] if told else lines


Command = Callable[..., None]

prints_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one object as JSON and nothing else on standard output."
)


def calls_api(*, unless: str | None = None) -> Callable[[Command], Command]:
    """Give a command --url, --api-key and --json, and a `Session` as its first argument.

    No key is needed where the option `unless` is given: that command then goes another way.
    """

    def decorate(command: Command) -> Command:
        @click.option(
            "--url", envvar="DARKROOM_URL", show_envvar=True, default=DEFAULT_URL, show_default=True, help="Where the API is."
        )
        @click.option("--api-key", envvar="DARKROOM_API_KEY", show_envvar=True, metavar="KEY", help="Your key of Darkroom.")
        @prints_json
        @wraps(command)
        def run(*, url: str, api_key: str | None, as_json: bool, **options: Any) -> None:
            key = "" if unless and options.get(unless) else _usable(api_key)
            with Api(_checked(url), key) as api, _complaining(as_json=as_json):
                command(Session(api, as_json), **options)

        return run

    return decorate


@contextmanager
def _complaining(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except ApiRefused as error:
        raise Refused(error.problem, as_json=as_json) from error
    except ApiUnreachable as error:
        raise Unreachable(str(error)) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None


def show_object(found: Json, human: Callable[[], None], *, as_json: bool) -> None:
    """An object as JSON if that was asked for, otherwise told by `human`."""
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        human()


def unsuccessful() -> NoReturn:
    """End with the status that says: the task did not succeed."""
    sys.exit(UNSUCCESSFUL)


def _checked(url: str) -> str:
    if not is_web_address(url):
        raise click.BadParameter(f"{url!r} is no http(s) address", param_hint="--url")
    return url


def _usable(key: str | None) -> str:
    if not key:
        raise click.UsageError("no API key: give --api-key or set DARKROOM_API_KEY (`darkroom up` prints one)")
    if not key.isascii() or not key.isprintable():
        raise click.BadParameter("a key has visible ASCII characters only", param_hint="--api-key")
    return key
