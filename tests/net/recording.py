"""The files that say what the code does to the outside: read, written, and compared with what it does now."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recorded"
COMMAND = "make record"

Facts = Mapping[str, Any]


def text_of(facts: Facts) -> str:
    """Return the facts as JSON, sorted, one on each line."""
    return json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def recorded(name: str) -> Any:
    """Return what the file `name` holds."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def record(name: str, facts: Facts) -> bool:
    """Write the file anew; return whether that changed it."""
    changed = difference(name, facts) != ""
    (FOLDER / f"{name}.json").write_text(text_of(facts), encoding="utf-8")
    return changed


def difference(name: str, facts: Facts) -> str:
    """Return how the facts differ from the file `name`, as a unified diff; empty when they do not."""
    path = FOLDER / f"{name}.json"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        before.splitlines(), text_of(facts).splitlines(), f"recorded/{name}.json", "what the code does", lineterm="", n=2
    )
    return "\n".join(lines)
