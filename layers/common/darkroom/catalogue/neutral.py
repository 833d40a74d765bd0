"""From the neutral fields to a model's own: renamed, looked up and counted as the catalogue says; nothing is dropped."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from darkroom.catalogue.faults import Fault, pointer
from darkroom.catalogue.limits import most_entries
from darkroom.catalogue.offers import SIZED, Json, References, Route, Sizes
from darkroom.domain.addresses import is_public_host, split_address
from darkroom.domain.uploads import is_stand_in, is_upload_id, stand_in, upload_named

LONGEST_ADDRESS = 8192
_KINDS = {"url": "an https address of a public host, without credentials", "data": "a data: URI"}


@dataclass(slots=True)
class Translated:
    """An input in the model's own fields. `said` has, for each of them, what the caller called it.

    `failed` are own fields that the caller meant and that could not be made: why, `faults` say. `uploads` are those that `own`
    has stand-ins for, each by its place in the caller's input.
    """

    own: dict[str, Any] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One own field, and what the caller called it; or why there is none."""

    field: str
    name: str
    value: Any = None
    faults: tuple[Fault, ...] = ()
    uploads: tuple[tuple[str, str], ...] = ()


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
            done.uploads.update(part.uploads)
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
        elif route.references and name == route.references.field:
            yield _own_images(route.references, value, most=most_entries(route.schema["properties"][name]))
        elif name not in sized:
            yield _respelled(route, name, value)


def _respelled(route: Route, name: str, value: Any) -> _Part:
    if any(map(is_stand_in, _texts(value))):
        fault = Fault(pointer("input", name), "cannot be a text that stands for an upload; reference images go into images")
        return _Part(field=name, name=name, faults=(fault,))
    spelling = route.spellings.get(name)
    if spelling is None:
        return _Part(field=name, name=name, value=value)
    known = isinstance(value, str)
    return _Part(field=spelling.field, name=name, value=spelling.values.get(value, value) if known else value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _texts(one)


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
    part = _placed(references, "images", [_address(entry) for entry in value])
    return replace(part, value=part.value[0]) if references.alone else part


def _own_images(references: References, value: Any, *, most: int) -> _Part:
    """References in the model's own field are addresses too; of whatever else is there, the model's schema judges."""
    name = references.field
    if isinstance(value, list) and len(value) > most:
        return _Part(field=name, name=name, value=value)
    entries = value if isinstance(value, list) else [value]
    faults = tuple(
        Fault(pointer("input", name, *([index] if isinstance(value, list) else [])), _wanted(references))
        for index, entry in enumerate(entries)
        if isinstance(entry, str) and not _is_taken(references, entry)
    )
    if faults:
        return _Part(field=name, name=name, faults=faults)
    part = _placed(references, name, entries)
    return part if isinstance(value, list) else replace(part, value=part.value[0])


def _placed(references: References, name: str, entries: list[Any]) -> _Part:
    """The entries as they are sent, with stand-ins for uploads."""
    found = {index: upload for index, entry in enumerate(entries) if isinstance(entry, str) and (upload := upload_named(entry))}
    as_data = references.uploads_as_data
    values = [stand_in(found[at], as_data=as_data) if at in found else entry for at, entry in enumerate(entries)]
    uploads = tuple((pointer("input", name, index), upload) for index, upload in found.items())
    return _Part(field=references.field, name=name, value=values, uploads=uploads)


def _image_faults(references: References, value: Any) -> Iterator[Fault]:
    where = ("input", "images")
    if not isinstance(value, list):
        yield Fault(pointer(*where), 'must be a list of {"url": …} or {"upload": …}')
    elif len(value) > references.most:
        yield Fault(pointer(*where), f"must have at most {references.most} entries; it has {len(value)}")
    elif not value and references.alone:
        yield Fault(pointer(*where), "must have at least 1 entries; it has 0")
    else:
        for index, entry in enumerate(value):
            if not isinstance(address := _address(entry), str):
                yield Fault(pointer(*where, index), 'must be {"url": …}, {"upload": …}, or the address or id alone')
            elif isinstance(entry, dict) and "upload" in entry and not is_upload_id(address):
                yield Fault(pointer(*where, index, "upload"), "must be the id of an upload")
            elif not _is_taken(references, address):
                yield Fault(pointer(*where, index, *(["url"] if isinstance(entry, dict) else [])), _wanted(references))


def _address(entry: Any) -> Any:
    return next(iter(entry.values())) if isinstance(entry, dict) and set(entry) in ({"url"}, {"upload"}) else entry


def _is_taken(references: References, address: str) -> bool:
    return upload_named(address) is not None or any(_is(kind, address) for kind in references.takes)


def _wanted(references: References) -> str:
    return f"must be {' or '.join(_KINDS[kind] for kind in references.takes)}, or the id of an upload"


def _is(kind: str, address: str) -> bool:
    if kind == "data":
        return address[:11].lower() == "data:image/" and ";base64," in address[:200].lower()
    if len(address) > LONGEST_ADDRESS or any(one.isspace() or not one.isprintable() for one in address):
        return False
    try:
        parts = split_address(address)
        return parts.scheme.lower() == "https" and "@" not in parts.netloc and is_public_host(parts.hostname or "")
    except ValueError:
        return False
