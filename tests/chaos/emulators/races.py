"""Encounters: who meets whom over one task, each with a door of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from darkroom.domain.task import Phase
from tests.chaos.emulators.deployment import Deployment
from tests.chaos.emulators.lives import SUCCEEDED
from tests.chaos.emulators.outside import Outside, Wish
from tests.chaos.emulators.promises import Found, check
from tests.chaos.emulators.scripts import Turns
from tests.chaos.emulators.wire import Script

Action = Callable[[], object]
Actions = Mapping[str, Action]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """`meet` prepares the task and says who then acts on it at once; the first letter of a name stands for it in an order.

    `after` keeps an actor back until an exchange was answered. `downloads` is how often the picture may be fetched when no
    answer of ours is lost.
    """

    name: str
    meet: Callable[[Outside, Wish], Actions]
    markers: str = ""
    after: Mapping[str, str] = field(default_factory=dict)
    ends: frozenset[Phase] = SUCCEEDED
    downloads: int = 1


def encounter(deployment: Deployment, one: Encounter, seed: int, *, lossy: float = 0.0) -> tuple[str, Found]:
    """Let them meet in the order that `seed` gives; that order, and what came of it once the world went on."""
    outside = Outside(deployment)
    turns = Turns(seed, lossy=lossy, after=one.after)
    try:
        actions = one.meet(outside, outside.wish(markers=one.markers))
        deployment.wire.script = turns
        order = turns.run(actions)
        deployment.wire.script = Script()
        outside.go_on()
        found = check(outside)
    except Exception as error:
        error.add_note(f"{one.name}, seed {seed}, lossy {lossy}: {' '.join(turns.order)}")
        raise
    finally:
        deployment.wire.script = Script()
    ends = {task.phase for task in found.tasks.values()}
    assert ends <= one.ends, f"{one.name}, seed {seed}: ended {ends}"
    return order, found


def _deliver(outside: Outside, door: str) -> Action:
    def act() -> None:
        for one in outside.generations():
            outside.deliver(one, door=door)

    return act


def _finish_and_deliver(outside: Outside, door: str) -> Action:
    def act() -> None:
        outside.finish()
        _deliver(outside, door)()

    return act


def _tick(outside: Outside, door: str) -> Action:
    return lambda: outside.tick(after=0, door=door)


def _running(outside: Outside, wish: Wish) -> None:
    """Accepted, finished upstream, and due to be looked at."""
    outside.ask(wish)
    outside.finish()
    outside.deployment.ahead += 70


def _storing(outside: Outside, wish: Wish) -> None:
    """The news is written down; whoever stored has died, and its lease is over."""
    outside.silent = True
    _running(outside, wish)
    outside.tick(after=0)
    outside.deployment.ahead += 200


def _two_callbacks(outside: Outside, wish: Wish) -> Actions:
    _running(outside, wish)
    return {name: _deliver(outside, name) for name in ("callback", "repeat")}


def _callback_and_sweep(outside: Outside, wish: Wish) -> Actions:
    _running(outside, wish)
    return {"callback": _deliver(outside, "callback"), "sweep": _tick(outside, "sweep")}


def _two_sweeps(outside: Outside, wish: Wish) -> Actions:
    _running(outside, wish)
    return {"sweep": _tick(outside, "sweep"), "other": _tick(outside, "other")}


def _crowd(outside: Outside, wish: Wish) -> Actions:
    return {**_callback_and_sweep(outside, wish), "repeat": _deliver(outside, "repeat"), "other": _tick(outside, "other")}


def _cancel_and_callback(outside: Outside, wish: Wish) -> Actions:
    _running(outside, wish)
    return {"application": lambda: outside.cancel(wish, door="application"), "callback": _deliver(outside, "callback")}


def _cancel_and_sweep(outside: Outside, wish: Wish) -> Actions:
    _running(outside, wish)
    outside.silent = True
    return {"application": lambda: outside.cancel(wish, door="application"), "sweep": _tick(outside, "sweep")}


def _two_creates(outside: Outside, wish: Wish) -> Actions:
    return {name: (lambda door=name: outside.ask(wish, door=door)) for name in ("create", "double")}  # type: ignore[misc]


def _create_and_callback(outside: Outside, wish: Wish) -> Actions:
    return {"create": lambda: outside.ask(wish, door="create"), "callback": _finish_and_deliver(outside, "callback")}


def _resend_and_callback(outside: Outside, wish: Wish) -> Actions:
    """The answer to the create was lost; the sweep sends it again while the callback comes."""
    outside.ask(wish)
    outside.finish()
    outside.deployment.ahead += 70
    return {"sweep": _tick(outside, "sweep"), "callback": _deliver(outside, "callback")}


def _two_deliveries_of_a_job(outside: Outside, wish: Wish) -> Actions:
    _storing(outside, wish)
    records = outside.receive()
    return {name: (lambda door=name: outside.work(records, door=door)) for name in ("worker", "other")}  # type: ignore[misc]


def _worker_and_callback(outside: Outside, wish: Wish) -> Actions:
    _storing(outside, wish)
    records = outside.receive()
    return {"worker": lambda: outside.work(records, door="worker"), "callback": _deliver(outside, "callback")}


def _worker_and_sweep(outside: Outside, wish: Wish) -> Actions:
    _storing(outside, wish)
    records = outside.receive()
    return {"worker": lambda: outside.work(records, door="worker"), "sweep": _tick(outside, "sweep")}


_CANCELED_OR_KEPT = frozenset({Phase.CANCELED, Phase.SUCCEEDED})

ENCOUNTERS = (
    Encounter(name="a callback and its repeat", meet=_two_callbacks),
    Encounter(name="a callback and the reconciler", meet=_callback_and_sweep),
    Encounter(name="two reconcilers", meet=_two_sweeps),
    Encounter(name="two callbacks and two reconcilers", meet=_crowd),
    Encounter(name="cancel and a callback", meet=_cancel_and_callback, ends=_CANCELED_OR_KEPT),
    Encounter(name="cancel and the reconciler", meet=_cancel_and_sweep, ends=_CANCELED_OR_KEPT),
    Encounter(name="two creates with one key", meet=_two_creates),
    Encounter(name="a create and its callback", meet=_create_and_callback, after={"callback": "upstream create"}),
    Encounter(name="a callback and a create sent again", meet=_resend_and_callback, markers="[sim:create-dropped-accepted]"),
    Encounter(name="two deliveries of a message", meet=_two_deliveries_of_a_job),
    Encounter(name="a worker and a callback", meet=_worker_and_callback),
    Encounter(name="a worker and the reconciler", meet=_worker_and_sweep),
)
