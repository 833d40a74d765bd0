"""What the code does to the outside is what the files in recorded/ say: a change of it shows in their diff."""

from dataclasses import fields

import pytest

from darkroom.domain.admission import Account
from darkroom.domain.attempts import Attempt
from darkroom.domain.task import Image, Output, Task, TaskError
from darkroom.ports import ApiKey, Evidence
from tests.net.facts import FACTS
from tests.net.lives import seen
from tests.net.recording import COMMAND, FOLDER, difference


@pytest.mark.parametrize("name", FACTS)
def test_what_the_code_does_is_what_is_recorded(name: str) -> None:
    changed = difference(name, FACTS[name]())

    if changed:
        pytest.fail(f"{changed}\n\nIf this is meant, write it down anew: {COMMAND}. The commit then shows it.", pytrace=False)


def test_no_file_is_recorded_that_nothing_is_compared_with() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.json" for name in FACTS}


@pytest.mark.parametrize("kind", [Account, ApiKey, Attempt, Evidence, Image, Output, Task, TaskError])
def test_each_field_that_is_stored_is_set_in_some_life(kind: type) -> None:
    stored = {f"{kind.__name__}.{field.name}" for field in fields(kind)}

    assert stored - seen().fields == set(), "its attribute is in no recorded row: let a life in tests/net/lives.py set it"
