"""Every problem document: what each code says of itself, and in which forms it comes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import functions.api.app as app
from darkroom.errors import ConfigurationError, StorageUnavailable
from tests.functions.api.client import Api, MemoryServices, Reply, allow
from tests.functions.api.test_codes import SCENARIOS, Scenario
from tests.net.lives import seen
from tests.net.recording import Facts
from tests.net.stage import served

MORE_FORMS: dict[str, Scenario] = {
    "a query that is not known": lambda api, _: api.get("/v1/tasks", query="colour=red"),
    "a body where none is taken": lambda api, _: api.post("/v1/admin/reconcile", {"now": True}),
    "a key for some presets, another preset": lambda api, services: api.create(key=_limited(services)),
    "no key at all": lambda api, _: api.get("/v1/tasks", key=None),
    "no such image": lambda api, _: api.get("/v1/images/img_1"),
    "no such path": lambda api, _: api.get("/v2"),
    "a fault of ours, where a repeat does no harm": lambda api, services: _broken(
        api, services, RuntimeError("scripted"), key="k"
    ),
    "a fault of ours, where a repeat may be paid": lambda api, services: _broken(api, services, RuntimeError("scripted")),
    "a deployment that is not complete": lambda api, services: _broken(api, services, ConfigurationError("scripted")),
    "no answer of ours, where a repeat does no harm": lambda api, services: _broken(
        api, services, StorageUnavailable("x"), key="k"
    ),
    "no answer of ours, where a repeat may be paid": lambda api, services: _broken(api, services, StorageUnavailable("x")),
}


def facts() -> Facts:
    """Return what each code's documents have in common, and the forms in which they differ."""
    documents: dict[str, list[Reply]] = {}
    for scenario in (*SCENARIOS.values(), *MORE_FORMS.values()):
        reply = _reply(scenario)
        documents.setdefault(reply.code, []).append(reply)
    every = [reply for replies in documents.values() for reply in replies]
    members, headers = set.intersection(*({*one.json} for one in every)), set.intersection(*({*one.headers} for one in every))
    return {
        "every document of the API": {
            "content type": _all_of(one.headers["Content-Type"] for one in every),
            "headers": _all_of(headers),
            "members": _all_of(members),
        },
        "of the API": {code: _form(replies, members | headers) for code, replies in documents.items()},
        "of callbacks": {code: _callback_form(one) for code, one in _callbacks()},
    }


def _reply(scenario: Scenario) -> Reply:
    services = MemoryServices()
    with served(app, services):
        return scenario(Api(services), services)


def _form(replies: list[Reply], everywhere: set[str]) -> dict[str, Any]:
    told = [reply.json for reply in replies]
    form = {
        "each of errors": _all_of(", ".join(sorted(error)) for one in told for error in one.get("errors", ())),
        "further headers": _all_of(name for reply in replies for name in reply.headers.keys() - everywhere),
        "further members": _all_of(name for one in told for name in one.keys() - everywhere),
        "retryable": _all_of(one["retryable"] for one in told),
        "status": _all_of(str(one["status"]) for one in told),
        "title": _all_of(one["title"] for one in told),
        "type": _all_of(one["type"] for one in told),
    }
    return {name: value for name, value in form.items() if value}


def _all_of(words: Iterable[str]) -> str:
    return "; ".join(sorted({*words}))


def _callbacks() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for answer in seen().callback_answers:
        if answer["statusCode"] >= 400:
            yield json.loads(answer["body"]).get("code", "without a code"), answer


def _callback_form(answer: Mapping[str, Any]) -> dict[str, str]:
    return {
        "content type": answer["headers"]["Content-Type"],
        "members": _all_of(json.loads(answer["body"])),
        "status": str(answer["statusCode"]),
    }


def _limited(services: MemoryServices) -> str:
    key = "drk_drafts-only-00000000000000"
    found = allow(services, key, owner="dev", scopes=("tasks:write",))
    services.api_keys.keys[found.id] = replace(found, presets=frozenset({"draft"}))
    return key


def _broken(api: Api, services: MemoryServices, error: Exception, *, key: str | None = None) -> Reply:
    def fail(_: str) -> None:
        raise error

    services.tasks.on_call = fail
    return api.create(**({} if key is None else {"idempotency_key": key}))
