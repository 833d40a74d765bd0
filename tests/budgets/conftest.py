"""The real handlers over real adapters, in front of a metered AWS and an upstream that counts."""

from collections.abc import Iterator

import pytest

from tests.budgets.driven import Driven, driven


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driven]:
    """Nothing has been asked yet."""
    with driven(monkeypatch.setattr, monkeypatch.setenv) as pipeline:
        yield pipeline


@pytest.fixture
def darkroom(cold: Driven) -> Driven:
    """Warm: what is made once per environment has been made."""
    cold.warm_up()
    return cold
