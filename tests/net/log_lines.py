"""Every log line: its message, the functions that write it, its levels, its keys and their types."""

from collections.abc import Sequence
from typing import Any

from tests.net.lives import seen
from tests.net.recording import Facts
from tests.net.stage import Line

ONCE_IN_A_PROCESS = frozenset({"cold_start"})
"""Powertools's own; which line has it depends on what the process did before."""

_TYPES = {str: "text", int: "number", float: "number", bool: "flag"}


def facts() -> Facts:
    """Return all of them; what every line has is told once."""
    written: dict[str, list[tuple[str, Line]]] = {}
    for function, line in seen().lines:
        written.setdefault(line["message"], []).append((function, line))
    everywhere = set.intersection(*({*line} for _, line in seen().lines))
    return {
        "every line": dict.fromkeys(everywhere, "text"),
        "lines": {message: _line(found, everywhere) for message, found in written.items()},
    }


def _line(found: Sequence[tuple[str, Line]], everywhere: set[str]) -> dict[str, Any]:
    lines = [line for _, line in found]
    return {
        "functions": ", ".join(sorted({function for function, _ in found})),
        "levels": ", ".join(sorted({line["level"] for line in lines})),
        "keys": {name: _key(name, lines) for line in lines for name in line.keys() - everywhere - ONCE_IN_A_PROCESS},
    }


def _key(name: str, lines: Sequence[Line]) -> str:
    types = {_TYPES[type(line[name])] for line in lines if name in line}
    return " or ".join(sorted(types)) + ("" if all(name in line for line in lines) else ", not in all")
