"""What counts as drift between a catalogue's schema and the live one, and what does not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from local.drift import drift

Json = dict[str, Any]

OURS: Json = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": 5000},
        "aspect_ratio": {"type": "string", "enum": ["1:1", "16:9"], "default": "1:1"},
        "size": {"type": "string", "pattern": "^[0-9]{3}x[0-9]{3}(?!\\n)$"},
        "seed": {"type": "integer", "minimum": 0},
    },
    "required": ["prompt"],
    "additionalProperties": False,
    "allOf": [
        {"description": "a seed wants a size", "if": {"required": ["seed"]}, "then": {"required": ["size"]}},
        {"$comment": "our own", "description": "no size alone", "if": {"required": ["size"]}, "then": {"required": ["seed"]}},
    ],
}


def live(change: Callable[[Json], Any] = lambda _: None) -> Json:
    """The same as the host publishes it: with the model, without our words, notations and ceilings."""
    schema = copy.deepcopy(OURS)
    schema["properties"] = {"model": {"type": "string"}} | schema["properties"]
    schema["required"] = ["model", *schema["required"]]
    schema["properties"]["prompt"].pop("maxLength")
    schema["properties"]["size"]["pattern"] = r"^\d{3}x\d{3}$"
    schema["allOf"] = [{"if": {"required": ["seed"]}, "then": {"required": ["size"]}}]
    schema["additionalProperties"] = True
    change(schema)
    return schema


def fields(schema: Json) -> Json:
    return schema["properties"]


def test_our_own_words_notations_ceilings_and_rules_are_no_drift() -> None:
    assert drift(OURS, live()) == []


def test_nor_is_a_rule_of_our_own_that_the_gateway_took_over() -> None:
    ours = {"if": {"required": ["size"]}, "then": {"required": ["seed"]}}

    assert drift(OURS, live(lambda s: s["allOf"].append(ours))) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: fields(s).update(quality={"type": "string", "enum": ["low"]}), ["+ quality: string, one of low"]),
        (lambda s: fields(s).update(style={}), ["+ style: anything"]),
        (lambda s: fields(s).pop("seed"), ["- seed"]),
        (lambda s: fields(s)["aspect_ratio"].update(enum=["1:1", "3:2", "4:3"]), ["aspect_ratio: + 3:2, 4:3; - 16:9"]),
        (lambda s: fields(s)["aspect_ratio"].update(enum=["1:1"]), ["aspect_ratio: - 16:9"]),
        (lambda s: fields(s)["aspect_ratio"].pop("enum"), ["aspect_ratio: takes more than its list of values"]),
        (lambda s: fields(s)["seed"].update(enum=[1, 2]), ["seed: is free no more: one of 1, 2"]),
        (lambda s: fields(s)["aspect_ratio"].update(default="16:9"), ["aspect_ratio: default 1:1 became 16:9"]),
        (lambda s: fields(s)["aspect_ratio"].pop("default"), ["aspect_ratio: default 1:1 is gone"]),
        (lambda s: fields(s)["seed"].update(type="number"), ["seed: type integer became number"]),
        (lambda s: fields(s)["prompt"].update(maxLength=800), ["prompt: maxLength 5000 became 800"]),
        (lambda s: fields(s)["seed"].update(maximum=9), ["seed: maximum none became 9"]),
        (lambda s: fields(s)["size"].update(pattern="^a$"), ["size: pattern ^[0-9]{3}x[0-9]{3}(?!\\n)$ became ^a$"]),
        (lambda s: s["required"].append("seed"), ["required now: seed"]),
        (lambda s: s.update(required=["model"]), ["required no more: prompt"]),
        (lambda s: s.pop("allOf"), ["a rule between fields is gone"]),
        (lambda s: s["allOf"].append({"if": {}, "then": {}}), ["a rule between fields is new or has changed"]),
    ],
)
def test_each_change_is_told_in_a_line(change: Callable[[Json], Any], says: list[str]) -> None:
    assert drift(OURS, live(change)) == says
