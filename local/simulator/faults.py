"""Faults that are armed, and who they strike: set through the admin API or by `[sim:…]` markers in a prompt."""

import re
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.simulator.catalogue import FAULTS, FaultKind
from local.simulator.envelopes import ENVELOPE_NAMES, REQUEST_ID_PLACES
from local.simulator.messages import Json

MARKER = re.compile(r"\[sim:([^\]]*)\]")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "envelope": ENVELOPE_NAMES,
    "request_id_in": REQUEST_ID_PLACES,
    "text": ("html", "plain", "empty"),
    "format": ("png", "jpeg", "webp", "avif", "gif"),
    "form": ("ms", "iso", "absent"),
    "shape": ("url", "b64", "data-uri", "both", "markdown-url", "markdown-data", "message-images", "parts", "address", "words"),
    "place": ("data", "data-object", "result.data", "output", "images", "url"),
    "field": ("id", "task_id", "taskId"),
}
UNLIMITED = 0


class BadFault(ValueError):
    """A fault that does not exist, or a parameter that it does not take; says what would be right."""


@dataclass(frozen=True)
class Subject:
    """What is being looked at when a fault could strike; `scope` is one key's, or one keyless request's, series."""

    scope: str
    prompt: str = ""
    models: tuple[str, ...] = ()
    task_id: str = ""
    idempotency_key: str = ""
    callback_url: str = ""
    api: str = "hiapi"


# Prompts and callback URLs match by a part of them, the rest by being equal.
MATCHES: Mapping[str, Callable[[str, Subject], bool]] = {
    "prompt": lambda wanted, subject: wanted in subject.prompt,
    "model": lambda wanted, subject: wanted in subject.models,
    "task_id": lambda wanted, subject: wanted == subject.task_id,
    "idempotency_key": lambda wanted, subject: wanted == subject.idempotency_key,
    "callback_url": lambda wanted, subject: wanted in subject.callback_url,
    "api": lambda wanted, subject: wanted == subject.api,
}


@dataclass
class Fault:
    """An armed fault: how often it may still strike (None = without end) and how often it has."""

    kind: FaultKind
    params: Mapping[str, Any]
    match: Mapping[str, str] = field(default_factory=dict)
    left: int | None = 1
    struck: int = 0
    scope: str | None = None

    def fits(self, moment: str, subject: Subject) -> bool:
        """Whether it would strike this subject at this moment."""
        ours = self.scope is None or self.scope == subject.scope
        return self.kind.moment == moment and self.left != 0 and ours and self._matches(subject)

    def strike(self) -> None:
        """Use it up once."""
        self.struck += 1
        self.left = None if self.left is None else self.left - 1

    def shown(self) -> dict[str, Json]:
        """As `GET /_sim/faults` shows it."""
        source = "admin" if self.scope is None else "marker"
        spent = {"left": self.left, "struck": self.struck, "source": source}
        return {"fault": self.kind.name, **self.params, "match": dict(self.match), **spent}

    def _matches(self, subject: Subject) -> bool:
        return all(MATCHES[name](wanted, subject) for name, wanted in self.match.items())


def make_fault(name: str, params: Mapping[str, Json], **where: Any) -> Fault:
    """A fault with its defaults filled in; raises `BadFault` that lists the valid names or parameters."""
    if name not in FAULTS:
        raise BadFault(f"unknown fault {name!r}; valid: {', '.join(FAULTS)}")
    kind = FAULTS[name]
    for param, value in params.items():
        _check_param(kind, param, value)
    return Fault(kind, {**kind.params, **params}, **where)


def read_fault(body: Json) -> Fault:
    """The fault that an admin's JSON describes: `{fault, times, match, …params}`."""
    if not isinstance(body, dict) or not isinstance(body.get("fault"), str):
        raise BadFault('send {"fault": NAME, "times": 1, "match": {…}, …parameters}')
    params = {name: value for name, value in body.items() if name not in ("fault", "times", "match")}
    times, match = body.get("times", 1), body.get("match") or {}
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        raise BadFault("times: a whole number; 0 = without end")
    if not isinstance(match, dict) or any(not _is_match(name, wanted) for name, wanted in match.items()):
        raise BadFault(f"match: an object of strings with some of {', '.join(MATCHES)}")
    return make_fault(body["fault"], params, match=match, left=times or None)


def markers(prompt: str) -> Iterator[tuple[str, dict[str, Json]]]:
    """The faults that a prompt asks for: `[sim:callback-late seconds=5]`."""
    for found in MARKER.findall(prompt):
        try:
            name, *pairs = shlex.split(found)
        except ValueError as exc:
            raise BadFault(f"cannot read the marker [sim:{found}]; write [sim:NAME parameter=value …]") from exc
        yield name, dict(_pair(name, pair) for pair in pairs)


def without_markers(prompt: str) -> str:
    """The prompt as a person meant it."""
    return " ".join(MARKER.sub(" ", prompt).split())


class ArmedFaults:
    """The faults in force, oldest first; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._scopes: set[str] = set()

    def arm(self, fault: Fault) -> None:
        """Put a fault in force."""
        with self._lock:
            self._faults.append(fault)

    def arm_markers(self, prompt: str, scope: str) -> None:
        """Put a prompt's markers in force for this scope; the second time they are known already."""
        asked = [_from_marker(name, params, scope) for name, params in markers(prompt)]
        with self._lock:
            self._faults = [fault for fault in self._faults if fault.scope is None or fault.left != 0]
            if scope not in self._scopes:
                self._scopes.add(scope)
                self._faults.extend(asked)

    def forget(self, scope: str) -> None:
        """Withdraw what a prompt's markers had armed for this scope."""
        with self._lock:
            self._scopes.discard(scope)
            self._faults = [fault for fault in self._faults if fault.scope != scope]

    def claim(self, moment: str, subject: Subject) -> Fault | None:
        """The oldest fault that strikes here, used up once."""
        with self._lock:
            fault = next((fault for fault in self._faults if fault.fits(moment, subject)), None)
            if fault is not None:
                fault.strike()
            return fault

    def claim_all(self, moment: str, subject: Subject) -> dict[str, Fault]:
        """All faults that strike here together, by name, each used up once."""
        with self._lock:
            struck: dict[str, Fault] = {}
            for fault in self._faults:
                if fault.kind.name not in struck and fault.fits(moment, subject):
                    fault.strike()
                    struck[fault.kind.name] = fault
            return struck

    def shown(self) -> list[dict[str, Json]]:
        """All faults, those that an admin armed even when they are spent."""
        with self._lock:
            return [fault.shown() for fault in self._faults]

    def clear(self) -> None:
        """Withdraw all."""
        with self._lock:
            self._faults.clear()
            self._scopes.clear()


def _is_match(name: str, wanted: Json) -> bool:
    return name in MATCHES and isinstance(wanted, str)


def _from_marker(name: str, params: dict[str, Json], scope: str) -> Fault:
    lasting = name in FAULTS and FAULTS[name].lasting
    times = params.pop("times", UNLIMITED if lasting else 1)
    return make_fault(name, params, scope=scope, left=times or None)


def _pair(fault: str, pair: str) -> tuple[str, Json]:
    name, equals, text = pair.partition("=")
    if not equals:
        raise BadFault(f"marker {fault}: write parameter=value, not {pair!r}")
    return name, _value(text)


def _value(text: str) -> Json:
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _check_param(kind: FaultKind, name: str, value: Json) -> None:
    if name not in kind.params:
        takes = ", ".join(kind.params) or "no parameters"
        raise BadFault(f"{kind.name} does not take {name!r}; it takes {takes}")
    if name in CHOICES and value not in CHOICES[name]:
        raise BadFault(f"{kind.name}: {name} must be one of {', '.join(CHOICES[name])}")
    if not _is_usable(name, kind.params[name], value):
        raise BadFault(f"{kind.name}: {name} cannot be {value!r}; its default is {kind.params[name]!r}")


def _is_usable(name: str, default: Json, value: Json) -> bool:
    if name == "retry_after":
        return value is None or _is_amount(value)
    if name == "error_code":
        return value is None or isinstance(value, str)
    if name == "status" and isinstance(default, int):
        return type(value) is int and 200 <= value <= 599
    if isinstance(default, float):
        return _is_amount(value)
    return type(value) is type(default) and (type(value) is not int or value >= 0)


def _is_amount(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
