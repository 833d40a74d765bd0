"""The handlers in this process, for counts that need no process of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

from darkroom.observe import logger
from tests.budgets.driven import Driven, driven


@contextmanager
def pipeline() -> Iterator[Driven]:
    """Warm, and alone in its table; what it logs and counts goes nowhere, or it would stand between the tables."""
    with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open("w") as nowhere:
        patch.setattr(logger.registered_handler, "stream", nowhere)
        with driven(patch.setattr, patch.setenv) as darkroom, redirect_stdout(nowhere):
            darkroom.warm_up()
            yield darkroom
