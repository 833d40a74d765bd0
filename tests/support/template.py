"""The template as data: as written, and as the SAM transform expands it."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.template import read_template
from tests.support.tools import ROOT

Resource = dict[str, Any]


@cache
def source() -> dict[str, Any]:
    """template.yaml as it stands; short-form functions appear in their long form."""
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return parsed


@cache
def expanded(architecture: str = "arm64") -> dict[str, Any]:
    """What CloudFormation is given, with the parameters' defaults."""
    transformed = read_template(parameters={"Architecture": architecture})
    kept = {name: part for name, part in source().items() if name not in ("Transform", "Globals")}
    return kept | {"Conditions": dict(transformed.conditions), "Resources": dict(transformed.resources)}


def resources(template: Mapping[str, Any], kind: str) -> dict[str, Resource]:
    """All resources of one type, by logical id."""
    return {name: one for name, one in template["Resources"].items() if one["Type"] == kind}


def walk(value: Any, wanted: Callable[[Any], bool]) -> Iterator[Any]:
    """Every value inside `value`, at any depth, that is `wanted`."""
    if wanted(value):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from walk(one, wanted)


def references(value: Any) -> set[str]:
    """Logical ids and parameters that `value` refers to, by Ref, GetAtt or Sub."""
    found: set[str] = set()
    for one in walk(value, lambda v: isinstance(v, dict)):
        found |= {one["Ref"]} if "Ref" in one else set()
        if "Fn::GetAtt" in one:
            found.add(one["Fn::GetAtt"][0] if isinstance(one["Fn::GetAtt"], list) else one["Fn::GetAtt"].split(".")[0])
        if "Fn::Sub" in one:
            text = one["Fn::Sub"] if isinstance(one["Fn::Sub"], str) else one["Fn::Sub"][0]
            found |= {part.split("}")[0].split(".")[0] for part in text.split("${")[1:]}
    return found
