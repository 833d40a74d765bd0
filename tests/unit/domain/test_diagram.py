"""The picture cannot lie."""

from tests.support.diagram import drawn, mermaid


def test_the_page_shows_exactly_the_legal_moves() -> None:
    assert drawn() == mermaid(), "run: python -m tests.support.diagram"
