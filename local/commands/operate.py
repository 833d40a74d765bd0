"""The operator's verbs: reconcile and redrive; and what may be asked for: models and presets."""

import click
from rich.console import Console

from local.client import Json
from local.commands.session import Session, calls_api


@click.command()
@calls_api()
def reconcile(session: Session) -> None:
    """Look at every overdue task now, as the schedule does once a minute. Needs the scope admin; harmless at any time."""
    report = session.api.call("POST", "/v1/admin/reconcile")
    session.show(report, lambda console, one: console.print(f"looked at {one['looked_at']}, moved {one['moved']}"))


@click.command()
@calls_api()
def redrive(session: Session) -> None:
    """Put what lies in the dead-letter queue back to work. Needs the scope admin; work done meanwhile is recognised."""
    report = session.api.call("POST", "/v1/admin/redrive")
    session.show(report, lambda console, one: console.print(f"moved {one.get('moved', 0)} back to the queue"))


@click.command()
@calls_api()
def models(session: Session) -> None:
    """List the models that --model takes; with --json also the schema of each one's input."""
    session.show(session.api.call("GET", "/v1/models"), _show_catalogue)


@click.command()
@calls_api()
def presets(session: Session) -> None:
    """List the presets that --preset takes; with --json also the schema of each one's input."""
    session.show(session.api.call("GET", "/v1/presets"), _show_catalogue)


def _show_catalogue(console: Console, page: Json) -> None:
    for one in page["data"]:
        told = one.get("summary") or ", ".join((one["kind"], *(f"route {route['name']}" for route in one["routes"][1:])))
        console.print(f"{one['id']:<32} {told}")
