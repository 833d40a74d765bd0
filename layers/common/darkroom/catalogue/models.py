"""Models and routes from their entries in the catalogue."""

from collections.abc import Mapping

from darkroom.catalogue.bounds import Bounds
from darkroom.catalogue.entries import check, field, known_only, one_of, optional, texts
from darkroom.catalogue.offers import DEFAULT_ROUTE, NEUTRAL, Json, Model, References, Route, Sizes, Spelling, Successor

STATUSES = ("current", "legacy", "retired")
CONFIDENCES = ("high", "medium", "low")
_MODEL = ("upstream", "kind", "status", "confidence", "aliases", "wire_model", "replaced_by", "notes", "routes")
_ROUTE = ("upstream", "wire_model", "wire_route", "schema", "images", "size", "neutral")
_WAYS = ("url", "data")
_BOUNDS = ("multiple", "least", "most", "ratio")
_LIMITS = ("largest_bytes", "largest_pixels")


def read_models(entries: Mapping[str, Json]) -> tuple[dict[str, Model], dict[str, Successor]]:
    """The models that may be asked for, and what replaces the retired ones."""
    models: dict[str, Model] = {}
    retired: dict[str, Successor] = {}
    for model_id, entry in entries.items():
        where = f"model {model_id}"
        known_only(entry, _MODEL, where)
        status = field(entry, "status", str, where)
        check(where, status in STATUSES, f"its status must be one of {', '.join(STATUSES)}")
        if status == "retired":
            retired[model_id] = _successor(field(entry, "replaced_by", dict, where), where)
        else:
            models[model_id] = _model(model_id, entry, entries, where)
    return models, retired


def _successor(entry: Json, where: str) -> Successor:
    known_only(entry, ("model", "route"), where)
    return Successor(model=field(entry, "model", str, where), route=field(entry, "route", str, where))


def _model(model_id: str, entry: Json, entries: Mapping[str, Json], where: str) -> Model:
    routes = {name: _route(model_id, entry, name, where) for name in field(entry, "routes", dict, where)}
    check(where, DEFAULT_ROUTE in routes, f"it has no route {DEFAULT_ROUTE}")
    aliases = optional(entry, "aliases", dict, where) or {}
    check(where, all(route == "" or route in routes for route in aliases.values()), "an alias leads to a route that is not there")
    confidence = field(entry, "confidence", str, where)
    check(where, confidence in CONFIDENCES, f"its confidence must be one of {', '.join(CONFIDENCES)}")
    replaced_by = optional(entry, "replaced_by", dict, where)
    return Model(
        id=model_id,
        kind=field(entry, "kind", str, where),
        status=entry["status"],
        confidence=confidence,
        routes=routes,
        aliases={name: route or None for name, route in aliases.items()},
        replaced_by=_successor(replaced_by, where) if replaced_by else None,
        with_images=_twin(model_id, entries),
    )


def _twin(model_id: str, entries: Mapping[str, Json]) -> str | None:
    family, slash, kind = model_id.rpartition("/")
    twin = f"{family}{slash}image-to-image"
    return twin if kind == "text-to-image" and entries.get(twin, {}).get("status") == "current" else None


def _route(model_id: str, model: Json, name: str, where: str) -> Route:
    where = f"{where}, route {name}"
    entry = known_only(model["routes"][name], _ROUTE, where)
    schema = field(entry, "schema", dict, where)
    _check_schema(schema, where)
    properties = schema["properties"]
    images, size = optional(entry, "images", dict, where), optional(entry, "size", dict, where)
    return Route(
        model=model_id,
        name=name,
        upstream=optional(entry, "upstream", str, where) or field(model, "upstream", str, where),
        wire_model=optional(entry, "wire_model", str, where) or optional(model, "wire_model", str, where) or model_id,
        wire_route=optional(entry, "wire_route", str, where),
        schema=schema,
        references=_references(images, properties, where) if images else None,
        sizes=_sizes(size, properties, where) if size else None,
        spellings={
            neutral: _spelling(neutral, one, properties, where)
            for neutral, one in (optional(entry, "neutral", dict, where) or {}).items()
        },
    )


def _check_schema(schema: Json, where: str) -> None:
    """What our own code relies on; that it is a JSON Schema at all is checked when it is first used."""
    properties = field(schema, "properties", dict, where)
    check(where, all(isinstance(one, dict) for one in properties.values()), "each of its schema's properties must be an object")
    check(where, set(texts(schema, "required", where)) <= set(properties), "its schema requires a field that it does not have")
    check(where, schema.get("additionalProperties") is False, "its schema must refuse unknown fields")
    for rule in schema.get("allOf", ()):
        check(where, {"description", "if", "then"} <= set(rule), "a rule between fields needs description, if and then")
        for name, narrowed in rule["then"].get("properties", {}).items():
            chosen = set(narrowed) <= {"enum", "not"} and "enum" in properties.get(name, {})
            check(where, chosen, f"a rule narrows {name}, which must be a field that has a list of values")


def _references(entry: Json, properties: Json, where: str) -> References:
    where = f"{where}, images"
    known_only(entry, ("field", "most", "takes", *_LIMITS), where)
    own, most, takes = _own(entry, properties, where), field(entry, "most", int, where), texts(entry, "takes", where)
    alone = properties[own].get("type") == "string"
    check(where, 1 <= most <= (1 if alone else properties[own].get("maxItems", most)), "most does not fit its field")
    check(where, bool(takes) and set(takes) <= set(_WAYS), f"takes must be some of {', '.join(_WAYS)}")
    largest, largest_pixels = (_above_0(entry, name, where) for name in _LIMITS)
    return References(field=own, most=most, takes=takes, alone=alone, largest=largest, largest_pixels=largest_pixels)


def _above_0(entry: Json, name: str, where: str) -> int | None:
    found: int | None = optional(entry, name, int, where)
    check(where, found is None or found > 0, f"{name} must be above 0")
    return found


def _sizes(entry: Json, properties: Json, where: str) -> Sizes:
    where = f"{where}, size"
    known_only(entry, ("field", "form", "usual", "table", "bounds"), where)
    table = field(entry, "table", dict, where)
    check(where, bool(table) and all(isinstance(row, dict) and row for row in table.values()), "table needs rows of values")
    usual = field(entry, "usual", str, where)
    check(where, usual in table, "usual must be a row of its table")
    own = _own(entry, properties, where)
    values = [value for row in table.values() for value in row.values()]
    check(where, all(isinstance(value, str) for value in values), "table must hold texts")
    allowed = one_of(properties[own].get("enum", values))
    check(where, all(map(allowed, values)), f"table has a value that {own} does not allow")
    bounds = _bounds(optional(entry, "bounds", dict, where), where)
    check(where, bounds is None or all(map(bounds.hold, values)), f"table has a value outside its bounds: {bounds}")
    return Sizes(field=own, form=field(entry, "form", str, where), usual=usual, table=table, bounds=bounds)


def _bounds(entry: Json | None, where: str) -> Bounds | None:
    if entry is None:
        return None
    where = f"{where}, bounds"
    known_only(entry, _BOUNDS, where)
    multiple, least, most, ratio = (field(entry, name, int, where) for name in _BOUNDS)
    check(where, min(multiple, least, most, ratio) > 0, "each must be above 0")
    return Bounds(multiple=multiple, least=least, most=most, ratio=ratio)


def _spelling(neutral: str, entry: Json, properties: Json, where: str) -> Spelling:
    where = f"{where}, neutral {neutral}"
    known_only(entry, ("field", "values"), where)
    check(where, neutral in NEUTRAL, f"there are {', '.join(NEUTRAL)}")
    own = _own(entry, properties, where) if "field" in entry else neutral
    check(where, own in properties, "its schema has no such field")
    values = optional(entry, "values", dict, where) or {}
    allowed = one_of(properties[own].get("enum", ()))
    # What the model itself knows keeps its meaning, so that an input in its own words stays what it is.
    fit = all(allowed(value) and not allowed(name) for name, value in values.items())
    check(where, fit, f"values must lead from other words to what {own} allows")
    return Spelling(field=own, values=values)


def _own(entry: Json, properties: Json, where: str) -> str:
    own: str = field(entry, "field", str, where)
    check(where, own in properties, f"its schema has no field {own}")
    return own
