"""A sweep has to end in its own time: it waits for no answer of its upstream longer than what a look has for that."""

import pytest

from darkroom.domain.task import Phase
from darkroom.edge import sweep
from tests.budgets.driven import Driven
from tests.support.loopback import Reply


@pytest.fixture
def hurry(darkroom: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps wait for a tenth of a second, and every answer takes ten times as long. Orders and workers wait as ever."""
    monkeypatch.setattr(sweep, "_WAIT_S", 0.1)
    darkroom.upstream.latency_s = 1.0


@pytest.fixture
def unknown(darkroom: Driven) -> None:
    """An order that the upstream may have taken, and that it is time to send again."""
    darkroom.upstream.next_replies.append(Reply(status=502, body=b"<html>bad gateway</html>"))
    darkroom.create()
    darkroom.pass_time(200)


@pytest.fixture
def unheard_of(darkroom: Driven) -> None:
    """A task that has failed, and whose upstream did not say so."""
    darkroom.create()
    darkroom.upstream.fail(darkroom.upstream.last)
    darkroom.pass_time(200)


def test_a_look_leaves_time_for_more_than_its_upstream() -> None:
    assert sweep._WAIT_S < sweep.RESERVE_S


@pytest.mark.usefixtures("unknown")
def test_a_sweep_sends_again(darkroom: Driven) -> None:
    darkroom.tick()

    assert darkroom.task().phase is Phase.QUEUED


@pytest.mark.usefixtures("unknown", "hurry")
def test_what_a_sweep_sends_again_is_not_waited_for_longer(darkroom: Driven) -> None:
    darkroom.tick()

    assert darkroom.task().phase is Phase.UNKNOWN


@pytest.mark.usefixtures("unheard_of")
def test_a_sweep_asks(darkroom: Driven) -> None:
    darkroom.tick()

    assert darkroom.status() == "failed"


@pytest.mark.usefixtures("unheard_of", "hurry")
def test_what_a_sweep_asks_is_not_waited_for_longer(darkroom: Driven) -> None:
    darkroom.tick()

    assert darkroom.status() == "running"
