"""The `darkroom` command as a process: a stack that runs, and single commands."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from local.client import Api
from local.simulator.admin import SimulatorAdmin
from tests.security.listening import told
from tests.support.tools import ROOT

KEY = "a-development-key-of-the-tests"
START_S = 60.0
# So that the reconciler is soon there; a callback comes after LATENCY_S and is still first on a slow machine.
QUICK = {"DARKROOM_FIRST_CHECK_S": "6", "DARKROOM_RECHECK_MAX_S": "6", "DARKROOM_STORE_RETRY_S": "0,0.5,1"}
LATENCY_S = 0.4
SECRETS = ("DARKROOM_API_KEY", "HIAPI_API_KEY", "HIAPI_WEBHOOK_SECRET")
MODEL = "gpt-image-2/text-to-image"

T = TypeVar("T")


def environment(**more: str) -> dict[str, str]:
    """This process's environment without whatever would steer the command, and with `more`."""
    own = ("AWS_", "DARKROOM_", "HIAPI_", "PIXAPI_", "POWERTOOLS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)} | more


def command(*arguments: str) -> list[str]:
    """The command line of `darkroom …`."""
    return [sys.executable, "-c", "from local.cli import main; main(prog_name='darkroom')", *arguments]


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def found(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def darkroom(*arguments: str, stdin: str = "", timeout_s: float = 60, cwd: Path = ROOT, **env: str) -> Done:
    """Run `darkroom …` to its end; it is no failure if it fails."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Up:
    """`darkroom up` as a process of its own, on a free port unless told otherwise.

    In the end nothing that it logged may hold a key, a webhook secret or a prompt.
    """

    def __init__(self, *arguments: str, **env: str) -> None:
        self.secrets = {name: value for name, value in ({"DARKROOM_API_KEY": KEY} | env).items() if name in SECRETS and value}
        self._folder = tempfile.TemporaryDirectory(prefix="darkroom-up-")
        self._log = Path(arguments[arguments.index("--log") + 1] if "--log" in arguments else f"{self._folder.name}/log")
        log = () if "--log" in arguments else ("--log", str(self._log))
        port = () if "--port" in arguments else ("--port", "0")
        every = () if "--reconcile-every" in arguments else ("--reconcile-every", "0.5")
        self.process = subprocess.Popen(
            command("up", *port, *every, *log, *arguments),
            cwd=ROOT,
            env=environment(**{"DARKROOM_API_KEY": KEY, **QUICK, **env}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()
        try:
            wait_for(lambda: self.out or self.process.poll() is not None, "the ready line", timeout_s=START_S)
            assert self.out, "\n".join(self.err)
        except BaseException:
            self.kill()
            raise
        self.url = self.out[0].removeprefix("ready ").strip()
        self.api = Api(self.url, KEY)
        if "--upstream-url" not in arguments:
            with self.simulator() as upstream:
                upstream.configure(latency_s=LATENCY_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end()
        if kind is None:
            self.has_kept_its_secrets()
        self._folder.cleanup()

    def has_kept_its_secrets(self) -> None:
        """Fails when anything secret was logged."""
        leaked = told(self.secrets, self._log.read_text(errors="replace"))
        assert not leaked, leaked

    def _end(self) -> None:
        self.api.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    @property
    def about(self) -> dict[str, str]:
        """Where its parts are, as `darkroom simulate` asks."""
        found: dict[str, str] = httpx.get(f"{self.url}/_local").json()
        return found

    def simulator(self) -> SimulatorAdmin:
        """The built-in simulator's admin client."""
        return SimulatorAdmin(self.about["simulator_url"])

    def cli(self, *arguments: str, **env: str) -> Done:
        """Run a command against it."""
        return darkroom(*arguments, **{"DARKROOM_URL": self.url, "DARKROOM_API_KEY": KEY, **env})

    def ask(self, prompt: str, *, key: str | None = None, **input: Any) -> dict[str, Any]:
        """Create a task."""
        self.secrets[f"prompt {len(self.secrets)}"] = prompt.partition("[")[0].strip() or prompt
        return self.api.create({"model": MODEL, "input": {"prompt": prompt, **input}}, idempotency_key=key)

    def finish(self, task: Mapping[str, Any], *, timeout_s: float = 60) -> dict[str, Any]:
        """The task once it has ended."""
        return wait_for(
            lambda: found if (found := self.api.task(task["id"]))["status"] not in ("queued", "running") else None,
            f"the end of {task['id']}",
            timeout_s=timeout_s,
        )

    def end(self, number: int) -> tuple[int, float]:
        """Send a signal; the exit status, and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(30)
        for reader in self._readers:
            reader.join(5)
        return status, time.monotonic() - began

    def kill(self) -> None:
        """As if the power went."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))


def wait_for(condition: Callable[[], T], what: str, *, timeout_s: float = 30) -> T:
    """The condition's first true value; fails when there is none in time."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {timeout_s:g} s in vain for {what}")


def descendants(pid: int) -> set[int]:
    """Every process that this one has started, directly or not."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def is_alive(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")
