"""The state machine as Mermaid, drawn from the table of legal moves; `python -m tests.support.diagram` rewrites the page."""

from pathlib import Path

from darkroom.domain.task import MOVES, TERMINAL, Phase

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
_BEGIN, _END = "<!-- states: generated from domain/task.py -->\n", "<!-- /states -->\n"


def mermaid() -> str:
    """A Mermaid state diagram with one arrow for each legal move."""
    order = list(Phase)
    born = [f"    [*] --> {phase}" for phase in (Phase.ACCEPTED, Phase.WAITING, Phase.SUBMITTING)]
    lines = ["```mermaid", "stateDiagram-v2", *born]
    lines += [f"    {start} --> {to}" for start in order for to in order if to in MOVES[start]]
    lines += [f"    {phase} --> [*]" for phase in order if phase in TERMINAL]
    return "\n".join([*lines, "```", ""])


def drawn() -> str:
    """What the page shows now."""
    text = PAGE.read_text()
    return text[text.index(_BEGIN) + len(_BEGIN) : text.index(_END)]


def redraw() -> None:
    """Put today's diagram on the page."""
    text = PAGE.read_text()
    PAGE.write_text(text[: text.index(_BEGIN) + len(_BEGIN)] + mermaid() + text[text.index(_END) :])


if __name__ == "__main__":
    redraw()
