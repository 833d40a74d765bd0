"""The catalogue is loaded as a whole or not at all, and the refusal names the entry."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from darkroom.catalogue.choosing import choose_preset
from darkroom.catalogue.load import HERE, load_catalogue
from darkroom.errors import ConfigurationError

Json = dict[str, Any]
Change = Callable[[Json], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the real catalogue."""
    for name in ("models.json", "presets.json"):
        shutil.copy(HERE / name, tmp_path)
    return tmp_path


def edit(folder: Path, name: str, change: Change) -> None:
    path = folder / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def model(content: Json, index: int = 0) -> Json:
    return content["models"][index]


def schema(content: Json) -> Json:
    return model(content)["routes"]["default"]["schema"]


def preset(content: Json) -> Json:
    return content["presets"][1]


def test_the_committed_catalogue_is_right() -> None:
    catalogue = load_catalogue()

    assert catalogue.names["gpt-image-2"].id == "gpt-image-2/text-to-image"
    assert catalogue.presets["poster"].id == "poster@1"
    for one in catalogue.models.values():
        for route in one.routes.values():
            assert route.validator
            _defaults_are_allowed(route.schema)


def _defaults_are_allowed(whole: Any) -> None:
    for field in whole["properties"].values():
        if "default" in field:
            Draft202012Validator(field).validate(field["default"])


@pytest.mark.parametrize("name", sorted(load_catalogue().presets))
def test_no_single_choice_clashes_with_a_presets_own_defaults(name: str) -> None:
    choice = choose_preset(load_catalogue(), name)
    offered = choice.preset.schema["properties"]

    for field, described in offered.items():
        for value in described.get("enum", ()):
            faults = choice.faults({"prompt": "a kite", field: value})
            # A value may want company (custom wants width and height), but never quarrel with what the preset brings.
            assert all(fault.detail.startswith("is required") for fault in faults), (field, value, faults)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: model(c).pop("id"), "an entry without id"),
        (lambda c: model(c).pop("status"), "gpt-image-2/text-to-image: status must be of type str"),
        (lambda c: model(c).update(status="old"), "must be current or retired"),
        (lambda c: model(c).update(upstream=7), "upstream must be of type str"),
        (lambda c: model(c).update(routes=[]), "routes must be of type dict"),
        (lambda c: model(c)["routes"].pop("default"), "no route default"),
        (lambda c: model(c)["routes"].update(x=1), "route x: it must be an object"),
        (lambda c: model(c)["routes"]["ext"].update(wire_route=7), "route ext: wire_route must be"),
        (lambda c: model(c)["routes"]["ext"].pop("schema"), "route ext: schema must be"),
        (lambda c: model(c).update(aliases={"gpt": "pro"}), "an alias leads to a route"),
        (lambda c: model(c).update(aliases={"gpt": {}}), "an alias leads to a route"),
        (lambda c: model(c).update(aliases={"Nano-Banana": None}), "the name Nano-Banana is taken"),
        (lambda c: c["models"].append(model(c)), "it is there twice"),
        (lambda c: schema(c).pop("properties"), "properties must be"),
        (lambda c: schema(c)["properties"].pop("prompt"), "no prompt"),
        (lambda c: schema(c)["required"].append("size"), "requires a field that it does not have"),
        (lambda c: schema(c).pop("additionalProperties"), "must refuse unknown fields"),
        (lambda c: schema(c)["allOf"][0].pop("description"), "needs description, if and then"),
        (lambda c: schema(c)["allOf"][0]["then"]["properties"].update(prompt={"not": {}}), "a rule narrows prompt"),
        (lambda c: model(c, -1)["replaced_by"].update(model="x"), "gpt-image-1.5: its replacement is not"),
        (lambda c: model(c, -1)["replaced_by"].update(route="x"), "gpt-image-1.5: its replacement is not"),
        (lambda c: model(c, -1).update(id="gpt-image-2"), "gpt-image-2: it is retired and current at once"),
        (lambda c: c.update(models={}), "models must be a list"),
        (lambda c: c.pop("models"), "models.json: cannot be read"),
    ],
)
def test_a_wrong_model_is_refused_by_name(folder: Path, change: Change, says: str) -> None:
    edit(folder, "models.json", change)

    with pytest.raises(ConfigurationError, match=says):
        load_catalogue(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: preset(c).pop("name"), "an entry without name"),
        (lambda c: preset(c).update(model="gpt-image-2-pro"), "poster: its model is not a current one"),
        (lambda c: preset(c).update(route="pro"), "poster: its model has no such route"),
        (lambda c: preset(c)["defaults"].update(size="1x1"), "poster: it names a field"),
        (lambda c: preset(c)["overrides"].append("size"), "poster: it names a field"),
        (lambda c: preset(c)["overrides"].remove("prompt"), "poster: a caller must be able to set the prompt"),
        (lambda c: preset(c).update(version="1"), "poster: version must be of type int"),
        (lambda c: c["presets"].append(preset(c)), "two presets have the same name"),
    ],
)
def test_a_wrong_preset_is_refused_by_name(folder: Path, change: Change, says: str) -> None:
    edit(folder, "presets.json", change)

    with pytest.raises(ConfigurationError, match=says):
        load_catalogue(folder)


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_file_that_cannot_be_read_is_named(folder: Path, text: str | None) -> None:
    path = folder / "presets.json"
    path.unlink() if text is None else path.write_text(text)

    with pytest.raises(ConfigurationError, match=r"presets\.json: cannot be read"):
        load_catalogue(folder)


def test_a_schema_that_is_no_json_schema_is_named_when_it_is_first_used(folder: Path) -> None:
    edit(folder, "models.json", lambda c: schema(c)["properties"]["prompt"].update(maxLength="many"))
    route = load_catalogue(folder).models["gpt-image-2/text-to-image"].routes["default"]

    with pytest.raises(ConfigurationError, match="gpt-image-2/text-to-image, route default: the schema is wrong"):
        assert route.validator
