"""Finds the pictures in an answer, wherever a gateway puts them and however it spells them: for every adapter the same.

Known are the forms of Images, Chat and task APIs, of Gemini, and what has been seen between them. Pure, and linear in the answer.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from darkroom.adapters.upstreams.markdown import addresses_named, pictures_shown
from darkroom.adapters.upstreams.reading import first_text, unix_seconds
from darkroom.adapters.upstreams.spelling import address_of, picture_of
from darkroom.domain.task import Output

MOST_IMAGES = 32
"""More of them nobody can have asked for (OpenAI's Images API stops at ten)."""

EVENTS = "events"
"""Where `tolerant.joined` puts the events of a stream."""

# Names are compared without case, underscores and hyphens. Results come before what may be an echo of the request.
_PLACES = (
    *(EVENTS, "data", "result", "results", "resultjson", "output", "outputs", "generatedimages", "images", "image", "urls"),
    *("resulturls", "imageurls", "predictions", "choices", "candidates", "message", "delta", "parts", "artifacts", "attachments"),
    *("multimodcontent", "files", "file", "inlinedata", "filedata", "source", "media", "items", "item", "response"),
)
_ADDRESSES = ("url", "imageurl", "uri", "fileuri", "fileurl", "downloadurl", "signedurl", "href", "src", "link")
_FILES = ("b64json", "b64", "base64", "imagebase64", "base64image", "imageb64", "bytesbase64encoded", "imagebytes", "imagedata")
_WORDS = ("content", "text", "outputtext")
_NO_WORDS = ("message", "delta")  # as texts, they are an envelope's
_TYPED = ("mimetype", "mediatype", "contenttype")
_EXPIRIES = ("expiresat", "expireat", "expires")
_ORDER = {name: number for number, name in enumerate((*_PLACES, *_ADDRESSES, *_FILES, *_WORDS))}
_KNOWN = frozenset((*_ORDER, *_TYPED, *_EXPIRIES, "type", "thought"))

# What a list says of its entries: those are pictures, those hold them, and those are something else for good.
_IMAGE_TYPES = ("image", "output_image", "url", "b64_json", "base64", "png", "jpeg", "jpg", "webp", "gif", "avif")
_HOLDERS = ("message", "tool_result", "file", "attachment", "media", "output_text", "text")
_OTHER_TYPES = ("video", "audio", "thumbnail", "first_frame", "last_frame", "preview", "reasoning", "thinking")
_OTHER_MEDIA = ("text/", "video/", "audio/")
# Entries of these say something else as a rule, so one without a picture is not missed.
_TALK = frozenset({EVENTS, "content", "parts", "choices", "candidates", "attachments", "multimodcontent", "items"})
_TALKING = frozenset({"choices", "candidates", "message", "delta", "parts", "content"})

_DEPTH = 12
_NOTHING = "no address and no picture in it"


@dataclass(frozen=True, slots=True)
class Found:
    """The pictures of an answer in order, and why others of it could not be read.

    `named_only`: these are addresses in a model's words, which may lead to anything.
    """

    outputs: tuple[Output, ...] = ()
    missing: tuple[str, ...] = ()
    named_only: bool = False


def has_results(doc: Mapping[str, Any]) -> bool:
    """Whether `doc` has a place for pictures at all, empty or not: an answer without one is no answer to our request."""
    return any(_normal(name) in _RESULTS for name in doc)


_RESULTS = frozenset(
    ("data", "result", "results", "output", "outputs", "images", "image", "urls", "url", "imageurl", "imageurls", *_FILES)
)


def find_images(value: Any) -> Found:
    """Return the pictures of `value`, at most `MOST_IMAGES`.

    The first place that holds any is taken, so that a copy elsewhere does not count twice. A picture that is there as an address
    and as a file counts as the address: that can be fetched again after a crash. One that cannot be read loses only itself.
    """
    found = _look(value, _Place(), _DEPTH)
    if len(found.outputs) <= MOST_IMAGES:
        return found
    return replace(found, outputs=found.outputs[:MOST_IMAGES], missing=(*found.missing, _TOO_MANY))


_TOO_MANY = f"there are more than the {MOST_IMAGES} outputs that are taken"


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of a value by where it stands."""

    name: str = ""
    declared: bool = False
    """The field is for base64."""
    talk: bool = False
    """A model is speaking: its words may hold pictures."""


def _look(value: Any, place: _Place, depth: int) -> Found:
    if isinstance(value, str):
        return _in_text(value, place, depth)
    if isinstance(value, list) and depth:
        return _in_list(value, place, depth - 1)
    if isinstance(value, dict) and depth:
        return _in_object(value, place, depth - 1)
    return Found()


# -- objects ------------------------------------------------------------------------------------------


def _in_object(entry: Mapping[str, Any], place: _Place, depth: int) -> Found:
    fields = {short: value for name, value in entry.items() if (short := _normal(name)) in _KNOWN}
    kind = first_text(*(fields.get(name) for name in _TYPED))
    if fields.get("thought") is True or (kind and kind.lower().startswith(_OTHER_MEDIA)):
        return Found()
    return _expiring(_best(_in_places(fields, place, kind is not None, depth)), fields)


def _in_places(fields: Mapping[str, Any], place: _Place, typed: bool, depth: int) -> Iterator[Found]:
    for name in sorted(_ORDER.keys() & fields.keys(), key=_ORDER.__getitem__):
        value = fields[name]
        declared = name in _FILES or (typed and name == "data")
        talk = place.talk or name in _TALKING
        if isinstance(value, str) and (name in _NO_WORDS or (name == "text" and not talk)):
            continue
        yield _look(value, _Place(name, declared, talk), depth)


def _best(places: Iterable[Found]) -> Found:
    """The first that holds any, and rather a picture than an address in words; otherwise the first that says what is wrong."""
    second = Found()
    for found in places:
        if found.outputs and not found.named_only:
            return found
        if (found.outputs and not second.outputs) or (found.missing and not (second.outputs or second.missing)):
            second = found
    return second


def _expiring(found: Found, fields: Mapping[str, Any]) -> Found:
    said = next((fields[name] for name in _EXPIRIES if fields.get(name) is not None), None)
    if said is None or not found.outputs:
        return found
    until = unix_seconds(said)
    return replace(found, outputs=tuple(one if one.expires_at else replace(one, expires_at=until) for one in found.outputs))


# -- lists --------------------------------------------------------------------------------------------


def _in_list(entries: list[Any], place: _Place, depth: int) -> Found:
    """Pictures often do not say that they are; what says that it is something unknown is looked at when nothing else is there."""
    sorted_in = {True: list[tuple[int, Any]](), False: list[tuple[int, Any]]()}
    for number, entry in enumerate(entries, 1):
        if (likely := _may_hold(entry)) is not None:
            sorted_in[likely].append((number, entry))
    found = _together(sorted_in[True], place, depth)
    if found.outputs:
        return found
    # Of those that may be anything, none is missed.
    elsewhere = place if place.name == EVENTS else replace(place, name="items")
    return _best((_together(sorted_in[False], elsewhere, depth), found))


def _may_hold(entry: Any) -> bool | None:
    """Whether an entry is or holds a picture, by what it says of itself: yes, perhaps (False), or never (None)."""
    said = entry.get("type") if isinstance(entry, dict) else None
    if said is None or said == "":
        return True
    kind = said.strip().lower() if isinstance(said, str) else "unknown"
    if kind.startswith(_OTHER_TYPES) or "partial" in kind:
        return None
    return kind.startswith((*_IMAGE_TYPES, *_HOLDERS))


def _together(entries: list[tuple[int, Any]], place: _Place, depth: int) -> Found:
    outputs: list[Output] = []
    missing: list[str] = []
    named: list[Output] = []
    seen = set[str]()
    for number, entry in entries:
        found = _look(entry, place, depth)
        if place.name == EVENTS:
            # A stream tells its end twice: as an event of its own, and in the whole.
            found = replace(found, outputs=tuple(one for one in found.outputs if one.url not in seen))
            seen.update(one.url for one in found.outputs)
        (named if found.named_only else outputs).extend(found.outputs)
        if len(missing) > MOST_IMAGES:
            continue
        if found.missing:
            missing += [reason if reason.startswith("output ") else f"output {number}: {reason}" for reason in found.missing]
        elif not found.outputs and place.name not in _TALK:
            missing.append(f"output {number}: {_NOTHING}")
        if len(outputs) > MOST_IMAGES:
            break
    if named and not outputs:
        return Found(tuple(named), (), named_only=True)
    return Found(tuple(outputs), tuple(missing))


# -- texts --------------------------------------------------------------------------------------------


def _in_text(value: str, place: _Place, depth: int) -> Found:
    if not value or value.isspace():
        return Found()
    picture = picture_of(value, declared=place.declared)
    if isinstance(picture, Output):
        return Found((picture,))
    if (inner := _json_in(value)) is not None and depth:
        return _look(inner, replace(place, declared=False), depth - 1)
    if place.talk or place.name in ("output", "result", "outputtext"):
        return _in_words(value, place)
    claims = place.declared or place.name in _ADDRESSES or place.name in _CLAIMS
    return Found(missing=(picture,)) if claims else Found()


_CLAIMS = frozenset({"data", "images", "image", "urls", "imageurls", "resulturls", "outputs", "results"})


def _in_words(words: str, place: _Place) -> Found:
    shown = [picture_of(url) for url in pictures_shown(words)]
    if outputs := tuple(one for one in shown if isinstance(one, Output)):
        return Found(outputs, tuple(f"output {n}: {why}" for n, why in enumerate(shown, 1) if isinstance(why, str)))
    named = (address_of(url) for url in addresses_named(words)) if place.talk else ()
    if outputs := tuple(Output(url=url) for url in dict.fromkeys(named) if url is not None):
        return Found(outputs, named_only=True)
    return Found(missing=tuple(f"output {n}: {why}" for n, why in enumerate(shown, 1) if isinstance(why, str)))


def _json_in(value: str) -> Any:
    """The object or list that a text holds as JSON once more; None when it holds none."""
    if value.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(value, strict=False)
    except (ValueError, RecursionError):
        return None


def _normal(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
