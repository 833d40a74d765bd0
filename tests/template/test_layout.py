"""Names that must agree with each other: functions, folders, events, environment."""

import re

import pytest

from tests.support.template import resources, source
from tests.support.tools import ROOT

FUNCTIONS = resources(source(), "AWS::Serverless::Function")
VARIABLES = source()["Globals"]["Function"]["Environment"]["Variables"]


def folder_of(function: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", function.removesuffix("Function")).lower()


def test_functions_folders_and_events_carry_the_same_names() -> None:
    expected = {folder_of(name) for name in FUNCTIONS}

    assert {one["Properties"]["CodeUri"] for one in FUNCTIONS.values()} == {f"functions/{name}" for name in expected}
    assert {one.name for one in (ROOT / "functions").iterdir() if one.is_dir() and one.name != "__pycache__"} == expected
    assert {one.name for one in (ROOT / "events").iterdir() if one.is_dir()} == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_folder_holds_one_file_of_at_most_fifty_lines(name: str) -> None:
    files = [one for one in (ROOT / "functions" / folder_of(name)).iterdir() if one.name != "__pycache__"]

    assert [one.name for one in files] == ["app.py"]
    assert len(files[0].read_text().splitlines()) <= 50


def test_the_package_is_not_below_a_python_folder() -> None:
    # With a build method it would arrive as python/python/darkroom, which works everywhere except in Lambda.
    assert (ROOT / "layers" / "common" / "darkroom" / "__init__.py").exists()
    assert not (ROOT / "layers" / "common" / "python").exists()


@pytest.mark.parametrize("variable", sorted(name for name in VARIABLES if not name.startswith("POWERTOOLS_")))
def test_every_variable_of_the_template_is_read_by_the_settings(variable: str) -> None:
    assert f'"{variable}"' in (ROOT / "layers" / "common" / "darkroom" / "settings.py").read_text()


def test_every_setting_is_set_by_the_template() -> None:
    settings = (ROOT / "layers" / "common" / "darkroom" / "settings.py").read_text()

    assert set(re.findall(r'"((?:DARKROOM|HIAPI)_[A-Z_]+)"', settings)) <= set(VARIABLES)


def test_variables_are_set_once_for_all_functions() -> None:
    assert not any("Environment" in one["Properties"] for one in FUNCTIONS.values())
