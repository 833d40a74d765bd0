"""One prompt through all five upstreams at once, and the five pictures side by side: a step of `darkroom demo`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local.client import Api
from local.contact_sheet import Print, write_sheet
from local.simulator.admin import SimulatorAdmin

Json = dict[str, Any]

PROMPT = "a harbour town in the last light"
SHEET = "contact-sheet.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A gateway's API, what to ask for so that it is taken, and who may bring the news."""

    upstream: str
    api: str
    model: str
    route: str | None = None
    settled_by: tuple[str, ...]


WAYS = (
    Way(upstream="hiapi", api="HiAPI /v1/tasks", model="gpt-image-2/text-to-image", settled_by=("callback", "poll")),
    Way(upstream="hiapi_images", api="HiAPI /v1/images/generations", model="gpt-image-2-beta", settled_by=("create",)),
    Way(
        upstream="hiapi_chat",
        api="HiAPI /v1/chat/completions",
        model="gpt-image-2/text-to-image",
        route="chat",
        settled_by=("create",),
    ),
    Way(upstream="pixapi", api="Pixapi /v1/async/images/generations", model="pixapi/gpt-image-2", settled_by=("poll",)),
    Way(
        upstream="pixapi_images",
        api="Pixapi /v1/images/generations",
        model="pixapi/gpt-image-2",
        route="sync",
        settled_by=("create",),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A way that was taken: the task at its end, and where its picture was saved."""

    way: Way
    task: Json
    file: Path | None

    @property
    def seconds(self) -> float:
        """From the request to the end."""
        began, ended = (datetime.fromisoformat(self.task[name]) for name in ("created_at", "terminal_at"))
        return (ended - began).total_seconds()

    @property
    def lines(self) -> tuple[str, ...]:
        """What is told of it."""
        route = f" (route {self.way.route})" if self.way.route else ""
        told = {"callback": "told by callback", "poll": "found by asking", "create": "in the answer itself"}
        how = told.get(self.task["settled_by"], self.task["settled_by"])
        return self.way.api, f"{self.way.model}{route}", f"{self.seconds:.1f} s, {how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FiveWays:
    """All ways, the sheet, and how many generations the upstream took and billed for them."""

    taken: Sequence[Taken]
    sheet: Path
    posts: int
    billed: int


def set_out(api: Api) -> list[Json]:
    """Ask all five for the same; the tasks, in the order of WAYS."""
    return [api.create(_wish(way)) for way in WAYS]


def arrive(api: Api, upstream: SimulatorAdmin, begun: Sequence[Json], output: Path) -> FiveWays:
    """Wait for each end; the pictures and the sheet are saved below `output`."""
    taken = [_finish(api, way, task, output / "five-ways") for way, task in zip(WAYS, begun, strict=True)]
    sheet = write_sheet(output / SHEET, f"“{PROMPT}”", [Print(file=one.file, lines=one.lines) for one in taken])
    rows = [row for row in upstream.ledger()["tasks"].values() if PROMPT in row["body"]]
    return FiveWays(taken=taken, sheet=sheet, posts=sum(row["posts"] for row in rows), billed=sum(row["billed"] for row in rows))


def _wish(way: Way) -> Json:
    route = {"route": way.route} if way.route else {}
    return {"model": way.model, **route, "input": {"prompt": PROMPT}}


def _finish(api: Api, way: Way, task: Json, folder: Path) -> Taken:
    *_, ended = api.follow(task)
    saved = [api.save(image, folder, stem=way.upstream) for image in ended["images"]]
    return Taken(way=way, task=ended, file=saved[0] if saved else None)


def strays(five: FiveWays) -> Iterator[str]:
    """What went otherwise than it should."""
    for one in five.taken:
        found = (one.task["status"], one.task["upstream"], len(one.task["images"]))
        wanted = ("succeeded", one.way.upstream, 1)
        if found != wanted or one.task["settled_by"] not in one.way.settled_by:
            yield f"{one.way.api}: {found} by {one.task['settled_by']} instead of {wanted} by {' or '.join(one.way.settled_by)}"
    if (five.posts, five.billed) != (len(WAYS), len(WAYS)):
        yield f"{five.posts} generations were asked for and {five.billed} billed, instead of {len(WAYS)}"
