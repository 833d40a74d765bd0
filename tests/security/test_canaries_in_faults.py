"""Errors at every boundary, foreseen or not, whose texts quote every secret: none of it reaches a log or leaves a handler."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest

from darkroom import ports
from darkroom.errors import StorageUnavailable
from darkroom.wiring import Services
from tests.security.canaries import BODY, ECHO, Watched, a_picture, whole_life
from tests.security.stack import Stack
from tests.support.boundaries import operations
from tests.support.sampling import sample

# -- our own services -----------------------------------------------------------------------------------


def protocols() -> dict[str, type]:
    """The ports of the services that have a Protocol, by name: a new one is found here by itself."""
    named = [name for name, what in vars(Services).items() if isinstance(what, cached_property)]
    kinds = {name: getattr(ports, name.title().replace("_", ""), None) for name in named}
    return {name: kind for name, kind in kinds.items() if kind is not None}


BOUNDARIES = [
    f"{name}.{operation}{side}" for name, kind in protocols().items() for operation in operations(kind) for side in ("", ":done")
]


def listen_at(stack: Stack, on_call: Callable[[str], None]) -> None:
    for name in protocols():
        if hasattr(port := getattr(stack, name), "on_call"):
            port.on_call = on_call


def test_a_whole_life_touches_every_port(watched: Watched) -> None:
    seen: list[str] = []
    listen_at(watched.stack, seen.append)

    whole_life(watched)

    assert {"tasks", "claims", "bucket", "queue", "downloads"} <= {name.partition(".")[0] for name in seen}
    assert len({*seen} & {*BOUNDARIES}) >= 30


KINDS = (StorageUnavailable, RuntimeError, IndexError, UnicodeDecodeError)
# Each boundary with one kind of fault; `make chaos` raises every kind at each.
FAULTS = sample([(boundary, fault) for boundary in BOUNDARIES for fault in KINDS], one_in=len(KINDS), salt="canaries")


@pytest.mark.parametrize(("boundary", "fault"), FAULTS)
def test_a_fault_at_any_boundary(watched: Watched, boundary: str, fault: type[Exception]) -> None:
    met: list[str] = []

    def fail(called: str) -> None:
        if called != boundary:
            return
        met.append(called)
        if fault is StorageUnavailable:
            raise StorageUnavailable(f"{boundary}: scripted")
        raise fault("utf-8", ECHO.encode(), 0, 1, ECHO) if fault is UnicodeDecodeError else fault(ECHO)

    listen_at(watched.stack, fail)

    whole_life(watched)

    said = watched.listener.log + "".join(watched.listener.errors)
    assert not met or fault.__name__ in said or fault is StorageUnavailable


@pytest.mark.parametrize("name", ["find", "get"])
def test_a_fault_of_keys_or_secrets(watched: Watched, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError(ECHO)

    a_picture(watched)
    monkeypatch.setattr(type(watched.stack.api_keys if name == "find" else watched.stack.secrets), name, fail)

    a_picture(watched)
    watched.live_on()


def test_an_unforeseen_error_is_told_by_kind_and_way(watched: Watched) -> None:
    def fail(_: str) -> None:
        raise RuntimeError(ECHO) from KeyError(ECHO)

    watched.stack.tasks.on_call = fail

    answer = watched.ask("POST", "/v1/tasks", body=BODY)
    watched.call(watched.stack.tick)

    told = [line["exception"] for line in watched.listener.lines if "exception" in line]
    assert answer["statusCode"] == 500
    assert len(told) == 2
    assert all("KeyError\n" in one and "RuntimeError\n" in one and "create_task.py:" in told[0] for one in told)
    assert ["Unforeseen: RuntimeError" in one for one in watched.listener.errors] == [True]
