"""`darkroom models` and `darkroom presets`: what may be asked for, and whether the catalogue still fits the live schemas."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from darkroom.adapters.upstreams.registry import routed
from darkroom.catalogue.live import over
from darkroom.catalogue.load import load_catalogue, shipped
from darkroom.catalogue.spelling import did_you_mean, near
from darkroom.errors import ConfigurationError
from local.addresses import is_web_address
from local.client import ApiUnreachable, Json
from local.commands.session import Session, Unreachable, calls_api, prints_json, show_object, unsuccessful
from local.schemas import GONE, SCHEMA_HOST, Compared, compare, not_in
from local.screen import show_columns


@click.group()
def models() -> None:
    """List and show the models that --model takes, and compare the catalogue with the live schemas."""


@models.command("list")
@calls_api()
def list_models(session: Session) -> None:
    """List the models; with --json also the schema of each one's input."""
    session.show(session.api.call("GET", "/v1/models"), _show_models)


@models.command()
@click.argument("model_id", metavar="ID")
@calls_api()
def show(session: Session, model_id: str) -> None:
    """Show one model, by its id or an alias: its routes, and what each field takes."""
    found = session.api.call("GET", "/v1/models")
    named = {name: model for model in found["data"] for name in (*model["aliases"], model["id"])}
    if model_id not in named:
        raise click.BadParameter(_no_model(model_id, named, found["retired"]), param_hint="ID")
    session.show(named[model_id], _show_model)


@models.command()
@click.option("--url", default=SCHEMA_HOST, show_default=True, help="Where the live schemas are; a simulator serves them too.")
@prints_json
def refresh(url: str, as_json: bool) -> None:
    """Compare the shipped catalogue with the live schemas of HiAPI's models, and print what has changed and which models are new.

    Exit status: 0 = nothing, 1 = something, 3 = the host does not answer. Nothing is written: a change is a decision, made in
    the catalogue or in the deployment's own part of it (docs/models.md).
    """
    if not is_web_address(url):
        raise click.BadParameter(f"{url!r} is no http(s) address", param_hint="--url")
    catalogue = load_catalogue()
    try:
        compared = list(compare(catalogue, url))
        if all(one.changes == [GONE] for one in compared):
            raise Unreachable(f"{url} knows none of the models: it is not where the schemas are")
        new = not_in(catalogue, url)
    except ApiUnreachable as error:
        raise Unreachable(str(error)) from error
    changed = [one for one in compared if one.changes]
    found = {"compared": len(compared), "drift": [_as_json(one) for one in changed], "new": new}
    console = Console(highlight=False, soft_wrap=True)
    show_object(found, lambda: _show_drift(console, len(compared), changed, new), as_json=as_json)
    if changed or new:
        unsuccessful()


@models.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Say whether FILE can be laid over the shipped catalogue, before it goes into the bucket. Exit status 1 if it cannot."""
    try:
        catalogue = over(shipped(), file.read_bytes(), routed())
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"fine: {len(catalogue.models)} models, {len(catalogue.versions)} presets")


@click.group()
def presets() -> None:
    """List the presets that --preset takes."""


@presets.command("list")
@calls_api()
def list_presets(session: Session) -> None:
    """List the presets that your key may ask for; with --json also the schema of each one's input."""
    session.show(session.api.call("GET", "/v1/presets"), _show_presets)


def _no_model(name: str, named: dict[str, Json], retired: list[Json]) -> str:
    for one in retired:
        if one["id"].lower() == name.lower():
            return f"{one['id']} is retired; use {one['replaced_by']}"
    current = {spelling: model["id"] for spelling, model in named.items() if model["status"] == "current"}
    return f"no model is called {name}; {did_you_mean(near(name, current, most=4)) or 'see `darkroom models list`'}"


def _as_json(one: Compared) -> Json:
    return {"model": one.model, "route": one.route, "changes": one.changes}


def _show_drift(console: Console, compared: int, changed: list[Compared], new: list[str] | None) -> None:
    for one in changed:
        console.print(Text.assemble((one.model, "bold"), f", route {one.route}"))
        for line in one.changes:
            console.print(f"  {line}")
    for name in new or ():
        console.print(Text.assemble((name, "bold"), ": new, not in the catalogue"))
    told = f"{len(changed)} of {compared} routes have changed" if changed else f"no drift in {compared} routes"
    console.print(Text(f"{told}{_new(new)}", style="dim"))


def _new(models: list[str] | None) -> str:
    if models is None:
        return "; the host lists no models, so new ones cannot be told"
    return f"; new models: {len(models)}" if models else ""


def _show_models(console: Console, page: Json) -> None:
    rows = [
        (
            model["id"],
            _state(model),
            model["upstream"],
            " ".join(route["name"] for route in model["routes"]),
            model["routes"][0]["size_form"],
            _images(model["routes"][0]["images"]),
        )
        for model in page["data"]
    ]
    show_columns(console, ("model", "status", "upstream", "routes", "size", "images"), rows)


def _state(model: Json) -> str:
    return str(model["status"]) if model["available"] else "not available"


def _images(images: Json | None) -> str:
    return f"up to {images['most']}" if images else ""


def _show_model(console: Console, model: Json) -> None:
    console.print(Text.assemble((model["id"], "bold"), f"  {_state(model)}, {model['kind']}, confidence {model['confidence']}"))
    if model["aliases"]:
        console.print(f"  also called  {', '.join(model['aliases'])}")
    if model["replaced_by"]:
        console.print(f"  rather use   {model['replaced_by']}")
    for route in model["routes"]:
        away = "" if route["available"] else ", not available here"
        console.print()
        console.print(Text.assemble(("route ", "dim"), (route["name"], "bold"), f"  at {route['upstream']}{away}"))
        show_columns(console, ("field", "becomes", "takes"), [_field_row(name, route) for name in _fields(route)])


def _fields(route: Json) -> list[str]:
    return list(route["input_schema"]["properties"])


def _field_row(name: str, route: Json) -> tuple[str, str, str]:
    schema = route["input_schema"]
    own = route["neutral"].get(name, name)
    told = [*_limits(schema["properties"][name]), *(["required"] if name in schema["required"] else [])]
    return name, own if own != name else "", "; ".join(told)


def _limits(described: Json) -> list[str]:
    """What a field takes, in words; never more than a person reads."""
    if "enum" in described:
        told = [", ".join(map(str, described["enum"]))]
    else:
        told = [str(described.get("type", "anything"))]
        told += [f"{word} {described[limit]}" for limit, word in _WORDS.items() if described.get(limit)]
    return told + ([f"default {described['default']}"] if described.get("default") not in (None, "", []) else [])


_WORDS: dict[str, Any] = {
    "minLength": "from",
    "maxLength": "up to",
    "minItems": "from",
    "maxItems": "up to",
    "minimum": "from",
    "maximum": "up to",
}


def _show_presets(console: Console, page: Json) -> None:
    rows = [
        (
            preset["id"] + ("" if preset["available"] else " (not available)"),
            _way(preset),
            ", ".join(map(_way, preset["fallbacks"])),
            str(preset["timeout_s"] or ""),
            preset["summary"],
        )
        for preset in page["data"]
    ]
    show_columns(console, ("preset", "model", "or else", "seconds", "for"), rows)


def _way(one: Json) -> str:
    return str(one["model"]) if one["route"] == "default" else f"{one['model']} ({one['route']})"
