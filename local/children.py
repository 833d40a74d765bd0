"""Servers in processes of their own, which say `ready URL` and end with whoever started them."""

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

START_S = 30.0


class ChildFailed(Exception):
    """A server that we need did not start; the message holds what it said."""


class Child:
    """`python -m MODULE …` that serves until our end of its standard input closes: at `stop`, or when we die."""

    def __init__(self, module: str, arguments: Sequence[str] = (), *, log: Callable[[str, str], None]) -> None:
        self._name = module.rpartition(".")[2]
        self._log = log
        self._said: list[str] = []
        # A group of its own: Ctrl-C is for us, and we end the child.
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--exit-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._relaying = threading.Thread(target=self._relay, daemon=True)
        self._relaying.start()

    def url(self) -> str:
        """Where it serves, once it does; raises ChildFailed."""
        watchdog = threading.Timer(START_S, self._process.kill)
        watchdog.start()
        try:
            words = self._process.stdout.readline().split() if self._process.stdout else []
        finally:
            watchdog.cancel()
        if len(words) == 2 and words[0] == "ready":
            return words[1]
        self._process.kill()
        self._relaying.join(1)
        raise ChildFailed(f"{self._name} did not start:\n" + "\n".join(self._said[-20:]))

    def stop(self) -> None:
        """Ask it to end, and insist after two seconds."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(2)

    def _relay(self) -> None:
        for line in self._process.stderr or ():
            self._said.append(line.rstrip("\n"))
            del self._said[:-50]
            self._log(self._name, line.rstrip("\n"))
