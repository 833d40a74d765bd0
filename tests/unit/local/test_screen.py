"""What a person reads of a task."""

import io
from typing import Any

import pytest
from rich.console import Console

from local.screen import attempt_line, show_task

SENT, ENDED = "2026-07-27T12:00:01.500Z", "2026-07-27T12:00:09.500Z"


def attempt(**other: Any) -> dict[str, Any]:
    return {
        "attempt": 1,
        "kind": "first",
        "upstream": "hiapi",
        "model": "gpt-image-2/text-to-image",
        "route": None,
        "sent_at": SENT,
        "ended_at": ENDED,
        "outcome": "succeeded",
        "charged": "yes",
    } | other


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ({}, f"gpt-image-2/text-to-image at hiapi; sent {SENT}, ended {ENDED}: succeeded; charged: yes"),
        (
            {"kind": "automatic_retry", "route": "ext", "outcome": "model_unavailable", "charged": "no"},
            f"gpt-image-2/text-to-image, route ext, at hiapi (automatic retry); sent {SENT}, ended {ENDED}: "
            "model_unavailable; charged: no",
        ),
        (
            {"ended_at": None, "outcome": None, "charged": None},
            f"gpt-image-2/text-to-image at hiapi; sent {SENT}: under way",
        ),
        (
            {"sent_at": None, "ended_at": None, "outcome": None, "charged": None},
            "gpt-image-2/text-to-image at hiapi; not sent yet",
        ),
        (
            {"sent_at": None, "outcome": "canceled", "charged": "no"},
            f"gpt-image-2/text-to-image at hiapi; never sent, ended {ENDED}: canceled; charged: no",
        ),
        (
            {"outcome": None, "charged": None},
            f"gpt-image-2/text-to-image at hiapi; sent {SENT}, ended {ENDED}",
        ),
    ],
)
def test_an_attempt_says_where_it_went_when_and_what_came_of_it(other: dict[str, Any], line: str) -> None:
    assert attempt_line(attempt(**other)) == line


def test_a_task_shows_every_attempt_a_single_one_too() -> None:
    task = {
        "id": "tsk_1",
        "status": "running",
        "phase": "submitting",
        "model": "z-image",
        "created_at": SENT,
        "attempts": [attempt(outcome="timeout", charged="no"), attempt(attempt=2, kind="fallback", ended_at=None, outcome=None)],
    }
    out = io.StringIO()

    show_task(Console(file=out, width=200), task)
    show_task(Console(file=out, width=200), task | {"attempts": [attempt()]})

    told = [line.split()[:2] for line in out.getvalue().splitlines() if line.startswith("  attempt")]
    assert told == [["attempt", "1"], ["attempt", "2"], ["attempt", "1"]]


def test_a_task_shows_what_is_missing_and_no_size_that_is_not_known() -> None:
    image = {"id": "img_1", "content_type": "image/avif", "width": None, "height": None, "bytes": 2048}
    task = {
        "id": "tsk_1",
        "status": "succeeded",
        "phase": "succeeded",
        "model": "z-image",
        "created_at": SENT,
        "images": [image],
        "outputs_missing": ["output 2: not an image"],
    }
    out = io.StringIO()

    show_task(Console(file=out, width=200), task)

    assert "img_1  image/avif 2 KB\n" in out.getvalue()
    assert "missing    output 2: not an image" in out.getvalue()
