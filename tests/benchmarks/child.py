"""A process with built handlers in it, as Lambda would have them: ask it to run one, or how it fares."""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.runtime_api import Function
from tests.support.tools import lambda_python

_SERVE = Path(__file__).parent / "serve.py"
_TOTAL = re.compile(r"^summary: (\d+)", re.MULTILINE)


def cachegrind(file: Path) -> list[str]:
    """The command that counts the instructions of what follows, into `file`; nothing of the cache is simulated."""
    return ["valgrind", "-q", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={file}"]


def instructions(file: Path) -> int:
    """What was counted."""
    found = _TOTAL.search(file.read_text())
    assert found is not None, f"no count in {file}"
    return int(found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A built handler: the function's folder, its layers, its variables. `memory_mb` matters to nobody but the price."""

    name: str
    code: Path
    layers: tuple[Path, ...]
    env: Mapping[str, str]
    handler: str = "app.handler"

    def with_env(self, **more: str) -> "Package":
        """The same with other variables."""
        return replace(self, env={**self.env, **more})

    def function(self, **more: str) -> Function:
        """As tests/support/runtime_api wants it; hashes do not vary from run to run."""
        env = {**self.env, "PYTHONHASHSEED": "0", **more}
        return Function(name=self.name, code=self.code, layers=self.layers, env=env, handler=self.handler)


class Child:
    """`with Child([api, callback]) as child: child.call("api", event)`. `tool` goes before the command, such as a counter."""

    def __init__(self, packages: Sequence[Package], *, tool: Sequence[str] = (), log: Path | None = None) -> None:
        first = packages[0].function(**({"BENCHMARK_LOG": str(log)} if log else {}))
        handlers = [f"{one.name}={one.code}/{one.handler.replace('.', '.py:')}" for one in packages]
        command = [*tool, str(lambda_python()), str(_SERVE), *handlers]
        self._complaints = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115  (closed at exit)
        self._process = subprocess.Popen(
            command,
            env=first.environment("none"),
            cwd=first.code,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        assert self._read() == "ready"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._complaints.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, name: str, event: Any) -> Any:
        """What the handler returns."""
        return self._ask({"to": name, "event": event})

    def cpu_s(self) -> float:
        """Processor time so far, in seconds."""
        return float(self._ask({"ask": "cpu"}))

    def watch(self) -> None:
        """Note from now on where processor time goes."""
        self._ask({"ask": "watch"})

    def items(self) -> dict[str, float]:
        """Seconds of processor time by what they went to, since `watch`; `outer › inner` is counted in `outer` too."""
        seconds: dict[str, float] = self._ask({"ask": "items"})
        return seconds

    def modules(self) -> list[str]:
        """What has been imported by now."""
        names: list[str] = self._ask({"ask": "modules"})
        return names

    def peak_kb(self) -> int:
        """The largest resident size since it was last forgotten."""
        return int(self._ask({"ask": "peak"}))

    def forget_peak(self) -> int:
        """Start anew from the present size, and give it."""
        return int(self._ask({"ask": "forget_peak"}))

    def _ask(self, question: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            ended = self._process.wait()
            self._complaints.seek(0)
            raise RuntimeError(f"the handlers' process ended with {ended}:\n{self._complaints.read()[-4000:]}")
        return json.loads(line)
