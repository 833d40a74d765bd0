"""Every setting: the functions' variables, the template's parameters, the secret's fields, and the variables of a local run."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from darkroom.adapters.secrets import signing_keys
from darkroom.adapters.upstreams.registry import ADAPTERS, build_upstream
from darkroom.errors import ConfigurationError, DarkroomError
from darkroom.settings import Settings, read_settings
from local.cli import main as command
from local.commands.secrets import SETTABLE
from local.plan import BadChoice, make_plan
from tests.net.recording import Facts
from tests.support.memory import MemorySecrets
from tests.support.template import source

NO_VALUE = "!"
"""Nothing that asks for a number, an address or a key takes it."""

SOME_VALUES = ("3000", "3", "0.5", "merged", "https://other.example", "config/other.json", "other")
"""For each variable there is one among them that it takes and that is not its default."""

ROTATED = {"callback_secret": "x" * 99, "callback_secret_previous": "x", "callback_secret_rotated_at": "1"}


def facts() -> Facts:
    """Return all of them."""
    environment = {name: _variable(name) for name in variables()}
    return {
        "environment of the functions": environment | _of_libraries(),
        "environment of a local run": _local_variables(),
        "values that no variable sets": _fixed({name for one in environment.values() for name in one["sets"].split(", ")}),
        "parameters of the template": {name: _parameter(one) for name, one in source()["Parameters"].items()},
        "fields of the secret": _secret_fields(),
    }


# -- the functions' environment ---------------------------------------------------------------------------


class _Asked(dict[str, str]):
    """An environment that remembers which variables were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)


def _needed() -> dict[str, str]:
    """Return the variables that have no default, each with a value, found by asking until nothing is missing."""
    given: dict[str, str] = {}
    while missing := _missing(given):
        given[missing] = "given"
    return given


def _missing(given: Mapping[str, str]) -> str | None:
    """Return the first variable that is missing."""
    try:
        read_settings(given)
    except ConfigurationError as error:
        name = str(error).partition(" ")[0]
        if name in given:
            raise
        return name
    return None


def variables() -> set[str]:
    """Return the names that the functions read from their environment."""
    asked = _Asked(_needed())
    read_settings(asked)
    return asked.names


def _variable(name: str) -> dict[str, Any]:
    needed = _needed()
    if name in needed:
        sets = _set_by(needed | {name: "other"}, needed)
        return {"given by the template": _given(name), "sets": ", ".join(sets), "default": "none, it is needed"}
    refusal = _refusal(name, NO_VALUE, needed)
    sets = _set_by(needed | {name: _accepted(name, needed)}, needed)
    defaults = {json.dumps(_flat(read_settings(needed))[one]) for one in sets}
    about = {"given by the template": _given(name), "sets": ", ".join(sets), "default": ", ".join(sorted(defaults))}
    return about | ({"must be": refusal} if refusal else {}) | _fraction(name, refusal, needed)


def _accepted(name: str, needed: Mapping[str, str]) -> str:
    for value in SOME_VALUES:
        if _refusal(name, value, needed) is None and _set_by({**needed, name: value}, needed):
            return value
    raise AssertionError(f"none of {SOME_VALUES} is a value for {name}: add one that is")


def _refusal(name: str, value: str, needed: Mapping[str, str]) -> str | None:
    """Return what would be right instead of `value`, in the words of the complaint; None where it is taken."""
    try:
        read_settings({**needed, name: value})
    except ConfigurationError as error:
        return str(error).partition(": ")[2]
    return None


def _fraction(name: str, refusal: str | None, needed: Mapping[str, str]) -> dict[str, str]:
    """Say whether a number within its bounds has to be a whole one."""
    least = re.search(r"a number from (\S+) to", refusal or "")
    if not least:
        return {}
    refused = _refusal(name, str(float(least[1]) + 0.5), needed) or ""
    return {"must also be": refused} if "whole" in refused else {}


def _set_by(env: Mapping[str, str], needed: Mapping[str, str]) -> list[str]:
    before, after = _flat(read_settings(needed)), _flat(read_settings(env))
    return sorted(one for one in after if before.get(one) != after[one])


def _flat(settings: Settings) -> dict[str, Any]:
    return dict(_values("", settings))


def _values(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _values(f"{path}.{field.name}".lstrip("."), getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _values(f"{path}.{name}", one)
    else:
        yield path, value if not isinstance(value, frozenset) else sorted(value)


def _template_variables() -> Mapping[str, Any]:
    written: Mapping[str, Any] = source()["Globals"]["Function"]["Environment"]["Variables"]
    return written


def _given(name: str) -> str:
    """Say what the template gives: a text as it is, a reference by name."""
    value = _template_variables().get(name, "nothing")
    if isinstance(value, str):
        return value
    referred = value.get("Ref")
    kind = "parameter" if referred in source()["Parameters"] else "resource"
    return f"{kind} {referred}" if referred else json.dumps(value, sort_keys=True)


def _of_libraries() -> dict[str, Any]:
    """Return what the template gives and libraries read."""
    return {name: {"given by the template": _given(name)} for name in _template_variables().keys() - variables()}


def _fixed(settable: set[str]) -> dict[str, Any]:
    """Return the settings that are the same everywhere."""
    return {name: value for name, value in _flat(read_settings(_needed())).items() if name not in settable}


# -- a local run ------------------------------------------------------------------------------------------


def _local_variables() -> dict[str, Any]:
    """Return what `darkroom up` and the other commands read beside the functions' settings."""
    asked = _Asked({"HIAPI_API_KEY": "given"})
    for simulator in (True, False):
        make_plan(asked, simulator=simulator)
    readers = {name: {"darkroom up"} for name in asked.names}
    for option in _options(command):
        if option.envvar:
            readers.setdefault(option.envvar, set()).add(f"option {option.opts[0]}")
    return {name: {"read by": ", ".join(sorted(by))} | _local_refusal(name) for name, by in readers.items()}


def _options(group: Any) -> Iterator[Any]:
    yield from group.params
    for one in getattr(group, "commands", {}).values():
        yield from _options(one)


def _local_refusal(name: str) -> dict[str, str]:
    try:
        make_plan({name: NO_VALUE})
    except BadChoice as error:
        return {"must be": str(error)}
    return {}


# -- the template's parameters ----------------------------------------------------------------------------


def _parameter(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter without its explanation; what it may be stands on one line."""
    told = {name: value for name, value in written.items() if name != "Description"}
    allowed = {name: " ".join(map(str, value)) for name, value in told.items() if isinstance(value, list)}
    return told | allowed


# -- the secret's fields ----------------------------------------------------------------------------------


class _AskedSecrets(MemorySecrets):
    """Secrets that remember which fields were asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str) -> str:
        self.names.add(name)
        return super().get(name)


def _secret_fields() -> dict[str, Any]:
    generated = source()["Resources"]["Secret"]["Properties"]["GenerateSecretString"]
    new = dict.fromkeys(json.loads(generated["SecretStringTemplate"]), "empty") | {generated["GenerateStringKey"]: "generated"}
    readers = _readers()
    return {
        name: {
            "read by": ", ".join(sorted(readers.get(name, {"nothing"}))),
            "in a new stack": new.get(name, "absent"),
            "set by darkroom secrets": name in SETTABLE,
        }
        | _secret_refusal(name)
        for name in {*readers, *new, *SETTABLE}
    }


def _readers() -> dict[str, set[str]]:
    """Return who reads which field, found by letting each reader read."""
    read: dict[str, set[str]] = {}
    for name in ADAPTERS:
        secrets = _AskedSecrets({})
        upstream = build_upstream(name, settings=read_settings(_needed()), secrets=secrets)
        for ask in (
            lambda upstream=upstream: upstream.submit(b"{}", key="task_0:1", timeout_s=1),
            lambda upstream=upstream: upstream.hear({}, b"{}", attempt=1, now=0.0),
        ):
            try:
                ask()
            except DarkroomError:
                # Without a key nobody is asked; which key that is has been noted.
                continue
        for field in secrets.names:
            read.setdefault(field, set()).add(f"upstream {name}")
    signing = _AskedSecrets(ROTATED)
    signing_keys(signing)
    for field in signing.names:
        read.setdefault(field, set()).add("callback tokens and cursors")
    return read


def _secret_refusal(name: str) -> dict[str, str]:
    try:
        signing_keys(MemorySecrets(ROTATED | {name: NO_VALUE}))
    except ConfigurationError as error:
        return {"must be": str(error)}
    return {}
