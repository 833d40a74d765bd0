"""A client for the simulator's admin API; it imports nothing of the server.

SimulatorAdminError
├── SimulatorUnreachable    nobody answers at that address: start it, or correct the address
└── SimulatorSaidNo         the fault, parameter or setting is wrong; the message lists what is right
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import httpx

Json = Any


class SimulatorAdminError(Exception):
    """The admin call did not do what it should."""


class SimulatorUnreachable(SimulatorAdminError):
    """Nobody answers at that address, or not a simulator."""


class SimulatorSaidNo(SimulatorAdminError):
    """The simulator refused; its message says what would be right."""


class SimulatorAdmin:
    """Steers the simulator at `url`; every method raises `SimulatorAdminError`."""

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=timeout_s, trust_env=False)

    def describe(self) -> dict[str, Json]:
        """The endpoints and every fault with its parameters."""
        return self._object("GET", "/_sim")

    def arm(self, fault: str, *, times: int = 1, match: Mapping[str, str] | None = None, **params: Json) -> dict[str, Json]:
        """Arm a fault for its next `times` occasions (0 = without end) that match; answers it as armed."""
        body = {"fault": fault, "times": times, "match": dict(match or {}), **params}
        return self._object("POST", "/_sim/faults", body)

    def faults(self) -> list[dict[str, Json]]:
        """The armed faults, with how often each struck and still may."""
        return list(self._object("GET", "/_sim/faults")["faults"])

    def disarm(self) -> None:
        """Withdraw all faults."""
        self._call("DELETE", "/_sim/faults")

    def ledger(self) -> dict[str, Json]:
        """`totals`, `by_key`, `answers` and `tasks`."""
        return self._object("GET", "/_sim/ledger")

    def totals(self) -> dict[str, int]:
        """The ledger's totals: posts, gets, lists, accepted, billed, replays, callbacks…, downloads."""
        return dict(self.ledger()["totals"])

    def task(self, task_id: str) -> dict[str, Json]:
        """The ledger's row of one task; raises `SimulatorSaidNo` when there is none."""
        row: dict[str, Json] | None = self.ledger()["tasks"].get(task_id)
        if row is None:
            raise SimulatorSaidNo(f"the simulator knows no task {task_id}")
        return row

    def reset(self) -> None:
        """Forget tasks, keys, counts, faults and changed settings."""
        self._call("DELETE", "/_sim/ledger")

    def jump(self, seconds: float) -> None:
        """Move simulated time forward."""
        self._call("POST", "/_sim/clock", {"jump_s": seconds})

    def settings(self) -> dict[str, Json]:
        """The settings in force."""
        return self._object("GET", "/_sim/settings")

    def configure(self, **changes: Json) -> dict[str, Json]:
        """Change settings; answers all of them."""
        return self._object("PATCH", "/_sim/settings", changes)

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def __enter__(self) -> "SimulatorAdmin":
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _object(self, method: str, path: str, body: Json = None) -> dict[str, Json]:
        try:
            return dict(self._call(method, path, body).json())
        except ValueError as exc:
            raise SimulatorUnreachable(f"what answers at {self._http.base_url} is not the simulator") from exc

    def _call(self, method: str, path: str, body: Json = None) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as exc:
            raise SimulatorUnreachable(f"no simulator answers at {self._http.base_url}: {exc}") from exc
        if answer.status_code == 400:
            raise SimulatorSaidNo(str(answer.json().get("error")))
        if answer.is_error:
            raise SimulatorUnreachable(f"{self._http.base_url} answered {answer.status_code} to {method} {path}")
        return answer
