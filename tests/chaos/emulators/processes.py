"""Handlers as processes under AWS's own runtime client, and the axe that ends them at a chosen exchange."""

import os
import platform
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.emulators.deployment import REMAINING_S, Deployment, template
from tests.chaos.emulators.outside import Died
from tests.chaos.emulators.wire import CUT, DROP, Exchange, Script
from tests.support.runtime_api import Answered, Function, LambdaEnvironment
from tests.support.tools import ROOT, lambda_python, python313, run, tool

VICTIM = "victim"
LATER = Path(__file__).parent / "later"
"""A folder that a Python finds first: there the clock is ahead by DARKROOM_LATER_S."""

ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
"""What Lambda calls the processors that Linux calls so."""


def layers(base: Path) -> tuple[Path, ...]:
    """The moved clock and both layers, made below `base` by their own makefiles: SAM would add nothing but time."""
    architecture = ARCHITECTURES[platform.machine()]
    wheels = tool(f".cache/wheels/{architecture}/.complete").parent
    _make(ROOT / "layers" / "dependencies" / architecture, "../Makefile", "DependenciesLayer", base, DARKROOM_WHEELS=wheels)
    _make(ROOT / "layers" / "common", "Makefile", "CommonLayer", base)
    later = base / "later"
    later.mkdir()
    (later / "python").symlink_to(LATER)
    return later, base / "DependenciesLayer", base / "CommonLayer"


def _make(folder: Path, makefile: str, layer: str, base: Path, **variables: Path) -> None:
    # Under `make test` its variables would otherwise reach this make too.
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    told = {"ARTIFACTS_DIR": base / layer, "PYTHON": python313(), **variables}
    goal = [f"{name}={value}" for name, value in told.items()]
    run("make", "-C", str(folder), "-f", makefile, f"build-{layer}", *goal, env=env, timeout_s=300)


@dataclass(slots=True)
class Axe(Script):
    """Kills the process at its exchange number `at`: before it is passed on, or after its work and before its answer.

    Without `at` it only counts: `reached` are the victim's exchanges.
    """

    at: int | None = None
    after: bool = False
    kill: Callable[[], None] = lambda: None
    reached: list[Exchange] = field(default_factory=list)
    killed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __str__(self) -> str:
        return f"killed {'after' if self.after else 'before'} exchange {self.at}, {self.struck}"

    @property
    def struck(self) -> str:
        """The exchange at which the process died."""
        return self.reached[self.at].name if self.at is not None and self.at < len(self.reached) else "nothing"

    def arrived(self, exchange: Exchange) -> str | None:
        if exchange.door != VICTIM:
            return None
        with self._lock:
            self.reached.append(exchange)
            struck = len(self.reached) - 1 == self.at and not self.after
        return self._strike(CUT) if struck or self.killed else None

    def answered(self, exchange: Exchange) -> str | None:
        struck = self.after and self.at is not None and self.at < len(self.reached) and exchange is self.reached[self.at]
        return self._strike(DROP) if struck else None

    def _strike(self, fault: str) -> str:
        if not self.killed:
            self.kill()
        self.killed = True
        return fault


class Process(LambdaEnvironment):
    """One function's process, which can be killed from outside while it works."""

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        # The environment keeps its process to itself, and offers no other way to hurt it.
        return self._sandbox._process.pid if self._sandbox else None

    def kill(self) -> None:
        """SIGKILL: nothing in it gets to run any more."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)


class Processes:
    """The four functions of `deployment`, each as a process; a killed one is cold again."""

    def __init__(self, deployment: Deployment, below: tuple[Path, ...]) -> None:
        self.deployment = deployment
        self._layers = below
        self._python = lambda_python()
        self._running: Process | None = None

    def invoke(self, folder: str, event: Mapping[str, Any]) -> Any:
        """Run it in a new process, at the deployment's time; raises Died when that is killed."""
        with ExitStack() as stack:
            process = stack.enter_context(Process(self._python, self._function(folder)))
            self._running = process
            outcome = process.invoke(event)
            if isinstance(outcome, Answered):
                return outcome.value
            if outcome.kind == "Runtime.ExitError":
                raise Died(folder)
            raise AssertionError(f"{folder}: {outcome}\n{process.log}")

    def kill(self) -> None:
        """End the one that runs."""
        assert self._running is not None
        self._running.kill()

    def _function(self, folder: str) -> Function:
        written = next(one for one in template().functions.values() if one.folder == folder)
        plain = template().settings(written)
        env = {**plain, **self.deployment.environment(VICTIM), "DARKROOM_LATER_S": str(self.deployment.ahead)}
        return Function(
            name=written.id,
            code=ROOT / "functions" / folder,
            layers=self._layers,
            env=env,
            handler=written.handler,
            # The deadline is told in the time out here.
            timeout_s=REMAINING_S[folder] + self.deployment.ahead,
            memory_mb=written.memory_mb,
        )
