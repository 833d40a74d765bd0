"""What starts a process: each trigger's event, and the task as it must be before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from darkroom.domain.task import Phase
from tests.chaos.emulators.lives import SUCCEEDED
from tests.chaos.emulators.outside import Outside, Wish
from tests.chaos.emulators.processes import Axe, Processes
from tests.chaos.emulators.promises import check
from tests.chaos.emulators.wire import Script

# So long that every lease of a dead process is over.
_LATER_S = 200.0

Step = Callable[[Outside, Wish], None]


def _nothing(outside: Outside, wish: Wish) -> None:
    """Before the first request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """`prepare` happens undisturbed, `pull` starts the process that will be killed."""

    name: str
    pull: Step
    prepare: Step = _nothing
    markers: str = ""
    length: int = 0
    silent: bool = False
    ends: frozenset[Phase] = SUCCEEDED


def pulled_under(processes: Processes, trigger: Trigger, axes: Sequence[Axe]) -> None:
    """Pull the trigger under each axe in turn, then let the world go on; raises Broken when a promise is."""
    deployment = processes.deployment
    outside = Outside(deployment, silent=trigger.silent)
    wish = outside.wish(markers=trigger.markers, length=trigger.length)
    try:
        trigger.prepare(outside, wish)
        outside.invoke = processes.invoke
        for again, axe in enumerate(axes):
            deployment.ahead += _LATER_S if again else 0
            axe.kill, deployment.wire.script = processes.kill, axe
            trigger.pull(outside, wish)
        outside.invoke, deployment.wire.script = None, Script()
        outside.go_on()
        ends = {task.phase for task in check(outside).tasks.values()}
    except Exception as error:
        error.add_note(f"{trigger.name}: {'; '.join(map(str, axes))}")
        raise
    finally:
        deployment.wire.script = Script()
    assert ends <= trigger.ends, ends


def _ask(outside: Outside, wish: Wish) -> None:
    outside.ask(wish)


def _cancel(outside: Outside, wish: Wish) -> None:
    outside.cancel(wish)


def _deliver(outside: Outside, _wish: Wish) -> None:
    for one in outside.generations():
        outside.deliver(one)


def _work(outside: Outside, _wish: Wish) -> None:
    outside.work(outside.receive())


def _tick(outside: Outside, _wish: Wish) -> None:
    outside.tick(after=0)


def _finished(outside: Outside, wish: Wish) -> None:
    outside.ask(wish)
    outside.finish()


def _due(outside: Outside, wish: Wish) -> None:
    _finished(outside, wish)
    outside.deployment.ahead += 70


def _queued(outside: Outside, wish: Wish) -> None:
    _due(outside, wish)
    outside.tick(after=0)


_CANCELED_OR_KEPT = frozenset({Phase.CANCELED, Phase.SUCCEEDED})

TRIGGERS = (
    Trigger(name="create", pull=_ask),
    Trigger(name="create with a long prompt", pull=_ask, length=4000),
    Trigger(name="create, and the answer is lost too", pull=_ask, markers="[sim:create-dropped-accepted]"),
    Trigger(name="cancel", prepare=_ask, pull=_cancel, ends=_CANCELED_OR_KEPT),
    Trigger(name="callback", prepare=_finished, pull=_deliver),
    Trigger(name="callback with two pictures", prepare=_finished, pull=_deliver, markers="[sim:output-several n=2]"),
    Trigger(name="worker", prepare=_queued, pull=_work, silent=True),
    Trigger(name="worker with a dead address", prepare=_queued, pull=_work, silent=True, markers="[sim:download-expired]"),
    Trigger(name="reconciler that finds the end", prepare=_due, pull=_tick, silent=True),
    Trigger(name="reconciler that sends again", prepare=_due, pull=_tick, markers="[sim:create-dropped-accepted]"),
    Trigger(name="reconciler that sends what had to wait", prepare=_due, pull=_tick, markers="[sim:create-503]"),
)
