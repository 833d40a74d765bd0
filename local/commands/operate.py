"""The operator's verbs: reconcile and redrive."""

import click

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
