"""What has changed between a model's schema in the catalogue and the live one: fields, their values, and the rules between them.

A limit that only the catalogue has is a ceiling of our own and no drift, and so are that the catalogue takes no unknown field and
a rule whose `$comment` says that it is our own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_ENVELOPE = "model"
_LIMITS = ("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum")


def drift(ours: Schema, live: Schema) -> list[str]:
    """Each difference in a line; empty where there is none."""
    mine, theirs = ours.get("properties", {}), _without_envelope(live.get("properties", {}))
    return [
        *(f"+ {name}: {_summary(theirs[name])}" for name in theirs if name not in mine),
        *(f"- {name}" for name in mine if name not in theirs),
        *(line for name in mine if name in theirs for line in _field(name, mine[name], theirs[name])),
        *_required(set(ours.get("required", ())), set(live.get("required", ())) - {_ENVELOPE}),
        *_rules(ours, live),
    ]


def _without_envelope(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The live schema describes the whole request, so it lists the model too (HiAPI's skills, schema fixtures)."""
    return {name: one for name, one in properties.items() if name != _ENVELOPE}


def _field(name: str, ours: Schema, live: Schema) -> Iterator[str]:
    if ours.get("type") != live.get("type"):
        yield f"{name}: type {ours.get('type')} became {live.get('type')}"
    yield from _values(name, ours.get("enum"), live.get("enum"))
    for word in ("default", *_LIMITS):
        if word in live and ours.get(word) != live[word]:
            yield f"{name}: {word} {ours.get(word, 'none')} became {live[word]}"
        elif word == "default" and word in ours and word not in live:
            yield f"{name}: default {ours[word]} is gone"
    if "pattern" in live and _plain(live["pattern"]) != _plain(ours.get("pattern", "")):
        yield f"{name}: pattern {ours.get('pattern', 'none')} became {live['pattern']}"


def _values(name: str, ours: Any, live: Any) -> Iterator[str]:
    if ours is None and live is None:
        return
    if ours is None or live is None:
        yield f"{name}: {'is free no more: one of ' + _list(live) if ours is None else 'takes more than its list of values'}"
        return
    added, removed = [one for one in live if one not in ours], [one for one in ours if one not in live]
    if added or removed:
        told = [f"+ {_list(added)}" if added else "", f"- {_list(removed)}" if removed else ""]
        yield f"{name}: {'; '.join(filter(None, told))}"


def _required(ours: set[str], live: set[str]) -> Iterator[str]:
    if live - ours:
        yield f"required now: {_list(sorted(live - ours))}"
    if ours - live:
        yield f"required no more: {_list(sorted(ours - live))}"


def _rules(ours: Schema, live: Schema) -> Iterator[str]:
    mine, theirs = ([_bare(rule) for rule in one.get("allOf", ())] for one in (ours, live))
    published = [_bare(rule) for rule in ours.get("allOf", ()) if "$comment" not in rule]
    if any(rule not in mine for rule in theirs):
        yield "a rule between fields is new or has changed"
    elif any(rule not in theirs for rule in published):
        yield "a rule between fields is gone"


def _bare(rule: Schema) -> Schema:
    return {word: one for word, one in rule.items() if word not in ("description", "$comment")}


def _plain(pattern: str) -> str:
    """Our patterns name the digits and bar a line break at the end; to the gateway that is the same."""
    return pattern.replace(r"\d", "[0-9]").replace(r"(?!\n)", "")


def _summary(described: Schema) -> str:
    values = f", one of {_list(described['enum'])}" if "enum" in described else ""
    return f"{described.get('type', 'anything')}{values}"


def _list(values: Any) -> str:
    return ", ".join(map(str, values))
