"""How the command tells people about tasks, keys and pictures."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

Json = dict[str, Any]

_COLOURS = {"succeeded": "green", "failed": "red", "canceled": "yellow", "expired": "yellow", "running": "cyan", "queued": "blue"}

_ENDS = ("succeeded", "failed", "canceled", "expired")


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=_COLOURS.get(status, ""))


def show_task(console: Console, task: Json) -> None:
    """One task with everything that a person asks first."""
    phase = "" if task["phase"] == task["status"] else f" ({task['phase']})"
    console.print(Text.assemble((task["id"], "bold"), "  ", status_text(task["status"]), phase))
    for name, value in _facts(task):
        console.print(Text.assemble((f"  {name:<11}", "dim"), value))


def _facts(task: Json) -> Iterator[tuple[str, str]]:
    yield "model", " ".join(filter(None, (task.get("model"), f"({task['preset']})" if task.get("preset") else "")))
    if task.get("upstream_task_id"):
        yield "upstream", f"{task['upstream']} {task['upstream_task_id']}"
    yield "created", f"{task['created_at']}{_duration(task)}"
    for one in task.get("attempts") or ():
        yield f"attempt {one['attempt']}", attempt_line(one)
    if task.get("retry_of"):
        yield "retry of", task["retry_of"]
    if task.get("cancel_requested") and not task.get("terminal_at"):
        yield "cancel", "requested; the upstream cannot be stopped, its result will be dropped"
    for image in task.get("images") or ():
        yield "image", image_line(image)
    for reason in task.get("outputs_missing") or ():
        yield "missing", reason
    if task.get("error"):
        yield "error", error_line(task["error"])
        yield from _ticket(task["error"].get("upstream") or {})


def _ticket(upstream: Json) -> Iterator[tuple[str, str]]:
    """What the upstream's support wants to know."""
    for name, label in (("request_id", "request id"), ("last_body", "last body")):
        if upstream.get(name):
            yield label, str(upstream[name])


def _duration(task: Json) -> str:
    if not task.get("terminal_at"):
        return ""
    took = datetime.fromisoformat(task["terminal_at"]) - datetime.fromisoformat(task["created_at"])
    return f", took {took.total_seconds():.1f} s"


def attempt_line(attempt: Json) -> str:
    """One attempt in one line: where it went, when, and what came of it."""
    route = f", route {attempt['route']}," if attempt["route"] else ""
    kind = "" if attempt["kind"] == "first" else f" ({attempt['kind'].replace('_', ' ')})"
    end = f": {attempt['outcome']}; charged: {attempt['charged']}" if attempt["outcome"] else ""
    return f"{attempt['model']}{route} at {attempt['upstream']}{kind}; {_times(attempt)}{end}"


def _times(attempt: Json) -> str:
    sent, ended = attempt["sent_at"], attempt["ended_at"]
    if ended:
        return f"{f'sent {sent}' if sent else 'never sent'}, ended {ended}"
    return f"sent {sent}: under way" if sent else "not sent yet"


def image_line(image: Json) -> str:
    """One picture in one line."""
    sides = f" {image['width']}×{image['height']}" if image["width"] and image["height"] else ""
    late = " (late)" if image.get("late") else ""
    return f"{image['id']}  {image['content_type']}{sides} {size_text(image['bytes'])}{late}"


def size_text(size: int) -> str:
    """A size in bytes as people say it."""
    return f"{size / 1024:.0f} KB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MB"


def error_line(error: Json) -> str:
    """Why a task ended, what the upstream said, and what it cost."""
    told = f"{error['code']}: {error['message']}"
    upstream = error.get("upstream") or {}
    said = " ".join(str(upstream[name]) for name in ("code", "message") if upstream.get(name))
    if said and said not in told:
        told += f" (upstream: {said})"
    return f"{told}; charged: {error['charged']}"


def show_tasks(console: Console, page: Json) -> None:
    """A page of tasks, one in a line."""
    rows = [
        (
            task["id"],
            status_text(task["status"]),
            "" if task["phase"] == task["status"] else task["phase"],
            str(len(task["images"])),
            task["created_at"],
            task.get("preset") or task.get("model") or "",
        )
        for task in page["data"]
    ]
    show_columns(console, ("task", "status", "phase", "images", "created", "asked for"), rows)
    if page.get("has_more"):
        console.print(f"more: --cursor {page['next_cursor']}")


def show_columns(console: Console, header: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Columns as wide as what they hold: ids are there to be copied, so nothing is cut off, whatever the terminal's width."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row, style in ((header, "dim"), *((row, "") for row in rows)):
        cells = [Text(one) if isinstance(one, str) else one.copy() for one in row]
        for cell, width in zip(cells[:-1], widths, strict=False):
            cell.pad_right(width - len(cell) + 2)
        console.print(Text.assemble(*cells, style=style))


@contextmanager
def progress(console: Console, *, indent: str = "") -> Iterator[Callable[[Json], None]]:
    """Takes a task at each change: one live line on a terminal, which stays; a plain line per change otherwise."""
    began = time.monotonic()
    if not console.is_terminal:

        def tell(task: Json) -> None:
            console.print(f"{indent}{time.monotonic() - began:5.1f} s  {task['id']}  {task['phase']}")

        yield tell
        return
    line = _LiveLine(began, indent)
    with Live(line, console=console, refresh_per_second=12):
        yield line.update


class _LiveLine:
    """The task's id, the phases passed through, and the seconds; a spinner until the end."""

    def __init__(self, began: float, indent: str) -> None:
        self._began = began
        self._indent = indent
        self._spinner = Spinner("dots")
        self._phases: list[str] = []
        self._id = ""
        self._ended: float | None = None

    def update(self, task: Json) -> None:
        """The task has changed."""
        self._id = task["id"]
        if not self._phases or self._phases[-1] != task["phase"]:
            self._phases.append(task["phase"])
        if task["phase"] == task["status"] and task["status"] in _ENDS:
            self._ended = time.monotonic()

    def __rich__(self) -> Text:
        now = self._ended or time.monotonic()
        frame = self._spinner.frames[int((now - self._began) * 12) % len(self._spinner.frames)]
        mark = (frame, "cyan") if self._ended is None else ("●", _COLOURS.get(self._phases[-1], ""))
        passed = "".join(f"{phase} → " for phase in self._phases[:-1])
        current = self._phases[-1] if self._phases else "…"
        style = f"bold {_COLOURS.get(current, 'cyan')}"
        seconds = f"  {now - self._began:.1f} s"
        return Text.assemble(
            self._indent, mark, " ", (self._id, "dim"), "  ", (passed, "dim"), (current, style), (seconds, "dim")
        )
