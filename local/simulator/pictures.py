"""Pictures of the asked size and format, drawn from the prompt: always the same landscape for the same words."""

import hashlib
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from random import Random

from local.simulator.landscape import Scene, draw
from local.simulator.messages import Json

LONG_SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}
MIN_SIDE, MAX_SIDE = 16, 4096
FORMATS = {"png": "png", "jpeg": "jpg", "jpg": "jpg", "webp": "webp", "avif": "avif", "gif": "gif"}
CONTENT_TYPES = {ext: f"image/{'jpeg' if ext == 'jpg' else ext}" for ext in FORMATS.values()}
ENCODING: Mapping[str, dict[str, int]] = {"png": {"compress_level": 1}, "avif": {"speed": 10}}
SIZE = re.compile(r"^(\d{1,5})[x*](\d{1,5})$")
RATIO = re.compile(r"^(\d{1,3}):(\d{1,3})$")


@dataclass(frozen=True)
class PictureSpec:
    """Everything that decides a picture's bytes."""

    caption: str
    model: str
    ratio: str
    width: int
    height: int
    extension: str = "png"
    transparent: bool = False
    index: int = 0

    @property
    def content_type(self) -> str:
        """The media type of its bytes."""
        return CONTENT_TYPES[self.extension]


def picture_spec(*, caption: str, model: str, inputs: Mapping[str, Json], index: int = 0) -> PictureSpec:
    """The picture that these inputs (defaults filled in) ask for."""
    width, height = picture_size(inputs)
    return PictureSpec(
        caption=caption,
        model=model,
        ratio=str(inputs.get("aspect_ratio") or inputs.get("size") or "1:1"),
        width=width,
        height=height,
        extension=FORMATS.get(str(inputs.get("output_format")), "png"),
        transparent=inputs.get("background") == "transparent",
        index=index,
    )


def picture_size(inputs: Mapping[str, Json]) -> tuple[int, int]:
    """Width and height: from `size`, from `width` and `height`, or from ratio and resolution; else 1024 square."""
    ratio = str(inputs.get("aspect_ratio", ""))
    exact = SIZE.match(str(inputs.get("size", ""))) or SIZE.match(ratio)
    if exact:
        return _bounded(int(exact[1]), int(exact[2]))
    if ratio == "custom":
        return _bounded(int(inputs["width"]), int(inputs["height"]))
    long_side = LONG_SIDES.get(str(inputs.get("resolution", "1K")), LONG_SIDES["1K"])
    sides = RATIO.match(ratio)
    across, down = (int(sides[1]) or 1, int(sides[2]) or 1) if sides else (1, 1)
    return _bounded(long_side * across / max(across, down), long_side * down / max(across, down))


# Drawn once, fetched often: by retries, duplicates and everyone who runs the demo twice.
@lru_cache(maxsize=48)
def picture_bytes(spec: PictureSpec) -> bytes:
    """The picture in its format."""
    seed = hashlib.sha256(f"{spec.caption}|{spec.model}|{spec.index}".encode()).digest()
    footer = f"{spec.model}  ·  {spec.ratio}  ·  {spec.width} x {spec.height}"
    image = draw(Scene(spec.caption, footer, spec.width, spec.height), Random(seed))
    if spec.transparent and spec.extension in ("png", "webp"):
        image = image.convert("RGBA")
        image.putalpha(224)
    target = BytesIO()
    name = "jpeg" if spec.extension == "jpg" else spec.extension
    image.save(target, name, **ENCODING.get(spec.extension, {}))
    return target.getvalue()


@lru_cache(maxsize=2)
def padded_bytes(spec: PictureSpec, size: int) -> bytes:
    """The picture, still valid, at exactly `size` bytes (or as it is, if that is more).

    A PNG gets an ancillary chunk before its end; other formats get noise behind theirs.
    """
    picture = picture_bytes(spec)
    room = size - len(picture)
    if spec.extension != "png":
        return picture + Random(size).randbytes(max(room, 0))
    if room < 12:
        return picture
    body = b"paDd" + Random(size).randbytes(room - 12)
    chunk = struct.pack(">I", room - 12) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:-12] + chunk + picture[-12:]


def _bounded(width: float, height: float) -> tuple[int, int]:
    shrink = min(1.0, MAX_SIDE / max(width, height, 1))
    return max(MIN_SIDE, round(width * shrink)), max(MIN_SIDE, round(height * shrink))
