"""Pictures side by side on one sheet, each with a few lines about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_SIDE = 360
_GAP = 28
_LINE = 26
_PAPER, _INK, _FAINT = (250, 249, 246), (28, 28, 32), (110, 110, 118)


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """A picture's file (None: there is none) and the lines below it, the first of which is its title."""

    file: Path | None
    lines: Sequence[str]


def write_sheet(target: Path, title: str, prints: Sequence[Print]) -> Path:
    """The sheet as a PNG at `target`; raises OSError for a file that is no picture."""
    lines = max(len(one.lines) for one in prints)
    width = _GAP + len(prints) * (_SIDE + _GAP)
    height = 4 * _GAP + _SIDE + (lines + 1) * _LINE
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, _GAP), title, fill=_INK, font=ImageFont.load_default(26))
    for number, one in enumerate(prints):
        _place(sheet, pen, one, (_GAP + number * (_SIDE + _GAP), 2 * _GAP + _LINE))
    sheet.save(target)
    return target


def _place(sheet: Image.Image, pen: ImageDraw.ImageDraw, one: Print, at: tuple[int, int]) -> None:
    left, top = at
    if one.file is None:
        pen.rectangle((left, top, left + _SIDE, top + _SIDE), outline=_FAINT)
    else:
        with Image.open(one.file) as picture:
            small = picture.convert("RGB")
        small.thumbnail((_SIDE, _SIDE))
        sheet.paste(small, (left + (_SIDE - small.width) // 2, top + (_SIDE - small.height) // 2))
    for number, line in enumerate(one.lines):
        below = (left, top + _SIDE + _GAP // 2 + number * _LINE)
        pen.text(below, line, fill=_FAINT if number else _INK, font=ImageFont.load_default(16 if number else 19))
