"""The verbs about tasks: create, show, list, watch, cancel, retry."""

import sys
from pathlib import Path
from typing import Any

import click

from darkroom.domain.pictures import TYPE_KNOWN_AT, sniff
from darkroom.domain.uploads import TYPES, is_upload_id
from local.client import TERMINAL, Json
from local.commands.pairs import read_pairs
from local.commands.session import Session, calls_api, unsuccessful
from local.screen import progress, show_task, show_tasks

DEFAULT_MODEL = "gpt-image-2/text-to-image"
EDITING_MODEL = "gpt-image-2/image-to-image"

_watch = click.option("--watch", is_flag=True, help="Stay until the task has ended, showing how it gets on.")
_save = click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Fetch the pictures into DIR, once the task has ended.",
)


@click.command()
@click.argument("prompt")
@click.option("--preset", help="A preset of the deployment, such as poster; see `darkroom presets list`.")
@click.option("--model", help=f"A model; see `darkroom models list`.  [default: {DEFAULT_MODEL}, without --preset]")
@click.option("--route", help="One of the model's routes, if it has any.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="K=V",
    help="A further input; V is JSON if it parses as such. May be repeated.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="FILE|URL|ID",
    help="A reference image: a file to upload (PNG, JPEG or WebP), an https address, or the id of an upload. May be repeated.  "
    f"[default model then: {EDITING_MODEL}]",
)
@click.option("--metadata", multiple=True, metavar="K=V", help="A note that is kept with the task. May be repeated.")
@click.option("--user", help="Which of your users this is for.")
@click.option("--timeout-s", type=int, help="The task expires so many seconds after its submission (60 to 86400).")
@click.option("--max-auto-retries", type=int, help="How often a failure that cost nothing is tried again by itself (0 to 3).")
@click.option("--idempotency-key", metavar="KEY", help="Sent twice, the same KEY and request make one task, and cost once.")
@_watch
@_save
@calls_api()
def create(session: Session, **options: Any) -> None:
    """Ask for a picture. PROMPT says what is to be seen; `-` reads it from standard input.

    \b
    darkroom create 'a red kite over a stormy sea' --watch
    darkroom create 'a red kite' --preset poster --save pictures
    darkroom create 'a red kite' --input aspect_ratio=9:16 --input resolution=2K
    darkroom create 'the same kite at night' --image kite.png --save pictures

    The exit status is 1 if the task is known to have ended without success. Without --watch and --save the
    command does not wait for the end.
    """
    body = _body(options)
    if options["images"]:
        body["input"]["images"] = [_reference(one, session) for one in options["images"]]
    task = session.api.create(body, idempotency_key=options["idempotency_key"])
    _conclude(session, task, watch=options["watch"], save=options["save"])


@click.command()
@click.argument("task_id", metavar="ID")
@_save
@calls_api()
def show(session: Session, task_id: str, save: Path | None) -> None:
    """Show one task as it is now. The exit status is 1 if it ended without success."""
    _present(session, session.api.task(task_id), save=save)


@click.command("list")
@click.option("--status", help="Only queued, running, succeeded, failed, canceled or expired ones.")
@click.option("--user", help="Only this user's.")
@click.option("--preset", help="Only this preset's.")
@click.option("--created-after", metavar="TIME", help="RFC 3339, such as 2026-01-31T12:00:00Z.")
@click.option("--created-before", metavar="TIME", help="RFC 3339.")
@click.option("--limit", type=click.IntRange(1, 100), help="How many at most.  [default: 20]")
@click.option("--cursor", help="Where the page before ended.")
@calls_api()
def list_(session: Session, **filters: Any) -> None:
    """List your tasks, newest first."""
    session.show(_filled_page(session, {name: value for name, value in filters.items() if value is not None}), show_tasks)


@click.command()
@click.argument("task_id", metavar="ID")
@_save
@calls_api()
def watch(session: Session, task_id: str, save: Path | None) -> None:
    """Stay with a task until it has ended. The exit status is 1 if it did not succeed."""
    _conclude(session, session.api.task(task_id), watch=True, save=save)


@click.command()
@click.argument("task_id", metavar="ID")
@calls_api()
def cancel(session: Session, task_id: str) -> None:
    """Cancel a task. What was sent to the upstream already is paid for; its result is then dropped."""
    session.show(session.api.cancel(task_id), show_task)


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("--idempotency-key", metavar="KEY", help="Sent twice, the same KEY makes one new task.")
@_watch
@_save
@calls_api()
def retry(session: Session, task_id: str, idempotency_key: str | None, watch: bool, save: Path | None) -> None:
    """Run a finished task's request again, as a new task that is paid for anew."""
    task = session.api.retry(task_id, idempotency_key=idempotency_key)
    _conclude(session, task, watch=watch, save=save)


def _filled_page(session: Session, filters: dict[str, Any]) -> Json:
    """One page, filled from those behind it: the API may break one off early, having looked at enough days."""
    wanted = filters.get("limit", 20)
    page = session.api.tasks(filters)
    for _ in range(10):
        missing = wanted - len(page["data"])
        if not missing or not page["has_more"]:
            break
        further = session.api.tasks(filters | {"limit": missing, "cursor": page["next_cursor"]})
        page = further | {"data": page["data"] + further["data"]}
    return page


def _body(options: Json) -> Json:
    if options["preset"] and options["model"]:
        raise click.UsageError("--preset and --model exclude each other")
    prompt = sys.stdin.read().strip() if options["prompt"] == "-" else options["prompt"]
    inputs = read_pairs(options["inputs"], hint="--input", as_json=True)
    if "prompt" in inputs:
        raise click.BadParameter("the prompt is the command's argument", param_hint="--input")
    if "images" in inputs and options["images"]:
        raise click.UsageError("--image and --input images=… exclude each other")
    body = {
        "preset": options["preset"],
        "model": options["model"] or (None if options["preset"] else EDITING_MODEL if options["images"] else DEFAULT_MODEL),
        "route": options["route"],
        "user": options["user"],
        "metadata": read_pairs(options["metadata"], hint="--metadata", as_json=False),
        "timeout_s": options["timeout_s"],
        "max_auto_retries": options["max_auto_retries"],
    }
    return {"input": {"prompt": prompt} | inputs} | {name: value for name, value in body.items() if value not in (None, {})}


def _reference(named: str, session: Session) -> Json:
    """An address or an upload as it is; a file once it has been uploaded."""
    if named.startswith("https://"):
        return {"url": named}
    if is_upload_id(named):
        return {"upload": named}
    try:
        content = Path(named).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{named}: {error.strerror}", param_hint="--image") from error
    picture = sniff(content[:TYPE_KNOWN_AT])
    if picture is None or picture.content_type not in TYPES:
        raise click.BadParameter(f"{named} is no PNG, JPEG or WebP image", param_hint="--image")
    return {"upload": session.api.upload(content, picture.content_type)}


def _conclude(session: Session, task: Json, *, watch: bool, save: Path | None) -> None:
    """Follow the task if asked to, then present it."""
    if watch or save:
        with progress(session.err) as tell:
            for seen in session.api.follow(task):
                tell(seen)
                task = seen
    _present(session, task, save=save)


def _present(session: Session, task: Json, *, save: Path | None) -> None:
    """Fetch the task's pictures if asked to, show it, and let the exit status tell how it ended."""
    if save is not None:
        for image in task["images"]:
            session.err.print(f"saved {session.api.save(image, save)}")
    session.show(task, show_task)
    if task["status"] in TERMINAL and task["status"] != "succeeded":
        unsuccessful()
