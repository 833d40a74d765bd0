"""Finds the images in a chat model's words: Markdown with a `data:` URI or an https URL in it, or an address alone."""

from collections.abc import Iterator
from itertools import islice

from darkroom.adapters.upstreams.images import MOST_IMAGES, image_at
from darkroom.domain.task import Output

_LONGEST_NAME = 2000  # characters of an image's alternative text


def images_in_words(words: str) -> tuple[Output, ...]:
    """The images of `![name](address)`; without any, `words` itself where it is nothing but an address.

    The words may be tens of megabytes: they are gone through once, and only what is found is copied.
    """
    found = tuple(islice(filter(None, map(image_at, _targets(words))), MOST_IMAGES))
    alone = None if found else image_at(words.strip())
    return (alone,) if alone else found


def _targets(words: str) -> Iterator[str]:
    at, since = words.find("]("), 0
    while at >= 0:
        end = words.find(")", at)
        if end < 0:
            return
        if words.rfind("![", max(since, at - _LONGEST_NAME), at) >= 0:
            yield _address(words[at + 2 : end])
        at, since = words.find("](", end), end


def _address(target: str) -> str:
    """The address without the angle brackets and the title that Markdown allows."""
    address = target.strip().removeprefix("<")
    if address[:5].lower() != "data:":
        address = next(iter(address.split(maxsplit=1)), "")
    return address.partition('"')[0].rstrip().removesuffix(">")
