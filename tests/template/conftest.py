"""The built artefacts, for both processors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.built import build, shared_base


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`built("arm64")` is the folder that `sam build` made for that processor."""
    return lambda architecture: build(architecture, shared_base(tmp_path_factory))
