"""From what a caller names to the model, route and input that go to the upstream; nothing is re-spelled silently."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from darkroom.catalogue.faults import MOST_FAULTS, Fault, pointer
from darkroom.catalogue.offers import DEFAULT_ROUTE, Catalogue, Json, Model, Preset, Route
from darkroom.catalogue.validation import faults_in

_OURS = {
    "callback": "Darkroom sets the callback itself; read the task, or wait with `Prefer: wait`",
    "webhook": "Darkroom hears from the upstream itself; read the task, or wait with `Prefer: wait`",
    "storage": "Darkroom keeps the picture itself",
    "route": "the route stands beside input, not inside it",
    "model": "the model stands beside input, not inside it",
}


class NotOffered(Exception):
    """No such model, route or preset; carries the fault to tell the caller."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = Fault(pointer(where), detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model and route, chosen by name or through a preset."""

    model: Model
    route: Route
    preset: Preset | None = None

    def complete(self, given: Json) -> dict[str, Any]:
        """The input that goes to the model: the preset's defaults under the caller's fields."""
        return {**(self.preset.defaults if self.preset else {}), **given}

    def faults(self, given: Json) -> list[Fault]:
        """Everything that is wrong with a caller's input, each field and each rule between fields."""
        offered = self.preset.overrides if self.preset else self.route.fields
        strange = islice((name for name in given if name not in offered), MOST_FAULTS)
        unknown = [Fault(pointer("input", name), self._unknown(name, offered)) for name in strange]
        known = {name: value for name, value in given.items() if name in offered}
        return unknown + faults_in(self.route, self.complete(known))

    def _unknown(self, name: str, offered: tuple[str, ...]) -> str:
        if self.preset is not None and name in self.route.fields:
            return f"the preset {self.preset.name} does not let this field be set; it takes {_list(offered)}"
        hint = _OURS.get(name) or _nearest(name, offered)
        return f"unknown field{f': {hint}' if hint else ''}; {self.route.model} takes {_list(offered)}"


def choose_model(catalogue: Catalogue, name: str, route: str | None) -> Choice:
    """The model of that id or alias; raises NotOffered."""
    model = catalogue.names.get(name)
    if model is None:
        raise NotOffered("model", _no_model(catalogue, name))
    implied = model.aliases.get(name)
    if implied is not None and route is not None and route != implied:
        raise NotOffered("route", f"{name} already names the route {implied}")
    wanted = route or implied or DEFAULT_ROUTE
    if wanted not in model.routes:
        raise NotOffered("route", f"{model.id} has no such route; it has {_list(model.routes)}")
    return Choice(model=model, route=model.routes[wanted])


def choose_preset(catalogue: Catalogue, name: str) -> Choice:
    """The preset of that name, with or without `@version`; raises NotOffered."""
    bare, at, version = name.partition("@")
    preset = catalogue.presets.get(bare)
    if preset is None:
        raise NotOffered("preset", f"no such preset{_suggest(bare, catalogue.presets)}; there are {_list(catalogue.presets)}")
    if at and version != str(preset.version):
        raise NotOffered("preset", f"{preset.name} is at version {preset.version}: use {preset.name} or {preset.id}")
    return Choice(model=preset.model, route=preset.route, preset=preset)


def choose_again(catalogue: Catalogue, model: str, wire_route: str | None) -> Choice:
    """What an earlier task was made with, if it is still offered; raises NotOffered."""
    found = choose_model(catalogue, model, None).model
    for route in found.routes.values():
        if route.wire_route == wire_route:
            return Choice(model=found, route=route)
    raise NotOffered("route", f"{model} no longer has the route {wire_route}; it has {_list(found.routes)}")


def _no_model(catalogue: Catalogue, name: str) -> str:
    old = catalogue.retired.get(name)
    if old is not None:
        route = "" if old.route == DEFAULT_ROUTE else f" with route {old.route}"
        return f"{name} is retired; use {old.model}{route}"
    return f"no such model{_suggest(name, catalogue.names)}; there are {_list(catalogue.models)}"


def _suggest(name: str, known: Iterable[str]) -> str:
    nearest = _nearest(name, known)
    return f": {nearest}" if nearest else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    by_lower = {one.lower(): one for one in known}
    # A long name would make the comparison slow, and is near to nothing.
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6) if len(name) <= 128 else []
    return f"did you mean {by_lower[close[0]]}?" if close else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
