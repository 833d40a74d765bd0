"""`darkroom secrets`: what a deployed stack keeps secret, changed with your AWS credentials."""

import secrets as entropy
import sys
import time

import click

from local.commands.session import prints_json, show_object

SETTABLE = ("hiapi_api_key", "hiapi_webhook_secret", "hiapi_webhook_secret_previous", "pixapi_api_key")
_ASKED_FOR = ("hiapi_api_key", "hiapi_webhook_secret", "pixapi_api_key")
_stack = click.option("--stack", required=True, metavar="NAME", help="The CloudFormation stack.")


@click.group()
def secrets() -> None:
    """Set the upstreams' keys and the webhook secret of a deployed stack. Functions read them again within five minutes."""


@secrets.command("set")
@click.argument("names", nargs=-1, type=click.Choice(SETTABLE), metavar="[NAME]...")
@_stack
@prints_json
def set_(names: tuple[str, ...], stack: str, as_json: bool) -> None:
    """Set values: hiapi_api_key, hiapi_webhook_secret and pixapi_api_key, or the NAMEs you give.

    Each value is asked for on a terminal, otherwise read from standard input, one line each in that order; never from
    the command line, where others could read it. An empty one keeps what is there. A webhook secret that is replaced is
    kept as hiapi_webhook_secret_previous, so that callbacks signed with either are accepted while you change the console.

    \b
    darkroom secrets set --stack darkroom
    printenv HIAPI_API_KEY | darkroom secrets set hiapi_api_key --stack darkroom
    """
    from local.deployed import Deployed

    deployed = Deployed(stack)
    known = deployed.secret()
    given = {name: value for name in names or _ASKED_FOR if (value := _ask(name))}
    changed = known | _with_previous(known, given)
    if changed != known:
        deployed.replace_secret(changed)
    names_changed = sorted(name for name in changed if changed[name] != known.get(name))
    _report(stack, names_changed, as_json=as_json)


@secrets.command("rotate-callback")
@_stack
@prints_json
def rotate_callback(stack: str, as_json: bool) -> None:
    """Replace the secret that signs callback URLs. URLs signed with the old one are accepted for another 48 hours."""
    from local.deployed import Deployed

    deployed = Deployed(stack)
    known = deployed.secret()
    changed = {
        "callback_secret": entropy.token_urlsafe(48),
        "callback_secret_previous": known.get("callback_secret", ""),
        "callback_secret_rotated_at": str(int(time.time())),
    }
    deployed.replace_secret(known | changed)
    _report(stack, sorted(changed), as_json=as_json)


def _ask(name: str) -> str:
    if sys.stdin.isatty():
        answer: str = click.prompt(
            f"{name} (empty keeps what is there)", hide_input=True, default="", show_default=False, err=True
        )
        return answer.strip()
    return sys.stdin.readline().strip()


def _with_previous(known: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """What was given, and the webhook secret that it replaces."""
    old, new = known.get("hiapi_webhook_secret"), given.get("hiapi_webhook_secret")
    replaced = {"hiapi_webhook_secret_previous": old} if old and new and old != new else {}
    return replaced | given


def _report(stack: str, changed: list[str], *, as_json: bool) -> None:
    def tell() -> None:
        click.echo(f"{stack}: set {', '.join(changed)}" if changed else f"{stack}: nothing changed")

    show_object({"object": "secret", "stack": stack, "changed": changed}, tell, as_json=as_json)
