"""The small programs that the Makefile begins with: they have to work before anything is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.tools import ROOT

_REFUSES = "#!/bin/sh\necho not installed >&2\nexit 127\n"
"""A shim of pyenv before 2.5.1, where .python-version names something that is missing."""
_ANSWERS = "#!/bin/sh\nexit 0\n"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine without any Python: its folder for PATH has only what every system has."""
    for name in ("tr", "sed", "grep"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    return tmp_path


def found(machine: Path) -> str:
    path = f"{machine / 'shims'}:{machine / 'bin'}"
    return subprocess.run(
        [ROOT / "tools" / "find-python"], env={"PATH": path, "HOME": str(machine)}, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_python3_that_answers_is_taken(machine: Path) -> None:
    program(machine / "bin" / "python3", _ANSWERS)

    assert found(machine) == "python3"


def test_where_python3_is_another_one_a_name_with_a_number_is_taken(machine: Path) -> None:
    program(machine / "bin" / "python3", _REFUSES)
    program(machine / "bin" / "python3.12", _ANSWERS)

    assert found(machine) == "python3.12"


def test_behind_shims_that_refuse_the_python3_of_the_system_is_taken(machine: Path) -> None:
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        program(machine / "shims" / name, _REFUSES)
    system = program(machine / "bin" / "python3", _ANSWERS)

    assert found(machine) == str(system)


def test_behind_shims_that_refuse_one_that_pyenv_has_is_taken(machine: Path) -> None:
    program(machine / "shims" / "python3", _REFUSES)
    ours = program(machine / ".pyenv" / "versions" / "3.11.7" / "bin" / "python3", _ANSWERS)

    assert found(machine) == str(ours)


def test_without_any_it_is_python3_whose_version_the_makefile_then_complains_about(machine: Path) -> None:
    assert found(machine) == "python3"
