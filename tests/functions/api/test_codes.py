"""Every code of the contract is reached, with its status."""

from collections.abc import Callable

import pytest

from darkroom.errors import StorageUnavailable
from darkroom.usecases.store_pictures import picture_key
from darkroom.web.problems import KINDS
from tests.functions.api.client import START, Api, MemoryServices, Reply, allow, poster
from tests.support.memory import Stored
from tests.support.tasks import a_task, storing, submitted, succeeded

Scenario = Callable[[Api, MemoryServices], Reply]

SCENARIOS: dict[str, Scenario] = {
    "malformed_json": lambda api, _: api.post("/v1/tasks", raw="{"),
    "invalid_header": lambda api, _: api.create(idempotency_key="two words"),
    "invalid_query": lambda api, _: api.get("/v1/tasks", query="limit=0"),
    "unauthorized": lambda api, _: api.create(key="drk_nobody"),
    "scope_missing": lambda api, services: api.create(key=_reader(services)),
    "not_found": lambda api, _: api.get("/v1/tasks/task_1"),
    "method_not_allowed": lambda api, _: api.call("PUT", "/v1/tasks"),
    "already_terminal": lambda api, services: _cancel(api, services, succeeded(a_task(at=START))),
    "too_late": lambda api, services: _cancel(api, services, storing(submitted(a_task(at=START)))),
    "not_terminal": lambda api, _: api.post(f"/v1/tasks/{api.create().json['id']}/retry"),
    "image_gone": lambda api, services: _deleted(api, services),
    "too_large": lambda api, _: api.post("/v1/tasks", poster("x" * 300_000)),
    "unsupported_media_type": lambda api, _: api.post("/v1/tasks", poster(), content_type="text/plain"),
    "invalid_request": lambda api, _: api.post("/v1/tasks", {}),
    "idempotency_mismatch": lambda api, _: (api.create("a", idempotency_key="k"), api.create("b", idempotency_key="k"))[1],
    "internal_error": lambda api, services: _broken(api, services, RuntimeError("scripted")),
    "unavailable": lambda api, services: _broken(api, services, StorageUnavailable("scripted")),
}


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_code_is_reached(api: Api, services: MemoryServices, code: str) -> None:
    reply = SCENARIOS[code](api, services)

    assert (reply.status, reply.code) == (KINDS[code].status, code)


def _reader(services: MemoryServices) -> str:
    allow(services, "drk_reader-0000000000", owner="dev", scopes=("tasks:read",))
    return "drk_reader-0000000000"


def _cancel(api: Api, services: MemoryServices, task: object) -> Reply:
    services.tasks.add(task)
    return api.post(f"/v1/tasks/{task.id}/cancel")


def _deleted(api: Api, services: MemoryServices) -> Reply:
    task = succeeded(a_task(at=START))
    services.tasks.add(task)
    services.bucket.objects[picture_key(task, 1, 0)] = Stored(content=b"", content_type="image/png", filename="a")
    url = api.get(f"/v1/tasks/{task.id}").json["images"][0]["url"]
    assert api.get(url).status == 302
    services.bucket.objects.clear()
    return api.get(url)


def _broken(api: Api, services: MemoryServices, error: Exception) -> Reply:
    def fail(_: str) -> None:
        raise error

    services.tasks.on_call = fail
    return api.get("/v1/tasks")
