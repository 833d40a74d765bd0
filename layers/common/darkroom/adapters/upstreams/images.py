"""Finds the images in an answer, wherever a gateway puts them: as URLs, as base64, or as `data:` URIs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from darkroom.adapters.upstreams.reading import is_web_address, text, unix_seconds
from darkroom.domain.task import Output

MOST_IMAGES = 32
"""More of them nobody can have asked for (OpenAI's Images API stops at ten)."""

_PLACES = ("data", "result", "results", "output", "outputs", "images", "image", "urls")
_ADDRESSES = ("url", "image_url")
_FILES = ("b64_json",)
_IMAGE_TYPES = ("image", "output_image", "url", "b64_json")
_EXPIRIES = ("expires_at", "expireAt", "expiresAt")
_DEPTH = 6
_MEDIA_TYPE_AT = 200  # a data URI says its type within so many characters
_UNKNOWN_TYPE = "data:application/octet-stream;base64,"  # what is stored is judged by its bytes, not by this


def has_results(doc: Mapping[str, Any]) -> bool:
    """Whether `doc` has a place for images at all, empty or not: an answer without one is no answer to our request."""
    return any(name in doc for name in (*_PLACES, *_ADDRESSES, *_FILES))


def find_images(value: Any) -> tuple[Output, ...]:
    """The images of `value`, in order. The first place that holds any is taken, so that a copy elsewhere does not count twice.

    An image that is there as a URL and as a file counts as the URL: that can be fetched again after a crash.
    """
    return tuple(islice(_images(value, _DEPTH), MOST_IMAGES))


def image_at(address: str) -> Output | None:
    """The image that a URL or a base64 `data:` URI leads to; None for anything else."""
    if address[:5].lower() == "data:":
        return Output(url=_without_spaces(address)) if ";base64," in address[:_MEDIA_TYPE_AT].lower() else None
    address = address.strip() if len(address) < _MEDIA_TYPE_AT * 50 else address
    return Output(url=address) if is_web_address(address) else None


def _images(value: Any, depth: int) -> Iterator[Output]:
    if isinstance(value, str):
        return iter(filter(None, [image_at(value)]))
    if isinstance(value, list) and depth:
        return (image for entry in value if _may_be_image(entry) for image in _images(entry, depth - 1))
    if isinstance(value, dict) and depth:
        return _first_that_holds_any(_in_object(value, depth - 1))
    return iter(())


def _in_object(entry: Mapping[str, Any], depth: int) -> Iterator[Iterator[Output]]:
    for name in (*_PLACES, *_ADDRESSES):
        yield (_expiring(image, entry) for image in _images(entry.get(name), depth))
    for name in _FILES:
        yield iter(filter(None, [_file(entry.get(name))]))


def _first_that_holds_any(places: Iterable[Iterator[Output]]) -> Iterator[Output]:
    for place in places:
        if (first := next(place, None)) is not None:
            yield first
            yield from place
            return


def _may_be_image(entry: Any) -> bool:
    """Thumbnails, frames, other media and texts in a list say what they are; images often do not."""
    kind = text(entry.get("type")) if isinstance(entry, dict) else None
    return kind is None or kind.lower().startswith(_IMAGE_TYPES)


def _file(found: Any) -> Output | None:
    if not isinstance(found, str) or not found:
        return None
    return image_at(found) if found[:5].lower() == "data:" else Output(url=_UNKNOWN_TYPE + _without_spaces(found))


def _expiring(image: Output, entry: Mapping[str, Any]) -> Output:
    said = next((entry[name] for name in _EXPIRIES if entry.get(name) is not None), None)
    return image if image.expires_at or said is None else replace(image, expires_at=unix_seconds(said))


def _without_spaces(file: str) -> str:
    """Base64 as some write it, in lines; usually there are none, and then nothing is copied."""
    return "".join(file.split()) if any(space in file for space in " \n\r\t") else file
