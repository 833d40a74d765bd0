"""The public endpoints that list HiAPI's models and tell a model's input schema; they need no key."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from darkroom.catalogue.offers import DEFAULT_ROUTE, Catalogue, Route
from local.addresses import is_loopback
from local.client import ApiUnreachable, Json
from local.drift import drift

SCHEMA_HOST = "https://www.hiapi.ai"
UPSTREAM = "hiapi"
GONE = "no longer offered"
_GONE = (400, 404)


@dataclass(frozen=True, slots=True)
class Compared:
    """One route of the catalogue held against the live schema; `changes` is empty where nothing has changed."""

    model: str
    route: str
    changes: list[str]


def compare(catalogue: Catalogue, url: str, *, timeout_s: float = 15.0) -> Iterator[Compared]:
    """Every route of HiAPI's task API, as it is asked for; raises ApiUnreachable when the host does not tell."""
    with _client(url, timeout_s) as http:
        for model in catalogue.models.values():
            for route in model.routes.values():
                if route.upstream == UPSTREAM:
                    yield Compared(model.id, route.name, _changes(route, _live(http, _name(route))))


def not_in(catalogue: Catalogue, url: str, *, timeout_s: float = 15.0) -> list[str] | None:
    """The image models that the host lists (HiAPI's docs, models.json) and the catalogue knows by no name, retired ones included.

    None where the host has no such list; raises ApiUnreachable when it does not answer.
    """
    with _client(url, timeout_s) as http:
        _, found = _ask(http, "/docs/models.json")
    listed = found.get("models") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        return None
    known = {name.lower() for name in _known(catalogue)}
    images = [one for one in listed if isinstance(one, dict) and one.get("category") == "image"]
    return [name for name in dict.fromkeys(str(one.get("id")) for one in images) if name.lower() not in known]


def _known(catalogue: Catalogue) -> Iterator[str]:
    yield from catalogue.names
    yield from catalogue.retired
    for model in catalogue.models.values():
        for route in model.routes.values():
            yield from (route.wire_model, _name(route))


def _client(url: str, timeout_s: float) -> httpx.Client:
    headers, asks_proxy = {"User-Agent": "darkroom-cli"}, not is_loopback(url)
    return httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s, follow_redirects=True, trust_env=asks_proxy)


def _name(route: Route) -> str:
    """What the endpoint calls a route: `model@route`, the model alone on its default one (HiAPI's price list does too)."""
    return route.wire_model if route.name == DEFAULT_ROUTE else f"{route.wire_model}@{route.wire_route}"


def _changes(route: Route, live: Json | None) -> list[str]:
    return [GONE] if live is None else drift(route.schema, live)


def _live(http: httpx.Client, name: str) -> Json | None:
    """The live schema, None where there is no such model (HiAPI's skills, GET /api/models/content)."""
    status, found = _ask(http, "/api/models/content", name=name)
    if status in _GONE and isinstance(found, dict):
        return None
    data = found.get("data") if isinstance(found, dict) else None
    schema = data.get("input_schema") if isinstance(data, dict) else None
    if status != 200 or not isinstance(schema, dict):
        raise ApiUnreachable(f"the schema host answered {status} for {name}, without a schema")
    return schema


def _ask(http: httpx.Client, path: str, **params: str) -> tuple[int, Any]:
    """Status and body; None for a body that is no JSON."""
    try:
        answer = http.get(path, params=params)
    except httpx.HTTPError as error:
        raise ApiUnreachable(f"the schema host {http.base_url} does not answer: {error or type(error).__name__}") from error
    try:
        return answer.status_code, answer.json()
    except ValueError:
        return answer.status_code, None
