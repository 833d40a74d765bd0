"""The tools that live in environments of their own, and what a test does when one is missing."""

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]


def missing(what: str) -> NoReturn:
    """Skip the test with a reason; where nothing may be skipped (`.ci/run` sets DARKROOM_NO_SKIPS) fail instead."""
    if os.environ.get("DARKROOM_NO_SKIPS"):
        pytest.fail(f"{what}; DARKROOM_NO_SKIPS is set, so this is a failure")
    pytest.skip(what)


def tool(path: str) -> Path:
    """The program or file at `path` (relative to the project), made by `make install-tools`."""
    if not (ROOT / path).exists():
        missing(f"{path} is not there: run `make install-tools`")
    return ROOT / path


def python313() -> Path:
    """A real Python 3.13, as Lambda has it."""
    found = subprocess.run([ROOT / "tools" / "find-python313"], capture_output=True, text=True, check=False)
    if found.returncode:
        missing(found.stderr.strip())
    return Path(found.stdout.strip())


def lambda_python() -> Path:
    """Python 3.13 with AWS's runtime client in it, and nothing of ours."""
    python313()
    return tool(".venv-lambda/bin/python")


def run(*command: str | Path, timeout_s: float = 120, env: dict[str, str] | None = None, stdin: str = "") -> str:
    """Run a program in the project's folder and give its output; a failure shows all that it said."""
    done = subprocess.run(command, cwd=ROOT, env=env, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))} gave {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
