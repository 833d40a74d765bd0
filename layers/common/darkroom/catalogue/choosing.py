"""From what a caller names to the model, route and input that go to the upstream; nothing is re-spelled silently."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from darkroom.catalogue.faults import MOST_FAULTS, Fault, pointer
from darkroom.catalogue.neutral import translate
from darkroom.catalogue.offers import DEFAULT_ROUTE, NEUTRAL, SIZED, Catalogue, Json, Model, Preset, Route
from darkroom.catalogue.spelling import did_you_mean, near
from darkroom.catalogue.validation import faults_in

Offered = Callable[[str], bool]
"""Whether this deployment has the upstream of that name, and a key for it."""

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
class Understood:
    """A caller's input as `choice` takes it: in the model's own fields, `input`; or everything that is wrong with it.

    `uploads` are the ids of those that it has stand-ins for, each by its place in the caller's input.
    """

    choice: "Choice"
    input: Mapping[str, Any]
    faults: tuple[Fault, ...]
    uploads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model and route, chosen by name or through a preset, with what lies under the caller's input."""

    model: Model
    route: Route
    preset: Preset | None = None
    defaults: Json = field(default_factory=dict)

    def understand(self, given: Json) -> Understood:
        """`given`, in neutral fields or the model's own, as the model takes it."""
        takes = self.preset.overrides if self.preset else self.route.takes
        strange = [name for name in given if name not in takes]
        unknown = [Fault(pointer("input", name), self._unknown(name, takes)) for name in strange[:MOST_FAULTS]]
        # No more are listed, so that these need no words about what else there is.
        unknown += [Fault(pointer("input", name), "unknown field") for name in strange[MOST_FAULTS:]]
        usable = {name: value for name, value in given.items() if name in takes and self.route.field_of(name)}
        done = translate(self.route, {**self._under(usable), **usable})
        faults = faults_in(self.route, done.own, said=done.said, failed=done.failed)
        cannot = [Fault(pointer("input", name), self._cannot(name)) for name in given if name in takes and name not in usable]
        faults_found = (*unknown, *cannot, *done.faults, *faults)
        return Understood(choice=self, input=done.own, faults=faults_found, uploads=done.uploads)

    def fallbacks(self, given: Json, *, offered: Offered) -> tuple[Understood, ...]:
        """The preset's fallbacks that can serve `given` as it is, in their order; others would have to leave something out."""
        preset = self.preset
        found = [
            Choice(model=one.model, route=one.route, preset=preset, defaults=one.defaults).understand(given)
            for one in (preset.fallbacks if preset else ())
            if offered(one.route.upstream)
        ]
        return tuple(one for one in found if not one.faults)

    def _under(self, given: Json) -> dict[str, Any]:
        """The defaults of which the caller says nothing, by whatever name."""
        said = {self.route.field_of(name) for name in given}
        return {name: value for name, value in self.defaults.items() if self._stays(name, said, given)}

    def _stays(self, name: str, said: set[str | None], given: Json) -> bool:
        own = self.route.field_of(name)
        if own not in said:
            return True
        # A ratio and a resolution make one size together.
        return name in SIZED and any(self.route.field_of(one) == own and one in SIZED and one != name for one in given)

    def _unknown(self, name: str, takes: tuple[str, ...]) -> str:
        if self.preset is not None and name in self.route.takes:
            return f"the preset {self.preset.name} does not let this field be set; it takes {_list(takes)}"
        if name in NEUTRAL:
            return self._cannot(name)
        hint = _OURS.get(name) or did_you_mean(near(name, {one: one for one in takes}))
        return f"unknown field{f': {hint}' if hint else ''}; {self.route.model} takes {_list(takes)}"

    def _cannot(self, name: str) -> str:
        twin = self.model.with_images if name == "images" else None
        instead = f"; {twin} does" if twin else ""
        return f"{self.route.model} takes no {name}{instead}; it takes {_list(self.route.takes)}"


def choose_model(catalogue: Catalogue, name: str, route: str | None, *, offered: Offered) -> Choice:
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
    return Choice(model=model, route=_served(model, model.routes[wanted], offered, where="route" if route else "model"))


def choose_preset(catalogue: Catalogue, name: str, *, offered: Offered) -> Choice:
    """The preset of that name: `poster` in its newest version, `poster@1` in that one; raises NotOffered."""
    bare, at, _ = name.partition("@")
    newest = catalogue.presets.get(bare)
    if newest is None:
        hint = did_you_mean(near(bare, {one: one for one in catalogue.presets}))
        raise NotOffered("preset", f"no such preset{f': {hint}' if hint else ''}; there are {_list(catalogue.presets)}")
    preset = catalogue.versions.get(name) if at else newest
    if preset is None:
        kept = [one.id for one in catalogue.versions.values() if one.name == bare]
        raise NotOffered("preset", f"no such version; there is {_list(kept)}, and {bare} alone is {newest.id}")
    route = _served(preset.model, preset.route, offered, where="preset")
    return Choice(model=preset.model, route=route, preset=preset, defaults=preset.defaults)


def choose_again(catalogue: Catalogue, model: str, wire_route: str | None, upstream: str, *, offered: Offered) -> Choice:
    """What an earlier task was made with, if it is still offered; raises NotOffered."""
    found = catalogue.names.get(model)
    if found is None:
        raise NotOffered("model", _no_model(catalogue, model))
    for route in found.routes.values():
        if (route.wire_route, route.upstream) == (wire_route, upstream):
            return Choice(model=found, route=_served(found, route, offered, where="model"))
    way = f"the route {wire_route}" if wire_route else "that route"
    raise NotOffered("route", f"{model} no longer has {way} at {upstream}; it has {_list(found.routes)}")


def _served(model: Model, route: Route, offered: Offered, *, where: str) -> Route:
    if offered(route.upstream):
        return route
    others = [one.name for one in model.routes.values() if offered(one.upstream)]
    instead = f"; its route {_list(others)} can be used" if others else ""
    raise NotOffered(where, f"{model.id} is not available: {_lacking(route.upstream)}{instead}")


def _lacking(upstream: str) -> str:
    return f"this deployment has no upstream {upstream}, or no key for it in its secret (`darkroom secrets set`)"


def _no_model(catalogue: Catalogue, name: str) -> str:
    successor = catalogue.retired.get(name)
    if successor is not None:
        return f"{name} is retired; use {successor}"
    current = {spelling: model.id for spelling, model in catalogue.names.items() if model.status == "current"}
    hint = did_you_mean(near(name, current, most=4))
    return f"no such model: {hint}" if hint else f"no such model; there are {_list(dict.fromkeys(current.values()))}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
