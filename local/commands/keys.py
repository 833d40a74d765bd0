"""`darkroom keys`: who may call the API."""

import os
import time
from urllib.parse import quote

import click
from rich.console import Console

from local.client import Json
from local.commands.session import Session, calls_api
from local.screen import show_columns

SCOPES = ("tasks:write", "tasks:read", "admin")


@click.group()
def keys() -> None:
    """Make, list and revoke API keys. A key is shown once, when it is made; only its SHA-256 is stored."""


@keys.command()
@click.option("--owner", required=True, help="The application or tenant; owners cannot see each other's tasks.")
@click.option("--scopes", required=True, help=f"What it may do, separated by commas: some of {', '.join(SCOPES)}.")
@click.option("--name", help="What the key is for, to recognise it in lists.")
@click.option("--presets", help="All that it may ask for, separated by commas: names (every version) or ids such as poster@1.")
@click.option("--stack", metavar="NAME", help="Write it into this CloudFormation stack's table, with your AWS credentials.")
@calls_api(unless="stack")
def create(session: Session, *, owner: str, scopes: str, name: str | None, presets: str | None, stack: str | None) -> None:
    """Make a key.

    A key with the scope admin can make others. The first one of a deployment is made with --stack, where --url and
    --api-key are not needed:

    \b
    darkroom keys create --stack darkroom --owner ops --scopes admin
    darkroom keys create --owner shop --scopes tasks:write,tasks:read
    darkroom keys create --owner shop --scopes tasks:write --presets poster,product@1
    """
    wanted = read_scopes(scopes)
    limit = _parts(presets) if presets is not None else None
    if stack is not None:
        session.show(make_in_stack(stack, owner=owner, scopes=wanted, name=name, presets=limit), show_new_key)
        return
    further = {"name": name, "presets": limit}
    body: Json = {"owner": owner, "scopes": wanted} | {key: value for key, value in further.items() if value is not None}
    session.show(session.api.call("POST", "/v1/admin/keys", body=body), show_new_key)


@keys.command("list")
@calls_api()
def list_(session: Session) -> None:
    """List all keys, oldest first; never the keys themselves."""
    session.show(session.api.call("GET", "/v1/admin/keys"), show_keys)


@keys.command()
@click.argument("key_id", metavar="ID")
@calls_api()
def revoke(session: Session, key_id: str) -> None:
    """Revoke a key by its ID (key_…). A deployed function may remember it for another 60 seconds."""
    session.api.call("DELETE", f"/v1/admin/keys/{quote(key_id, safe='')}")
    session.show({"object": "key", "id": key_id, "revoked": True}, lambda console, key: console.print(f"{key['id']} revoked"))


def read_scopes(text: str) -> list[str]:
    """The scopes of a list separated by commas or spaces; raises BadParameter for one that does not exist."""
    found = _parts(text)
    unknown = [scope for scope in found if scope not in SCOPES]
    if unknown or not found:
        wrong = ", ".join(unknown) or "nothing"
        raise click.BadParameter(f"{wrong} is no scope; there are {', '.join(SCOPES)}", param_hint="--scopes")
    return found


def _parts(text: str) -> list[str]:
    """What stands between commas or spaces, each once."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def make_in_stack(stack: str, *, owner: str, scopes: list[str], name: str | None, presets: list[str] | None = None) -> Json:
    """A new key, written straight into a deployed stack's table."""
    from darkroom.adapters.claims import DynamoApiKeys, api_key_id
    from darkroom.adapters.dynamo import Table
    from darkroom.usecases.make_key import make_key
    from local.deployed import Deployed, saying_why

    try:
        made = make_key(
            owner=owner, scopes=scopes, now=time.time(), fresh=os.urandom, key_id=api_key_id, name=name, presets=presets
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    deployed = Deployed(stack)
    with saying_why():
        table = Table(client=deployed.clients.dynamodb, name=deployed.output("TableName"))
        DynamoApiKeys(table=table, clock=time.time, cache_s=0).add(made.record)
    return {
        "object": "key",
        "id": made.record.id,
        "key": made.key,
        "owner": owner,
        "scopes": sorted(made.record.scopes),
        "presets": presets,
        "name": name,
    }


def show_new_key(console: Console, key: Json) -> None:
    """The one time that a key is seen."""
    console.print(f"{key['key']}", style="bold")
    limit = f", for the presets {', '.join(key['presets'])} only" if key.get("presets") else ""
    told = f"  {key['id']} for {key['owner']}: {', '.join(key['scopes'])}{limit}. Keep it now: it is not shown again."
    console.print(told, style="dim")


def show_keys(console: Console, page: Json) -> None:
    """All keys, one in a line."""
    header = ("id", "owner", "scopes", "presets", "ends in", "created", "revoked", "name")
    fields = ("id", "owner", "scopes", "presets", "hint", "created_at", "revoked_at", "name")
    lists = ("scopes", "presets")
    keys = [key | {name: ",".join(key.get(name) or ()) for name in lists} for key in page["data"]]
    show_columns(console, header, [[str(key.get(field) or "") for field in fields] for key in keys])
