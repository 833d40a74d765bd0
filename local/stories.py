"""The five tasks of `darkroom demo`: what is asked, how the upstream misbehaves, and what must come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One task. `fault` is what the simulated upstream does wrong, with its parameters.

    The rest is what must come of it: the status (None: the API refuses the request), who brought the news, and what
    the upstream's ledger must show.
    """

    name: str
    title: str
    prompt: str
    input: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = "succeeded"
    settled_by: str | None = "callback"
    callbacks: int = 1
    downloads: int = 1
    reason: str | None = None
    refused_field: str | None = None
    ending: str
    moral: str


STORIES = (
    Story(
        name="plain-success",
        title="A plain success",
        prompt="a lighthouse keeper's cottage at dusk",
        ending="callback",
        moral="asked once, paid once: the signed callback brought the news, its handler brought the bytes home",
    ),
    Story(
        name="triple-callback",
        title="A callback that comes three times, two of them at once",
        prompt="a paper boat in a storm",
        input={"aspect_ratio": "3:2"},
        fault="callback-concurrent",
        parameters={"n": 2, "more": 1},
        callbacks=3,
        ending="one of three callbacks",
        moral="all three were answered with 200, one of them stored the picture, and it was fetched once",
    ),
    Story(
        name="lost-callback",
        title="A callback that never comes",
        prompt="an owl that waits for a letter",
        input={"aspect_ratio": "2:3"},
        fault="callback-lost",
        settled_by="poll",
        callbacks=0,
        ending="reconciler",
        moral="nobody called, so the reconciler asked, and the picture was stored all the same",
    ),
    Story(
        name="upstream-failure",
        title="A generation that fails",
        prompt="a portrait that the provider will not paint",
        fault="fail",
        parameters={"message": "the provider's safety filter rejected the prompt"},
        status="failed",
        downloads=0,
        reason="the provider's safety filter rejected the prompt",
        ending="callback",
        moral="the reason is the upstream's own, and `charged` says what is known about the bill",
    ),
    Story(
        name="refused-request",
        title="A request that is refused before any money moves",
        prompt="a very wide panorama",
        input={"aspect_ratio": "99:1"},
        status=None,
        settled_by=None,
        callbacks=0,
        downloads=0,
        refused_field="/input/aspect_ratio",
        ending="refused with 422",
        moral="the upstream was never asked, and nothing was stored",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a story came to: the API's task or problem, the ledger's row, the saved file, and what was counted meanwhile."""

    story: Story
    task: Json | None = None
    problem: Json | None = None
    row: Json | None = None
    file: str | None = None
    posts: int = 0
    stored_tasks: int = 0

    @property
    def upstream_calls(self) -> int:
        """Creates and looks that reached the upstream for this task."""
        return self.row["posts"] + self.row["gets"] if self.row else self.posts

    @property
    def downloads(self) -> int:
        """How often the picture was fetched from the upstream."""
        return len(self.row["downloads"]) if self.row else 0


def deviations(result: Result) -> list[str]:
    """Everything that is otherwise than the story says, in words; empty when all is well."""
    if result.story.status is None:
        return _unrefused(result)
    if result.task is None:
        return ["the API refused the request"]
    return [f"{what}: expected {wanted!r}, got {found!r}" for what, wanted, found in _expectations(result) if wanted != found]


def _unrefused(result: Result) -> list[str]:
    if result.problem is None:
        return ["the API took a request that it should have refused"]
    named = [fault.get("pointer") for fault in result.problem.get("errors", ())]
    expected = (
        ("the refusal's status", 422, result.problem.get("status")),
        ("the field that it names", [result.story.refused_field], named),
        ("requests to the upstream", 0, result.posts),
        ("tasks stored", 0, result.stored_tasks),
    )
    return [f"{what}: expected {wanted!r}, got {found!r}" for what, wanted, found in expected if wanted != found]


def _expectations(result: Result) -> list[tuple[str, Any, Any]]:
    story, task, row = result.story, result.task or {}, result.row or {}
    deliveries = row.get("deliveries", [])
    expected = [
        ("status", story.status, task.get("status")),
        ("who brought the news", story.settled_by, task.get("settled_by")),
        ("attempts", 1, task.get("attempt")),
        ("requests to create it", 1, row.get("posts")),
        ("generations billed", 1, int(row.get("billed", 0))),
        ("callbacks", story.callbacks, len(deliveries)),
        ("callbacks answered with 200", story.callbacks, sum(delivery["status"] == 200 for delivery in deliveries)),
        ("downloads", story.downloads, result.downloads),
        ("pictures saved", story.downloads, int(result.file is not None)),
    ]
    if story.reason is not None:
        said = ((task.get("error") or {}).get("upstream") or {}).get("message")
        expected.append(("the upstream's reason", story.reason, said))
    return expected
