"""The table of promises in docs/adding-an-upstream.md, made from the adapters: `python -m local.promises_page` writes it anew."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from darkroom.adapters.upstreams.registry import ADAPTERS, promises_of
from darkroom.ports import Promises
from local.generated import between, table

PAGE = Path(__file__).parents[1] / "docs" / "adding-an-upstream.md"

_SPANS = (("days", 86_400), ("h", 3600), ("s", 1))


def render(page: str) -> str:
    """The page with its table as the adapters have it."""
    stated = [promises_of(name) for name in ADAPTERS]
    names = [promise.name for promise in fields(Promises)]
    rows = [(f"`{name}`", *(_said(name, getattr(one, name)) for one in stated)) for name in names]
    return between(page, "promises", table(("Promise", *(f"`{name}`" for name in ADAPTERS)), rows))


def _said(name: str, value: Any) -> str:
    if value is None:
        return "nobody says"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _span(value) if name.endswith("_s") else str(value)


def _span(seconds: float) -> str:
    if seconds == 0:
        return "no"
    unit, length = next((unit, length) for unit, length in _SPANS if seconds >= 2 * length and seconds % length == 0)
    return f"{seconds / length:g} {unit}"


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
