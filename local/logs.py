"""What the functions and servers print: all of it in a file, the faults on the terminal too."""

import json
import threading
from pathlib import Path
from typing import TextIO

_LOUD = {"ERROR", "CRITICAL"}
_KEPT_OUT = {"level", "location", "message", "timestamp", "service", "sampling_rate", "cold_start", "xray_trace_id"}


class Logs:
    """Takes lines from any thread; `verbose` shows every one on the terminal, otherwise only errors."""

    def __init__(self, path: Path, terminal: TextIO, *, verbose: bool) -> None:
        self.path = path
        self._terminal = terminal
        self._verbose = verbose
        self._lock = threading.Lock()
        self.saw_faults = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def line(self, source: str, text: str) -> None:
        """One line that `source` printed."""
        if not text.strip():
            return
        with self._lock:
            if self._file.closed:
                return
            self._file.write(f"{source} {text}\n")
            self._file.flush()
            if self._verbose:
                print(f"{source:>16} {text}", file=self._terminal, flush=True)
            if (fault := _fault(text)) is None:
                return
            self.saw_faults = True
            if not self._verbose:
                print(f"{source}: {fault}", file=self._terminal, flush=True)

    def error(self, source: str, text: str) -> None:
        """A fault that nobody else tells: shown always."""
        with self._lock:
            self.saw_faults = True
            if not self._file.closed:
                self._file.write(f"{source} {text}\n")
                self._file.flush()
            print(f"{source}: {text}", file=self._terminal, flush=True)

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._file.close()


def _fault(text: str) -> str | None:
    """A JSON log line of level error, told for people."""
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    if record.get("level") not in _LOUD:
        return None
    facts = {name: value for name, value in record.items() if name not in _KEPT_OUT and not name.startswith("function_")}
    return f"{record.get('message')} " + " ".join(f"{name}={value}" for name, value in facts.items())
