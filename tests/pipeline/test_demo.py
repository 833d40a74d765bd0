"""`darkroom demo` as somebody runs it who has just cloned the project."""

import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from local.stories import STORIES, Result, Story, deviations
from tests.pipeline.running import command, environment


@pytest.mark.slow
def test_the_demo_tells_five_stories_takes_five_ways_saves_eight_pictures_and_ends_with_0_within_a_minute(tmp_path: Path) -> None:
    began = time.monotonic()

    done = subprocess.run(
        command("demo"), cwd=tmp_path, env=environment(COLUMNS="140"), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 60
    assert done.stdout.count("✓") == 7
    rows = {line.split("│")[1].split()[0]: line for line in done.stdout.splitlines() if line.startswith("│ ")}
    assert set(rows) >= {"1", "2", "3", "4", "5"}
    assert [rows[number].split("│")[2].strip() for number in "12345"] == [
        "succeeded",
        "succeeded",
        "succeeded",
        "failed",
        "refused",
    ]
    assert [rows[number].split("│")[5].strip() for number in "12345"] == ["1", "1", "1", "0", "0"]
    pictures = sorted((tmp_path / "demo-output").glob("*.png"))
    assert [picture.name[0] for picture in pictures] == ["1", "2", "3", "c"]
    ways = sorted((tmp_path / "demo-output" / "five-ways").iterdir())
    assert [way.stem for way in ways] == ["hiapi", "hiapi_chat", "hiapi_images", "pixapi", "pixapi_images"]
    for picture in (*pictures, *ways):
        Image.open(picture).verify()
    assert "\x1b" not in done.stdout


def ended(story: Story, **changes: object) -> Result:
    """A result just as the story wants it, but for `changes` of the ledger's row."""
    deliveries = [{"status": 200}] * story.callbacks
    row = {"posts": 1, "gets": 0, "billed": 1, "deliveries": deliveries, "downloads": [{}] * story.downloads} | changes
    task = {
        "status": story.status,
        "settled_by": story.settled_by,
        "attempt": 1,
        "error": {"upstream": {"message": story.reason}},
    }
    return Result(story=story, task=task, row=row, file="a.png" if story.downloads else None)


@pytest.mark.parametrize("story", STORIES[:4], ids=lambda story: story.name)
def test_a_story_that_ends_as_told_has_no_deviation(story: Story) -> None:
    assert deviations(ended(story)) == []


@pytest.mark.parametrize(
    "changes", [{"billed": 2}, {"posts": 2}, {"downloads": [{}, {}]}, {"deliveries": [{"status": 500}]}, {"deliveries": []}]
)
def test_a_picture_paid_or_fetched_twice_is_a_deviation(changes: dict[str, object]) -> None:
    assert deviations(ended(STORIES[0], **changes))


def test_a_refusal_that_reached_the_upstream_or_stored_a_task_is_a_deviation() -> None:
    story = STORIES[4]
    problem = {"status": 422, "errors": [{"pointer": story.refused_field}]}

    assert deviations(Result(story=story, problem=problem)) == []
    assert deviations(Result(story=story, problem=problem, posts=1))
    assert deviations(Result(story=story, problem=problem, stored_tasks=1))
    assert deviations(Result(story=story, problem={"status": 400}))
    assert deviations(ended(story))
