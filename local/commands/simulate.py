"""`darkroom simulate`: make the simulated upstream of a local stack misbehave, and see what it counted."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
import httpx
from rich.console import Console

from local.addresses import is_web_address
from local.client import Json
from local.commands.pairs import read_pairs
from local.commands.session import DEFAULT_URL, Unreachable, prints_json, show_object
from local.screen import show_columns
from local.simulator.admin import SimulatorAdmin, SimulatorSaidNo, SimulatorUnreachable

WHERE = "/_local"
"""The page of the local gateway that tells where the simulator is."""


@click.group()
def simulate() -> None:
    """Steer the simulated upstream of `darkroom up`: arm faults, withdraw them, read its ledger.

    A fault can also be armed for one task alone, by a marker in its prompt:

    \b
    darkroom create 'a red kite [sim:callback-lost]' --watch
    """


def steers(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the simulator's admin client as its first argument, and --json."""

    @click.option(
        "--simulator-url",
        envvar="DARKROOM_SIMULATOR_URL",
        metavar="URL",
        help="The simulator's address; without it the API at --url is asked.",
    )
    @click.option("--url", envvar="DARKROOM_URL", default=DEFAULT_URL, show_default=True, help="Where the local API is.")
    @click.option(
        "--api-key", envvar="DARKROOM_API_KEY", expose_value=False, help="Not needed: the simulator knows no keys of Darkroom."
    )
    @prints_json
    @wraps(command)
    def run(*, simulator_url: str | None, url: str, **options: Any) -> None:
        try:
            with SimulatorAdmin(simulator_url or _find(url)) as admin:
                command(admin, **options)
        except SimulatorUnreachable as error:
            raise Unreachable(str(error)) from error
        except SimulatorSaidNo as error:
            raise click.UsageError(str(error)) from error

    return run


@simulate.command("list")
@click.option("--armed", is_flag=True, help="Only the faults that are armed, with how often each has struck.")
@steers
def list_(admin: SimulatorAdmin, *, armed: bool, as_json: bool) -> None:
    """List every fault there is, with its parameters and their defaults; or those that are armed."""
    if armed:
        found: Json = {"faults": admin.faults()}
        show_object(found, lambda: _show_armed(found), as_json=as_json)
    else:
        found = admin.describe()
        show_object(found, lambda: _show_catalogue(found), as_json=as_json)


@simulate.command()
@click.argument("fault")
@click.argument("parameters", nargs=-1, metavar="[K=V]...")
@click.option("--times", type=click.IntRange(0), default=1, show_default=True, help="How often it strikes; 0 = without end.")
@click.option(
    "--match",
    "matches",
    multiple=True,
    metavar="FIELD=TEXT",
    help="Only where this fits: prompt, model, task_id, idempotency_key, callback_url.",
)
@steers
def add(
    admin: SimulatorAdmin, *, fault: str, parameters: tuple[str, ...], times: int, matches: tuple[str, ...], as_json: bool
) -> None:
    """Arm FAULT for its next occasion.

    \b
    darkroom simulate add callback-lost
    darkroom simulate add create-429 retry_after=2 --times 3
    darkroom simulate add fail message='no people, please' --match prompt=crowd
    """
    given = read_pairs(parameters, hint="K=V", as_json=True)
    match = read_pairs(matches, hint="--match", as_json=False)
    reserved = {"fault", "times", "match"} & set(given)
    if reserved:
        raise click.BadParameter(f"{', '.join(sorted(reserved))} is no parameter of a fault", param_hint="K=V")
    armed = admin.arm(fault, times=times, match=match, **given)
    show_object(armed, lambda: click.echo(f"armed: {_told(armed)}"), as_json=as_json)


@simulate.command()
@steers
def clear(admin: SimulatorAdmin, *, as_json: bool) -> None:
    """Withdraw all faults. Tasks and counts stay."""
    admin.disarm()
    show_object({"faults": []}, lambda: click.echo("no fault is armed"), as_json=as_json)


@simulate.command()
@steers
def ledger(admin: SimulatorAdmin, *, as_json: bool) -> None:
    """Show what the simulated upstream counted: requests, billed generations, callbacks, downloads."""
    found = admin.ledger()
    show_object(found, lambda: _show_ledger(found), as_json=as_json)


def _find(url: str) -> str:
    """The simulator's address, from the local API that it stands behind."""
    if not is_web_address(url):
        raise click.BadParameter(f"{url!r} is no http(s) address", param_hint="--url")
    try:
        answer = httpx.get(url.rstrip("/") + WHERE, timeout=10, trust_env=False)
        found = answer.json().get("simulator_url") if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError) as error:
        raise Unreachable(f"nobody answers at {url} ({error}): is `darkroom up` running?") from error
    if not found:
        raise Unreachable(f"the API at {url} has no built-in simulator: give --simulator-url")
    return str(found)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _show_catalogue(found: Json) -> None:
    rows = [
        (name, fault["meaning"], " ".join(f"{key}={value}" for key, value in fault["parameters"].items()))
        for name, fault in found["faults"].items()
    ]
    show_columns(_console(), ("fault", "what it does", "parameters"), rows)


def _show_armed(found: Json) -> None:
    for fault in found["faults"]:
        click.echo(_told(fault))
    if not found["faults"]:
        click.echo("no fault is armed")


def _told(fault: Json) -> str:
    own = {name: value for name, value in fault.items() if name not in ("fault", "match", "left", "struck", "source")}
    left = "without end" if fault["left"] is None else f"{fault['left']} to come"
    facts = [f"{name}={value}" for name, value in (own | fault["match"]).items()]
    return " ".join([fault["fault"], *facts, f"(struck {fault['struck']}, {left})"])


def _show_ledger(found: Json) -> None:
    console = _console()
    console.print("  ".join(f"{name} {count}" for name, count in found["totals"].items()))
    rows = []
    for row in found["tasks"].values():
        counts = (row["billed"], row["posts"], row["gets"], len(row["deliveries"]), len(row["downloads"]))
        rows.append((row["task_id"], row["status"], *map(str, counts), " ".join(row["faults"])))
    header = ("upstream task", "status", "billed", "posts", "gets", "callbacks", "downloads", "faults")
    show_columns(console, header, rows)
