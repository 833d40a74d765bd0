"""The public endpoint that tells a HiAPI model's input schema; it needs no key."""

from collections.abc import Iterator
from dataclasses import dataclass

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
    headers, asks_proxy = {"User-Agent": "darkroom-cli"}, not is_loopback(url)
    with httpx.Client(
        base_url=url.rstrip("/"), headers=headers, timeout=timeout_s, follow_redirects=True, trust_env=asks_proxy
    ) as http:
        for model in catalogue.models.values():
            for route in model.routes.values():
                if route.upstream == UPSTREAM:
                    yield Compared(model.id, route.name, _changes(route, _live(http, _name(route))))


def _name(route: Route) -> str:
    """What the endpoint calls a route: `model@route`, the model alone on its default one (HiAPI's price list does too)."""
    return route.wire_model if route.name == DEFAULT_ROUTE else f"{route.wire_model}@{route.wire_route}"


def _changes(route: Route, live: Json | None) -> list[str]:
    return [GONE] if live is None else drift(route.schema, live)


def _live(http: httpx.Client, name: str) -> Json | None:
    """The live schema, None where there is no such model (HiAPI's skills, GET /api/models/content)."""
    try:
        answer = http.get("/api/models/content", params={"name": name})
        found = answer.json()
    except httpx.HTTPError as error:
        raise ApiUnreachable(f"the schema host {http.base_url} does not answer: {error or type(error).__name__}") from error
    except ValueError as error:
        raise ApiUnreachable(f"what answers at {http.base_url} is not the schema host") from error
    if answer.status_code in _GONE and isinstance(found, dict):
        return None
    data = found.get("data") if isinstance(found, dict) else None
    schema = data.get("input_schema") if isinstance(data, dict) else None
    if answer.status_code != 200 or not isinstance(schema, dict):
        raise ApiUnreachable(f"the schema host answered {answer.status_code} for {name}, without a schema")
    return schema
