"""The catalogue is loaded as a whole or not at all, and the refusal names the entry."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from darkroom.catalogue.load import HERE, build, load_catalogue, shipped
from darkroom.errors import ConfigurationError

Json = dict[str, Any]
Change = Callable[[Json], Any]

GPT = "gpt-image-2/text-to-image"
EDIT = "gpt-image-2/image-to-image"
QWEN = "qwen-image-2.0"
PIXAPI = "pixapi/gpt-image-2"


def model(content: Json, name: str = GPT) -> Json:
    return content["models"][name]


def route(content: Json, name: str = GPT) -> Json:
    return model(content, name)["routes"]["default"]


def schema(content: Json) -> Json:
    return route(content)["schema"]


def preset(content: Json) -> Json:
    return content["presets"]["poster@1"]


def refused(change: Change) -> str:
    content = copy.deepcopy(shipped())
    change(content)
    with pytest.raises(ConfigurationError) as caught:
        build(content)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: model(c).pop("status"), f"model {GPT}: status must be of type str"),
        (lambda c: model(c).update(status="old"), "must be one of current, legacy, retired"),
        (lambda c: model(c).update(statsu="current"), "unknown field statsu"),
        (lambda c: model(c).update(upstream=7), "upstream must be of type str"),
        (lambda c: model(c).update(confidence="sure"), "must be one of high, medium, low"),
        (lambda c: model(c).update(routes=[]), "routes must be of type dict"),
        (lambda c: model(c)["routes"].pop("default"), "no route default"),
        (lambda c: model(c)["routes"].update(x=1), "route x: it must be an object"),
        (lambda c: model(c)["routes"]["ext"].update(wire_route=7), "route ext: wire_route must be"),
        (lambda c: model(c)["routes"]["ext"].pop("schema"), "route ext: schema must be"),
        (lambda c: model(c).update(aliases={"gpt": "pro"}), "an alias leads to a route"),
        (lambda c: model(c).update(aliases={"Nano-Banana": ""}), "the name Nano-Banana is taken"),
        (lambda c: schema(c).pop("properties"), "properties must be"),
        (lambda c: schema(c)["properties"].update(seed=1), "each of its schema's properties"),
        (lambda c: schema(c)["required"].append("size"), "requires a field that it does not have"),
        (lambda c: schema(c).pop("additionalProperties"), "must refuse unknown fields"),
        (lambda c: schema(c)["allOf"][0].pop("description"), "needs description, if and then"),
        (lambda c: schema(c)["allOf"][0]["then"]["properties"].update(prompt={"not": {}}), "a rule narrows prompt"),
        (lambda c: model(c, "gpt-image-2-pro")["replaced_by"].update(model="x"), "gpt-image-2-pro: its replacement is not"),
        (lambda c: model(c, "gpt-image-2-pro")["replaced_by"].update(route="x"), "gpt-image-2-pro: its replacement has no"),
        (lambda c: model(c, "gpt-image-1.5")["replaced_by"].update(model="x"), "gpt-image-1.5: its replacement is not"),
        (lambda c: model(c).update(aliases={"gpt-image-2-pro": ""}), "gpt-image-2-pro: it is retired and another model's alias"),
        (lambda c: route(c, EDIT)["images"].update(field="urls"), "images: its schema has no field urls"),
        (lambda c: route(c, EDIT)["images"].update(most=17), "images: most does not fit its field"),
        (lambda c: route(c, EDIT)["images"].update(most=True), "images: most must be of type int"),
        (lambda c: route(c, PIXAPI)["size"]["bounds"].update(multiple=0), "size, bounds: each must be above 0"),
        (lambda c: route(c, PIXAPI)["size"]["bounds"].pop("ratio"), "size, bounds: ratio must be of type int"),
        (lambda c: route(c, PIXAPI)["size"]["bounds"].update(side=1), "size, bounds: unknown field side"),
        (lambda c: route(c, PIXAPI)["size"]["bounds"].update(most=9999), "size: table has a value outside its bounds"),
        (lambda c: route(c, EDIT)["images"].update(largest_pixels=0), "images: largest_pixels must be above 0"),
        (lambda c: route(c, EDIT)["images"].update(takes=["file"]), "images: takes must be some of url, data"),
        (lambda c: route(c, EDIT)["images"].update(max=5), "images: unknown field max"),
        (lambda c: route(c, QWEN)["size"].update(usual="2:1"), "size: usual must be a row"),
        (lambda c: route(c, QWEN)["size"].update(table={"1:1": {}}), "size: table needs rows"),
        (lambda c: route(c, QWEN)["size"]["table"].update({"2:1": {"2K": "2048*1024"}}), "a value that size does not allow"),
        (lambda c: route(c, "Nano-Banana")["neutral"].update(style={}), "neutral style: there are prompt"),
        (lambda c: route(c, "Nano-Banana")["neutral"].update(seed={}), "neutral seed: its schema has no such field"),
        (lambda c: route(c, "Nano-Banana")["neutral"]["output_format"].update(values={"png": "jpeg"}), "values must lead from"),
        (lambda c: c.update(models=[]), "models must be of type dict"),
        (lambda c: c.update(model={}), "unknown field model"),
    ],
)
def test_a_wrong_model_is_refused_by_name(change: Change, says: str) -> None:
    assert says in refused(change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["presets"].update(poster=preset(c)), "preset poster: it must be called NAME@VERSION"),
        (lambda c: c["presets"].update({"poster@0": preset(c)}), "preset poster@0: it must be called"),
        (lambda c: c["presets"].update({"Poster@2": preset(c)}), "preset Poster@2: it must be called"),
        (lambda c: preset(c).update(model="gpt-image-2-pro"), "poster@1: there is no model gpt-image-2-pro"),
        (lambda c: preset(c).update(route="pro"), "has no route pro"),
        (lambda c: preset(c)["defaults"].update(size="1x1"), "takes no size"),
        (lambda c: preset(c)["overrides"].append("seed"), "takes no seed"),
        (lambda c: preset(c)["overrides"].remove("prompt"), "poster@1: a caller must be able to set the prompt"),
        (lambda c: preset(c)["overrides"].append(7), "overrides must be a list of texts"),
        (lambda c: preset(c).update(timeout_s=59), "timeout_s must be from 60 to 86400"),
        (lambda c: preset(c).update(timeout_s="60"), "timeout_s must be of type int"),
        (lambda c: preset(c).update(fallback=[]), "unknown field fallback"),
        (lambda c: preset(c)["fallbacks"].append(7), "fallbacks: it must be an object"),
        (lambda c: preset(c)["fallbacks"].append({"model": GPT, "route": "default"}), "repeats what was tried before"),
        (lambda c: preset(c)["fallbacks"].append({"model": "x", "route": "default"}), "fallbacks: there is no model x"),
        (lambda c: preset(c)["fallbacks"][0]["defaults"].update(seed=1), "fallbacks: Nano-Banana-Pro takes no seed"),
    ],
)
def test_a_wrong_preset_is_refused_by_name(change: Change, says: str) -> None:
    assert says in refused(change)


def test_the_newest_version_has_the_bare_name_and_older_ones_are_kept() -> None:
    content = copy.deepcopy(shipped())
    content["presets"] |= {f"poster@{number}": preset(content) | {"summary": str(number)} for number in (10, 9)}

    catalogue = build(content)

    assert catalogue.presets["poster"].version == 10
    assert {"poster@1", "poster@9", "poster@10"} <= set(catalogue.versions)


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    shutil.copy(HERE / "models.json", tmp_path)
    if text is not None:
        (tmp_path / "presets.json").write_text(text)

    with pytest.raises(ConfigurationError, match=r"presets\.json cannot be read"):
        load_catalogue(tmp_path)


def test_a_schema_that_is_no_json_schema_is_named_when_it_is_first_used() -> None:
    content = copy.deepcopy(shipped())
    schema(content)["properties"]["prompt"].update(maxLength="many")
    broken = build(content).models[GPT].routes["default"]

    with pytest.raises(ConfigurationError, match=f"{GPT}, route default: the schema is wrong"):
        assert broken.validator
