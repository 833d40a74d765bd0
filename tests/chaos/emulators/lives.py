"""Ways in which a task can live, each step of which talks to something."""

from collections.abc import Callable
from dataclasses import dataclass

from darkroom.domain.task import Phase
from tests.chaos.emulators.deployment import Deployment
from tests.chaos.emulators.outside import Outside, Wish
from tests.chaos.emulators.promises import Found, check
from tests.chaos.emulators.wire import Exchange, Script

SUCCEEDED = frozenset({Phase.SUCCEEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """`steps` is what happens, `markers` how the upstream behaves, `ends` what may become of the task."""

    name: str
    steps: Callable[[Outside, Wish], None]
    markers: str = ""
    length: int = 0
    silent: bool = False
    ends: frozenset[Phase] = SUCCEEDED


@dataclass(frozen=True, slots=True)
class Lived:
    """One life: what came of it, and what it said to whom before the world had to help."""

    found: Found
    exchanges: list[Exchange]


def live(deployment: Deployment, life: Life, script: Script | None = None) -> Lived:
    """Live it under `script`, then let the world go on without; raises Broken when a promise is."""
    outside = Outside(deployment, silent=life.silent)
    wish = outside.wish(markers=life.markers, length=life.length)
    deployment.wire.script = script or Script()
    try:
        life.steps(outside, wish)
        exchanges = deployment.wire.since(outside.began)
        deployment.wire.script = Script()
        outside.go_on()
        found = check(outside)
    except Exception as error:
        error.add_note(f"the life was {life.name!r}, and what was done to it was {script}")
        raise
    finally:
        deployment.wire.script = Script()
    ends = {task.phase for task in found.tasks.values()}
    assert ends <= life.ends, f"{life.name} ended {ends}"
    return Lived(found, exchanges)


def _called_back(outside: Outside, wish: Wish) -> None:
    outside.ask(wish)
    outside.finish()
    outside.deliver_all()


def _handed_over(outside: Outside, wish: Wish) -> None:
    _called_back(outside, wish)
    outside.pump()


def _polled(outside: Outside, wish: Wish) -> None:
    outside.ask(wish)
    outside.finish()
    outside.tick()
    outside.pump()


def _sent_again(outside: Outside, wish: Wish) -> None:
    outside.ask(wish)
    outside.tick()
    outside.finish()
    outside.deliver_all()


def _canceled(outside: Outside, wish: Wish) -> None:
    outside.ask(wish)
    outside.cancel(wish)
    outside.finish()
    outside.deliver_all()


LIVES = (
    Life(name="called back", steps=_called_back),
    Life(name="called back with three pictures", steps=_called_back, markers="[sim:output-several n=3]"),
    Life(name="a prompt that needs a row of its own", steps=_called_back, length=4000),
    Life(name="handed over to the worker", steps=_handed_over, markers="[sim:download-500 times=2]"),
    Life(name="handed over with a dead address", steps=_handed_over, markers="[sim:download-expired]"),
    Life(name="found by the reconciler", steps=_polled, silent=True),
    Life(name="refused for now, sent again", steps=_sent_again, markers="[sim:create-503]"),
    Life(name="accepted, the answer lost", steps=_sent_again, markers="[sim:create-dropped-accepted]"),
    Life(name="a failure is called back", steps=_called_back, markers="[sim:fail]", ends=frozenset({Phase.FAILED})),
    Life(name="canceled while it runs", steps=_canceled, ends=frozenset({Phase.CANCELED, Phase.SUCCEEDED})),
)
