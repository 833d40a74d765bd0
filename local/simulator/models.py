"""The image models that the simulator offers, with their routes and the JSON Schema of each route's input."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from local.simulator.messages import Json, Refused

DATA = Path(__file__).with_name("models.json")
# These belong beside `input`; HiAPI refuses them inside it (HiAPI docs, async-api/create).
TOP_LEVEL_ONLY = ("callback", "route", "storage")


@dataclass(frozen=True)
class Offer:
    """A model on one of its routes."""

    model: str
    route: str | None
    input_schema: Mapping[str, Json]

    @property
    def name(self) -> str:
        """The resolved name that tasks show: `base@route`, or the base alone on the default route."""
        return f"{self.model}@{self.route}" if self.route else self.model

    @property
    def defaults(self) -> dict[str, Json]:
        """What the schema gives to inputs that were left out."""
        properties = self.input_schema.get("properties", {})
        return {name: rule["default"] for name, rule in properties.items() if "default" in rule}

    def check(self, inputs: Mapping[str, Json]) -> None:
        """Raise `Refused` (400 INVALID_REQUEST) when the input does not fit the schema."""
        for name in TOP_LEVEL_ONLY:
            if name in inputs:
                raise _invalid(f"input.{name}: not allowed inside input, send it at the top level")
        error = best_match(_validator(json.dumps(self.input_schema)).iter_errors(dict(inputs)))
        if error is not None:
            where = ".".join(["input", *map(str, error.absolute_path)])
            raise _invalid(f"{where}: {error.message}")


class Models:
    """Finds the offer that a request names."""

    def __init__(self, path: Path = DATA) -> None:
        entries = json.loads(path.read_text("utf-8"))["models"]
        self._entries = {entry["id"]: entry for entry in entries}
        self._aliases = {alias: entry["id"] for entry in entries for alias in entry["aliases"]}

    def ids(self) -> list[str]:
        """Every id that can be asked for."""
        return [name for name, entry in self._entries.items() if entry["status"] != "retired"]

    def offer(self, model: str, route: str | None = None) -> Offer:
        """The offer behind `model` (`base`, an alias, or `base@route`) and `route`.

        An absent, empty or `default` route are the same. Raises `Refused` for a model that is unknown or retired,
        and for an unknown route, naming the valid ones.
        """
        base, suffix = self._split(model)
        chosen = None if route in (None, "", "default") else route
        if suffix and chosen and suffix != chosen:
            raise _invalid(f"route: {chosen!r} contradicts the model's suffix '@{suffix}'")
        return self._offer(base, suffix or chosen)

    def _offer(self, base: str, route: str | None) -> Offer:
        if f"{base}@{route}" in self._entries:
            base, route = f"{base}@{route}", None
        entry = self._entry(base)
        schemas = {row["route"]: row["input_schema"] for row in entry["routes"]}
        if route not in schemas:
            valid = ", ".join(name or "default" for name in schemas)
            raise _invalid(f"route: {route!r} is unknown for {base}; available routes: {valid}")
        return Offer(base, route, schemas[route])

    def _entry(self, base: str) -> dict[str, Json]:
        entry: dict[str, Json] | None = self._entries.get(base)
        if entry is None:
            raise _invalid(f"model: {base!r} does not exist")
        if entry["status"] == "retired":
            raise Refused(400, "MODEL_UNAVAILABLE", f"model: {base!r} has been retired")
        return entry

    def _split(self, model: str) -> tuple[str, str | None]:
        known = self._aliases.get(model, model)
        if known in self._entries or "@" not in model:
            return known, None
        base, _, suffix = model.rpartition("@")
        return self._aliases.get(base, base), suffix


def public_schema(offer: Offer) -> dict[str, Json]:
    """The schema as the public endpoint shows it: with `model` among the properties and the required ones."""
    schema = dict(offer.input_schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "properties": {"model": {"type": "string", "const": offer.name}, **schema.get("properties", {})},
        "required": ["model", *schema.get("required", [])],
    }


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))


def _invalid(message: str) -> Refused:
    return Refused(400, "INVALID_REQUEST", message)
