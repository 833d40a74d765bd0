"""Plots as SVG, by hand: bars, and lines over a common axis; readable on light and dark pages."""

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _LEFT, _TOP, _ROW = 720, 250, 48, 26
_INK, _GRID = "#57606a", "#d0d7de"
_NAMES_IN_A_ROW = 2
_COLOURS = ("#0969da", "#bf8700", "#8250df", "#1a7f37", "#cf222e")
_STYLE = f'font-family="system-ui, sans-serif" font-size="13" fill="{_INK}"'

Point = tuple[float, float]


def bars(title: str, values: Mapping[str, float], *, unit: str, marked: Sequence[str] = (), digits: int = 1) -> str:
    """A bar for each value; the `marked` ones stand out."""
    longest = max(values.values()) or 1
    room = _WIDTH - _LEFT - 90
    parts = []
    for row, (name, value) in enumerate(values.items()):
        y, width = _TOP + row * _ROW, max(1.0, value / longest * room)
        colour = _COLOURS[0] if name in marked else "#8c959f"
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{_LEFT}" y="{y + 2}" width="{width:.1f}" height="16" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y + 14}">{value:,.{digits}f} {escape(unit)}</text>')
    return _page(title, parts, height=_TOP + len(values) * _ROW + 16)


def lines(title: str, series: Mapping[str, Sequence[Point]], *, x: str, y: str) -> str:
    """A line for each series, from zero; `x` and `y` name the axes."""
    bottom, right = 286, _WIDTH - 24
    height = bottom + 60 + (len(series) - 1) // _NAMES_IN_A_ROW * 20
    points = [point for one in series.values() for point in one]
    widest, highest = max(at for at, _ in points) or 1, max(value for _, value in points) or 1

    def place(point: Point) -> str:
        return f"{64 + point[0] / widest * (right - 64):.1f},{bottom - point[1] / highest * (bottom - _TOP - 12):.1f}"

    parts = []
    for part in range(5):
        at = bottom - part / 4 * (bottom - _TOP - 12)
        parts.append(f'<line x1="64" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="{_GRID}" stroke-opacity="0.6"/>')
        parts.append(f'<text x="58" y="{at + 4:.1f}" text-anchor="end">{highest * part / 4:,.4g}</text>')
        parts.append(
            f'<text x="{64 + part / 4 * (right - 64):.1f}" y="{bottom + 18}" text-anchor="middle">{widest * part / 4:,.4g}</text>'
        )
    for number, (name, one) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        drawn = " ".join(map(place, one))
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        row, column = divmod(number, _NAMES_IN_A_ROW)
        left, line = 72 + column * 300, bottom + 50 + row * 20
        parts.append(f'<text x="{left}" y="{line}" fill="{colour}">— {escape(name)}</text>')
    parts.append(f'<text x="{right}" y="{bottom + 34}" text-anchor="end">{escape(x)}</text>')
    parts.append(f'<text x="8" y="{_TOP - 4}">{escape(y)}</text>')
    return _page(title, parts, height=height)


def _page(title: str, parts: Sequence[str], *, height: int) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" {_STYLE}>'
    named = f'<title>{escape(title)}</title><text x="8" y="22" font-size="15" font-weight="600">{escape(title)}</text>'
    return "\n".join([head, named, *parts, "</svg>"]) + "\n"
