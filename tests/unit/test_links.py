"""What the documents point at is there: pages, pictures, headings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tools import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_MENTION = re.compile(r"\bdocs/[\w/-]+\.(?:md|svg)\b")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The file and the heading of each link that stays in the repository; a path that is only mentioned has no heading."""
    text = page.read_text()
    for link in _LINK.findall(text):
        if "://" not in link:
            # The badge: a page of GitHub's own about the repository, named relative to where GitHub shows this one.
            path, _, heading = re.sub(r"^\.\./\.\./actions/([^/]+/[^/]+)(/badge\.svg)?$", r".github/\1", link).partition("#")
            yield (page.parent / path if path else page), heading
    for mention in _MENTION.findall(text):
        yield ROOT / mention, ""


def headings(page: Path) -> set[str]:
    """As the links name them."""
    words = (re.sub(r"[^\w\- ]", "", heading).lower() for heading in _HEADING.findall(page.read_text()))
    return {heading.replace(" ", "-") for heading in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_and_picture_that_a_document_points_at_is_there(page: Path) -> None:
    gone = {str(path.relative_to(ROOT)) for path, _ in links(page) if not path.exists()}

    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_heading_that_a_document_points_at_is_there(page: Path) -> None:
    wanted = {(path, heading) for path, heading in links(page) if heading and path.exists()}

    assert not {f"{path.name}#{heading}" for path, heading in wanted if heading not in headings(path)}
