"""From the neutral fields to a model's own: renamed, looked up and counted as the catalogue says; nothing is dropped."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from darkroom.catalogue.faults import Fault, pointer
from darkroom.catalogue.offers import SIZED, Json, References, Route, Sizes

LONGEST_ADDRESS = 8192
_KINDS = {"url": "an http(s) address without credentials", "data": "a data: URI"}


@dataclass(slots=True)
class Translated:
    """An input in the model's own fields. `said` has, for each of them, what the caller called it.

    `failed` are own fields that the caller meant and that could not be made: why, `faults` say.
    """

    own: dict[str, Any] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One own field, and what the caller called it; or why there is none."""

    field: str
    name: str
    value: Any = None
    faults: tuple[Fault, ...] = ()


def translate(route: Route, given: Json) -> Translated:
    """`given`, whose names are all of `route.takes`, in the model's own fields."""
    done = Translated()
    for part in _parts(route, given):
        if part.faults:
            done.faults += part.faults
            done.failed.add(part.field)
        elif part.field in done.own:
            done.faults.append(_twice(done.said[part.field], part))
        else:
            done.own[part.field], done.said[part.field] = part.value, part.name
    return done


def _twice(earlier: str, part: _Part) -> Fault:
    own, other = (part.name, earlier) if part.name == part.field else (earlier, part.name)
    return Fault(pointer("input", own), f"says the same as {other}: give only one of them")


def _parts(route: Route, given: Json) -> Iterator[_Part]:
    sized = {name: given[name] for name in SIZED if name in given} if route.sizes else {}
    if route.sizes and sized:
        yield _size(route.sizes, sized)
    for name, value in given.items():
        if name == "images" and route.references:
            yield _images(route.references, value)
        elif name not in sized:
            yield _respelled(route, name, value)


def _respelled(route: Route, name: str, value: Any) -> _Part:
    spelling = route.spellings.get(name)
    if spelling is None:
        return _Part(field=name, name=name, value=value)
    known = isinstance(value, str)
    return _Part(field=spelling.field, name=name, value=spelling.values.get(value, value) if known else value)


# -- size -------------------------------------------------------------------------------------------


def _size(sizes: Sizes, sized: Mapping[str, Any]) -> _Part:
    name = next(iter(sized))
    if "resolution" not in sized and sizes.field == "aspect_ratio":
        return _Part(field=sizes.field, name=name, value=sized[name])
    ratio = sized.get("aspect_ratio", sizes.usual)
    row = sizes.table.get(ratio) if isinstance(ratio, str) else None
    if row is None:
        return _Part(field=sizes.field, name=name, faults=(_one_of("aspect_ratio", sizes.table),))
    resolution = sized.get("resolution", next(iter(row)))
    value = row.get(resolution) if isinstance(resolution, str) else None
    if value is None:
        beside = "" if _in_every_row(sizes, row) else f"; that is what there is in {ratio}"
        return _Part(field=sizes.field, name=name, faults=(_one_of("resolution", row, beside),))
    return _Part(field=sizes.field, name=name, value=value)


def _in_every_row(sizes: Sizes, row: Mapping[str, str]) -> bool:
    return all(set(other) == set(row) for other in sizes.table.values())


def _one_of(name: str, offered: Mapping[str, Any], beside: str = "") -> Fault:
    return Fault(pointer("input", name), f"must be one of {', '.join(offered)}{beside}")


# -- reference images -------------------------------------------------------------------------------


def _images(references: References, value: Any) -> _Part:
    faults = tuple(_image_faults(references, value))
    if faults:
        return _Part(field=references.field, name="images", faults=faults)
    addresses = [_address(entry) for entry in value]
    return _Part(field=references.field, name="images", value=addresses[0] if references.alone else addresses)


def _image_faults(references: References, value: Any) -> Iterator[Fault]:
    where = ("input", "images")
    if not isinstance(value, list):
        yield Fault(pointer(*where), 'must be a list of {"url": …}')
    elif len(value) > references.most:
        yield Fault(pointer(*where), f"must have at most {references.most} entries; it has {len(value)}")
    elif not value and references.alone:
        yield Fault(pointer(*where), "must have at least 1 entries; it has 0")
    else:
        for index, entry in enumerate(value):
            if not isinstance(address := _address(entry), str):
                yield Fault(pointer(*where, index), 'must be {"url": …}, or the address alone')
            elif not any(_is(kind, address) for kind in references.takes):
                at = ("url",) if isinstance(entry, dict) else ()
                yield Fault(pointer(*where, index, *at), f"must be {' or '.join(_KINDS[kind] for kind in references.takes)}")


def _address(entry: Any) -> Any:
    return entry["url"] if isinstance(entry, dict) and set(entry) == {"url"} else entry


def _is(kind: str, address: str) -> bool:
    if kind == "data":
        return address[:11].lower() == "data:image/" and ";base64," in address[:200].lower()
    if len(address) > LONGEST_ADDRESS or any(one.isspace() or not one.isprintable() for one in address):
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False
