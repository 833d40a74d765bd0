"""Each built function, started once under AWS's runtime client on Lambda's Python, for the processor of this machine."""

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from local.template import read_template
from tests.lambda_runtime.world import World, world
from tests.support.aws import Aws, moto
from tests.support.built import build, shared_base
from tests.support.tools import lambda_python, missing

__all__ = ["moto"]

Functions = Callable[[str], World]
# What Lambda calls the processors that Linux calls so.
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


@pytest.fixture(scope="module")
def functions(moto: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    """`functions("api")` is that function in its world, warm after the first event."""
    if sys.platform != "linux":
        missing("the built layers hold code for Linux")
    python = lambda_python()
    built = build(_ARCHITECTURES[platform.machine()], shared_base(tmp_path_factory))
    written = {one.folder: one for one in read_template().functions.values()}
    ready: dict[str, World] = {}
    with ExitStack() as stack:

        def start(folder: str) -> World:
            if folder not in ready:
                ready[folder] = stack.enter_context(world(moto))
                ready[folder].start(python, built, written[folder])
            return ready[folder]

        yield start
