"""The admin API under `/_sim`: arm faults, read the ledger, move the clock, change settings."""

from collections.abc import Callable

from local.simulator.catalogue import FAULTS
from local.simulator.faults import MATCHES, BadFault, read_fault
from local.simulator.messages import Answer, Json, Request, json_answer
from local.simulator.settings import BadSettings
from local.simulator.world import World

Steer = Callable[[World, Request], Answer]

ENDPOINTS = {
    "GET /_sim": "this page",
    "GET /_sim/faults": "the faults in force",
    "POST /_sim/faults": '{"fault": NAME, "times": 1 (0 = without end), "match": {…}, …parameters}',
    "DELETE /_sim/faults": "withdraw all faults",
    "GET /_sim/ledger": "counts, in total, by idempotency key and by task",
    "DELETE /_sim/ledger": "forget tasks, keys, counts, faults and changed settings",
    "POST /_sim/clock": '{"jump_s": SECONDS}: move simulated time forward',
    "GET /_sim/settings": "the settings",
    "PATCH /_sim/settings": "change some of them",
}
MARKERS = "[sim:NAME parameter=value …] inside a prompt arms that fault for this request's key (or this request)"


def describe(_world: World, _request: Request) -> Answer:
    """What can be done here, with every fault."""
    faults = {
        kind.name: {"moment": kind.moment, "meaning": kind.meaning, "parameters": dict(kind.params)} for kind in FAULTS.values()
    }
    return json_answer({"endpoints": ENDPOINTS, "markers": MARKERS, "match": list(MATCHES), "faults": faults})


def show_faults(world: World, _request: Request) -> Answer:
    """The faults in force, with how often each has struck."""
    return json_answer({"faults": world.faults.shown()})


def arm_fault(world: World, request: Request) -> Answer:
    """Put a fault in force."""
    try:
        fault = read_fault(request.json())
    except BadFault as exc:
        return _bad(exc)
    world.faults.arm(fault)
    return json_answer(fault.shown(), status=201)


def withdraw_faults(world: World, _request: Request) -> Answer:
    """Withdraw all faults."""
    world.faults.clear()
    return Answer(204)


def show_ledger(world: World, _request: Request) -> Answer:
    """What happened since the start or the last reset."""
    with world.lock:
        return json_answer(world.ledger.shown(list(world.tasks.values()), world.now()))


def reset(world: World, _request: Request) -> Answer:
    """Start again from nothing."""
    world.reset()
    return Answer(204)


def move_clock(world: World, request: Request) -> Answer:
    """Move simulated time forward; what becomes due happens at once."""
    body = request.json()
    seconds = body.get("jump_s") if isinstance(body, dict) else None
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or seconds < 0:
        return _bad(ValueError('send {"jump_s": SECONDS}, 0 or more'))
    world.agenda.jump(seconds)
    return json_answer({"now_s": world.now()})


def show_settings(world: World, _request: Request) -> Answer:
    """The settings in force."""
    return json_answer(world.settings.shown())


def change_settings(world: World, request: Request) -> Answer:
    """Change some settings."""
    try:
        with world.lock:
            world.settings = world.settings.changed(request.json())
    except BadSettings as exc:
        return _bad(exc)
    return show_settings(world, request)


def _bad(exc: ValueError) -> Answer:
    body: dict[str, Json] = {"error": str(exc)}
    return json_answer(body, status=400)


STEERING: dict[tuple[str, str], Steer] = {
    ("GET", "/_sim"): describe,
    ("GET", "/_sim/faults"): show_faults,
    ("POST", "/_sim/faults"): arm_fault,
    ("DELETE", "/_sim/faults"): withdraw_faults,
    ("GET", "/_sim/ledger"): show_ledger,
    ("DELETE", "/_sim/ledger"): reset,
    ("POST", "/_sim/clock"): move_clock,
    ("GET", "/_sim/settings"): show_settings,
    ("PATCH", "/_sim/settings"): change_settings,
}
