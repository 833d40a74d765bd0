"""Draws a small landscape with the prompt as its caption: a sky, a sun, and hills that lose themselves in haze."""

import colorsys
import math
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# The scene is drawn at this long side and scaled: smooth edges at 1K, and a 4K picture costs little more.
SKETCH_SIDE = 1536
HILLS = 4
MAX_LINES = 4


@dataclass(frozen=True)
class Scene:
    """What to show, and how large."""

    caption: str
    footer: str
    width: int
    height: int


def draw(scene: Scene, random: Random) -> Image.Image:
    """The finished picture; the same scene and randomness give the same pixels."""
    scale = SKETCH_SIDE / max(scene.width, scene.height)
    sketch = _landscape(max(1, round(scene.width * scale)), max(1, round(scene.height * scale)), random)
    image = sketch.resize((scene.width, scene.height), Image.Resampling.BICUBIC)
    _write(image, scene)
    return image


def _landscape(width: int, height: int, random: Random) -> Image.Image:
    hue = random.random()
    image = _sky(width, height, hue)
    _sun(image, random)
    for layer in range(HILLS):
        _hill(image, hue, layer, random)
    return image


def _sky(width: int, height: int, hue: float) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((width, height))
    top, middle, bottom = _rgb(hue, 0.75, 0.42), _rgb(hue + 0.08, 0.55, 0.85), _rgb(hue + 0.16, 0.25, 1.0)
    return ImageOps.colorize(ramp, top, bottom, middle)


def _sun(image: Image.Image, random: Random) -> None:
    radius = min(image.size) * 0.11
    x, y = image.width * random.uniform(0.2, 0.8), image.height * random.uniform(0.22, 0.42)
    mask = Image.new("L", image.size)
    pen = ImageDraw.Draw(mask)
    pen.ellipse(_circle(x, y, radius * 1.7), fill=90)
    mask = mask.filter(ImageFilter.BoxBlur(radius * 0.5))
    ImageDraw.Draw(mask).ellipse(_circle(x, y, radius), fill=235)
    image.paste(_rgb(0.13, 0.22, 1.0), (0, 0), mask)


def _hill(image: Image.Image, hue: float, layer: int, random: Random) -> None:
    near = (layer + 1) / HILLS
    base = image.height * (0.48 + 0.11 * layer)
    waves = [(random.uniform(0.6, 2.6) * (octave + 1), random.uniform(0, math.tau)) for octave in range(3)]
    steps = range(0, image.width + 8, 8)
    ridge: list[tuple[float, float]] = [(x, base - image.height * _rise(waves, x / image.width)) for x in steps]
    corners: list[tuple[float, float]] = [(ridge[-1][0], image.height), (0, image.height)]
    colour = _rgb(hue + 0.5 - 0.06 * layer, 0.25 + 0.4 * near, 0.8 - 0.6 * near)
    ImageDraw.Draw(image).polygon(ridge + corners, fill=colour)


def _rise(waves: list[tuple[float, float]], x: float) -> float:
    return sum(0.06 / n * math.sin(x * turns * math.tau + phase) for n, (turns, phase) in enumerate(waves, 1))


def _write(image: Image.Image, scene: Scene) -> None:
    pen = ImageDraw.Draw(image)
    size = max(10, min(image.width // 20, image.height // 12))
    title, small = ImageFont.load_default(size), ImageFont.load_default(max(8, size * 3 // 5))
    margin = size
    lines = _wrapped(scene.caption, pen, title, image.width - 2 * margin)
    text = "\n".join(lines)
    bottom = image.height - margin * 2
    pen.multiline_text((margin, bottom), text, "white", title, anchor="ld", stroke_width=max(1, size // 20), stroke_fill="black")
    pen.text((margin, image.height - margin * 0.7), scene.footer, (240, 240, 240), small, anchor="ld")


def _wrapped(caption: str, pen: ImageDraw.ImageDraw, font: Font, room: int) -> list[str]:
    lines = [""]
    for word in caption.split()[:80]:
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and pen.textlength(longer, font) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], lines[MAX_LINES - 1] + " …"]


def _circle(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
