"""The tables of docs/models.md, made from the catalogue: `python -m local.models_page` writes them anew."""

from collections.abc import Sequence
from pathlib import Path

from darkroom.catalogue.load import load_catalogue
from darkroom.catalogue.offers import DEFAULT_ROUTE, SIZED, Catalogue, Fallback, Preset, Route
from local.generated import between, table

PAGE = Path(__file__).parents[1] / "docs" / "models.md"

_ELSEWHERE = ("prompt", *SIZED, "images")
_ALSO = ("seed", "negative_prompt", "output_format", "quality")


def render(page: str, catalogue: Catalogue) -> str:
    """The page with its two tables as the catalogue has them."""
    page = between(page, "models", _models(catalogue))
    return between(page, "presets", _presets(catalogue))


def _models(catalogue: Catalogue) -> str:
    rows = [_row(route) for model in catalogue.models.values() for route in model.routes.values()]
    return table(("Model", "Route", "Upstream", "Size", "`images`", "Also"), rows)


def _row(route: Route) -> Sequence[str]:
    name = "" if route.name == DEFAULT_ROUTE else f"`{route.name}`"
    return f"`{route.model}`", name, f"`{route.upstream}`", _size(route), _images(route), _also(route)


def _size(route: Route) -> str:
    """The neutral fields that it takes, and what they become."""
    names = " + ".join(f"`{name}`" for name in SIZED if route.field_of(name))
    if not route.sizes:
        return names or "none"
    examples = next(iter(route.sizes.table["1:1"].values()))
    return f"{names} → `{route.sizes.field}`, such as `{examples}`"


def _images(route: Route) -> str:
    references = route.references
    return f"up to {references.most} → `{references.field}`" if references else ""


def _also(route: Route) -> str:
    return ", ".join(f"`{name}`{_values(route, name)}" for name in _ALSO if route.field_of(name))


def _values(route: Route, name: str) -> str:
    enum = route.input_schema["properties"][name].get("enum")
    return f" ({' '.join(enum)})" if enum else ""


def _presets(catalogue: Catalogue) -> str:
    rows = [_preset(preset) for preset in catalogue.versions.values()]
    return table(("Preset", "Model", "Or else", "May be set", "Expires after"), rows)


def _preset(preset: Preset) -> Sequence[str]:
    or_else = ", ".join(f"`{_way(fallback)}`" for fallback in preset.fallbacks)
    fields = " ".join(f"`{name}`" for name in preset.overrides)
    return (
        f"`{preset.id}`",
        f"`{_way(preset)}`",
        or_else,
        fields,
        f"{preset.timeout_s} s" if preset.timeout_s else "`TaskTimeoutSeconds`",
    )


def _way(one: Preset | Fallback) -> str:
    return one.model.id if one.route.name == DEFAULT_ROUTE else f"{one.model.id}, {one.route.name}"


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8"), load_catalogue()), "utf-8")
