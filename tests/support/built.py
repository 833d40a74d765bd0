"""What `make build` makes, built once per test run whichever process asks first."""

import fcntl
import os
from functools import cache
from pathlib import Path

import pytest

from tests.support.tools import python313, run, tool


@cache
def build(architecture: str, base: Path) -> Path:
    """The folder with the built functions and layers; `base` is shared by all processes of this test run.

    Nothing is fetched: the wheels were downloaded by `make install-tools`.
    """
    tool(".venv-sam/bin/sam")
    tool(f".cache/wheels/{architecture}/.complete")
    python313()
    folder = base / f"built-{architecture}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            # Under `make test` our variables would otherwise reach the inner make too.
            env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
            run("make", "build", f"ARCH={architecture}", f"BUILD_DIR={folder / 'build'}", env=env, timeout_s=300)
            (folder / "done").touch()
    return folder / "build"


def shared_base(factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that all worker processes of one test run share, and no other run."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
