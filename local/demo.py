"""Runs the pipeline once over HTTP, tells the story as it goes, and checks every ending against the upstream's ledger."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.box import ROUNDED
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.children import ChildFailed
from local.client import Api, ApiError, ApiRefused
from local.environments import CannotFork
from local.five_ways import PROMPT, FiveWays, arrive, set_out, strays
from local.logs import Logs
from local.plan import make_plan
from local.screen import error_line, progress, size_text, status_text
from local.simulator.admin import SimulatorAdmin, SimulatorAdminError
from local.stack import CannotListen, LocalStack
from local.stories import STORIES, Json, Result, Story, deviations

MODEL = "gpt-image-2/text-to-image"

# Short spans, so that the reconciler's part can be watched; long enough that a callback always comes first.
SETTINGS = {"DARKROOM_FIRST_CHECK_S": "6", "DARKROOM_RECHECK_MAX_S": "6", "DARKROOM_STORE_RETRY_S": "0,1,2"}
LATENCY_S = 1.0
TICK_S = 0.5
PATIENCE_S = 15.0
"""How long callbacks that are still on their way are waited for."""


class DemoFailed(click.ClickException):
    """Something did not go as told."""


def run(output: Path) -> None:
    """Run all stories, saving pictures below `output`; raises DemoFailed when one ended otherwise than it should."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    output.mkdir(parents=True, exist_ok=True)
    logs = Logs(output / "demo.log", sys.stderr, verbose=False)
    began = time.monotonic()
    console.print("[bold]Darkroom[/bold]: from a prompt to a picture in your own bucket, all of it on this machine\n")
    try:
        with _running(console, logs) as teller:
            # Asked now and told last: the slowest of them waits for a look.
            begun = teller.set_out()
            results = [teller.tell(number, story, output) for number, story in enumerate(STORIES, 1)]
            five = teller.tell_five_ways(len(STORIES) + 1, begun, output)
    except (ApiError, SimulatorAdminError, CannotListen, ChildFailed, CannotFork, OSError) as error:
        raise DemoFailed(f"{error} (the log is {logs.path})") from error
    finally:
        logs.close()
    _conclude(console, results, five, time.monotonic() - began)


@contextmanager
def _running(console: Console, logs: Logs) -> Iterator["_Teller"]:
    plan = make_plan(SETTINGS, reconcile_every_s=TICK_S, simulator_latency_s=LATENCY_S)
    stack = LocalStack(plan, logs, SETTINGS)
    with _busy(console, "starting store, upstream, functions and gateway"):
        stack.start()
    try:
        console.print(f"  api       {stack.url}", style="dim")
        console.print(f"  upstream  {stack.simulator_url} (simulated, and about to misbehave)", style="dim")
        console.print(f"  store     {stack.store_url} (table, bucket, queues and secret of template.yaml)\n", style="dim")
        with Api(stack.url, plan.api_key) as api, SimulatorAdmin(stack.simulator_url or "") as upstream:
            yield _Teller(console, api, upstream)
    finally:
        stack.stop()


class _Teller:
    """Runs one story after the other."""

    def __init__(self, console: Console, api: Api, upstream: SimulatorAdmin) -> None:
        self._console = console
        self._api = api
        self._upstream = upstream

    def tell(self, number: int, story: Story, output: Path) -> Result:
        """Run a story and say what came of it."""
        self._console.print(f"[bold]{number}  {story.title}[/bold]")
        self._console.print(Text(f"   “{story.prompt}”", style="italic"))
        result = self._run(story, f"{number}-{story.name}", output)
        self._narrate(result)
        return result

    def set_out(self) -> list[Json]:
        """One prompt goes to every upstream, while the stories are told."""
        return set_out(self._api)

    def tell_five_ways(self, number: int, begun: Sequence[Json], output: Path) -> FiveWays:
        """What came of that prompt."""
        self._console.print(f"[bold]{number}  One prompt, five upstreams[/bold]")
        self._console.print(Text(f"   “{PROMPT}”", style="italic"))
        with _busy(self._console, "   asked while the other stories were told"):
            five = arrive(self._api, self._upstream, begun, output)
        for one in five.taken:
            self._console.print("   " + "  ".join(one.lines), markup=False)
        self._verdict(list(strays(five)), "five APIs, one request shape: each was asked once, and paid once")
        return five

    def _run(self, story: Story, stem: str, output: Path) -> Result:
        if story.fault is not None:
            self._upstream.arm(story.fault, match={"prompt": story.prompt}, **story.parameters)
        posts, tasks = self._counted()
        try:
            task = self._api.create({"model": MODEL, "input": {"prompt": story.prompt, **story.input}})
        except ApiRefused as error:
            posts_after, tasks_after = self._counted()
            return Result(story=story, problem=error.problem, posts=posts_after - posts, stored_tasks=tasks_after - tasks)
        task = self._follow(task)
        saved = [self._api.save(image, output, stem=stem) for image in task["images"]]
        row = self._ledger_row(task, story)
        return Result(story=story, task=task, row=row, file=str(saved[0]) if saved else None)

    def _counted(self) -> tuple[int, int]:
        """Creates that reached the upstream, and tasks that we keep."""
        return self._upstream.totals()["posts"], len(self._api.tasks({"limit": 100})["data"])

    def _follow(self, task: Json) -> Json:
        with progress(self._console, indent="   ") as show:
            for seen in self._api.follow(task):
                show(seen)
                task = seen
        return task

    def _ledger_row(self, task: Json, story: Story) -> Json:
        """The upstream's view of the task, once every callback that the story promises has been made."""
        until = time.monotonic() + PATIENCE_S
        while True:
            row = self._upstream.task(task["upstream_task_id"])
            if len(row["deliveries"]) >= story.callbacks or time.monotonic() > until:
                return row
            time.sleep(0.1)

    def _narrate(self, result: Result) -> None:
        for line in _facts(result):
            self._console.print(f"   {line}", markup=False)
        self._verdict(deviations(result), result.story.moral)

    def _verdict(self, wrong: Sequence[str], moral: str) -> None:
        for line in wrong:
            self._console.print(f"   ✗ {line}", style="bold red", markup=False)
        if not wrong:
            self._console.print(f"   ✓ {moral}", style="green")
        self._console.print()


def _facts(result: Result) -> Iterator[str]:
    if result.problem is not None:
        yield f"{result.problem.get('status')} {result.problem.get('code')}: {result.problem.get('detail')}"
        for fault in result.problem.get("errors", ()):
            yield f"{fault.get('pointer')}: {fault.get('detail')}"
    if result.task is not None:
        if result.task["error"]:
            yield error_line(result.task["error"])
        for image in result.task["images"]:
            facts = f"{image['width']}×{image['height']} {image['content_type']}, {size_text(image['bytes'])}"
            yield f"{result.file}  {facts}, sha256 {image['sha256'][:12]}…"


def _conclude(console: Console, results: Sequence[Result], five: FiveWays, seconds: float) -> None:
    console.print(_table(results))
    wrong = [f"{result.story.title}: {line}" for result in results for line in deviations(result)]
    wrong += strays(five)
    if wrong:
        raise DemoFailed("not everything went as it should:\n  " + "\n  ".join(wrong))
    pictures = len([result for result in results if result.downloads]) + len(five.taken)
    console.print(f"[green]✓[/green] {pictures} pictures, each paid for once and stored once, in {seconds:.0f} s.")
    console.print(f"  The five ways side by side: [bold]{five.sheet}[/bold]")
    console.print(
        "  Next: [bold]make up[/bold] (or `darkroom up`) keeps all of this running; `darkroom --help` says what else there is."
    )


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=ROUNDED, header_style="bold")
    for name in ("task", "status", "how it ended"):
        table.add_column(name)
    for name in ("attempts", "downloads", "upstream calls"):
        table.add_column(name, justify="right")
    table.add_column("file", no_wrap=True)
    for number, result in enumerate(results, 1):
        status = status_text(result.task["status"]) if result.task else Text("refused", style="yellow")
        attempts = str(result.task["attempt"]) if result.task else "0"
        counts = (attempts, str(result.downloads), str(result.upstream_calls))
        table.add_row(f"{number} {result.story.name}", status, result.story.ending, *counts, result.file or "–")
    return table


@contextmanager
def _busy(console: Console, what: str) -> Iterator[None]:
    if console.is_terminal:
        with console.status(what + " …"):
            yield
    else:
        console.print(f"{what} …")
        yield
