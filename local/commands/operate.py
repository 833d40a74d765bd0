"""The operator's verbs: upstreams, reconcile and redrive."""

from urllib.parse import quote

import click
from rich.console import Console

from local.client import Json
from local.commands.session import Session, calls_api
from local.screen import show_columns


@click.command()
@click.argument("verb", required=False, type=click.Choice(["resume"]))
@click.argument("account", required=False)
@calls_api()
def upstreams(session: Session, *, verb: str | None, account: str | None) -> None:
    """Show how crowded the accounts at the upstreams are: in flight, waiting, requests of the last minute, and the limits of now.

    A limit in brackets is the configured one: after a 429 less holds for a while. Below that, what is left alone because it was
    in trouble: a model, or a whole account whose key or credit was refused. One task at a time tries whether it is back; once
    you have seen to it, nobody needs to wait for that:

    \b
    darkroom upstreams resume hiapi

    Needs the scope admin.
    """
    if (verb is None) != (account is None):
        raise click.UsageError("say which account to resume: darkroom upstreams resume ACCOUNT")
    if account is None:
        session.show(session.api.call("GET", "/v1/admin/upstreams"), _show_upstreams)
        return
    resumed = session.api.call("POST", f"/v1/admin/upstreams/{quote(account, safe='')}/resume")
    session.show(resumed, lambda console, one: _show_upstreams(console, {"data": [one]}))


def _show_upstreams(console: Console, page: Json) -> None:
    rows = [
        (
            account["id"],
            f"{account['in_flight']} of {_limit(account, 'in_flight')}",
            str(account["waiting"]),
            f"{account['requests']} of {_limit(account, 'requests')}",
            account["not_before"] or "",
        )
        for account in page["data"]
    ]
    show_columns(console, ("account", "in flight", "waiting", "requests", "not before"), rows)
    shut = [
        (account["id"], one["model"] or "all", one["owner"] or "all", one["why"], one["since"], one["probe_at"])
        for account in page["data"]
        for one in account["shut"]
    ]
    if shut:
        console.print()
        show_columns(console, ("account", "left alone", "for", "why", "since", "next probe"), shut)


def _limit(account: Json, what: str) -> str:
    now, configured = account[f"{what}_limit"], account[f"{what}_configured"]
    return str(now) if now == configured else f"{now} ({configured})"


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
