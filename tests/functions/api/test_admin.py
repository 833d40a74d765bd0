"""The operators' routes."""

from dataclasses import replace
from typing import Any

import pytest

from darkroom.domain.admission import Limits
from darkroom.domain.breaker import ACCOUNT
from darkroom.ports import Job
from tests.functions.api.client import START, Api, MemoryServices
from tests.support.tasks import a_task, submitted


def test_a_new_key_is_shown_once_and_works_with_its_scopes(api: Api) -> None:
    made = api.post("/v1/admin/keys", {"owner": "shop", "scopes": ["tasks:read"], "name": "web shop"})

    key = made.json["key"]
    listed = {one["id"]: one for one in api.get("/v1/admin/keys").json["data"]}
    assert made.status == 201
    assert key.startswith("drk_")
    assert len(key) == 47
    assert listed[made.json["id"]] == {name: value for name, value in made.json.items() if name != "key"}
    assert listed[made.json["id"]]["hint"] == key[-4:]
    assert key not in api.get("/v1/admin/keys").text
    assert api.get("/v1/tasks", key=key).status == 200
    assert api.create(key=key).status == 403


def test_a_revoked_key_opens_nothing(api: Api, services: MemoryServices) -> None:
    made = api.post("/v1/admin/keys", {"owner": "shop", "scopes": ["tasks:read"]}).json

    revoked = api.call("DELETE", f"/v1/admin/keys/{made['id']}")
    again = api.call("DELETE", f"/v1/admin/keys/{made['id']}")

    assert (revoked.status, revoked.text, again.status) == (204, "", 204)
    assert "Content-Type" not in revoked.headers
    assert api.get("/v1/tasks", key=made["key"]).status == 401
    assert services.api_keys.keys[made["id"]].revoked_at == services.clock()


def test_an_unknown_key_cannot_be_revoked(api: Api) -> None:
    assert api.call("DELETE", "/v1/admin/keys/key_0123456789abcdef01234567").code == "not_found"


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({"scopes": ["admin"]}, "/owner", "is required"),
        ({"owner": "shop"}, "/scopes", "is required"),
        ({"owner": "a/b", "scopes": ["admin"]}, "/owner", "letters, digits"),
        ({"owner": "shop\n", "scopes": ["admin"]}, "/owner", "letters, digits"),
        ({"owner": "", "scopes": ["admin"]}, "/owner", "letters, digits"),
        ({"owner": "shop", "scopes": []}, "/scopes", "at least 1 entries"),
        ({"owner": "shop", "scopes": ["admin"] * 4}, "/scopes", "at most 3 entries"),
        ({"owner": "shop", "scopes": ["root"]}, "/scopes/0", "must be one of 'tasks:write', 'tasks:read', 'admin'"),
        ({"owner": "shop", "scopes": "admin"}, "/scopes", "must be a list"),
        ({"owner": "shop", "scopes": ["admin"], "name": ""}, "/name", "at least 1 characters"),
        ({"owner": "shop", "scopes": ["admin"], "key": "drk_mine"}, "/key", "unknown field"),
        ({"owner": "shop", "scopes": ["tasks:write"], "presets": []}, "/presets", "at least 1 entries"),
        ({"owner": "shop", "scopes": ["tasks:write"], "presets": ["A b"]}, "/presets/0", "such as poster or poster@1"),
        ({"owner": "shop", "scopes": ["tasks:write"], "presets": ["poster", "postre"]}, "/presets/1", "there are draft, poster"),
        ({"owner": "shop", "scopes": ["tasks:write"], "presets": ["poster@9"]}, "/presets/0", "no such preset"),
        ({"owner": "shop", "scopes": ["admin"], "presets": ["poster"]}, "/presets", "cannot be limited"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    api: Api, services: MemoryServices, body: dict[str, Any], pointer: str, says: str
) -> None:
    before = dict(services.api_keys.keys)

    reply = api.post("/v1/admin/keys", body)

    assert reply.status == 422
    assert says in reply.faults[pointer]
    assert services.api_keys.keys == before


def test_a_sweep_by_hand_looks_at_what_is_overdue(api: Api, services: MemoryServices) -> None:
    services.tasks.add(submitted(a_task(at=START)))
    services.clock.now += 120

    reply = api.post("/v1/admin/reconcile")

    assert (reply.status, reply.json) == (200, {"looked_at": 1, "moved": 0})
    assert len(services.gateway.looked) == 1


def test_the_upstreams_accounts_are_shown_as_they_are(api: Api, services: MemoryServices) -> None:
    services.settings = replace(services.settings, limits={"hiapi": Limits(account="hiapi", in_flight=1)})
    for _ in range(3):
        api.create()
    calm = api.get("/v1/admin/upstreams").json["data"]
    account = services.accounts.get("hiapi")
    services.accounts.accounts["hiapi"] = account.put_off(
        None, now=START, retry_after=60, limited=False, limits=services.limits_of("hiapi")
    )

    paused = api.get("/v1/admin/upstreams").json["data"]

    assert [one["id"] for one in calm] == ["hiapi", "pixapi"]
    assert calm[:1] == [
        {
            "object": "upstream_account",
            "id": "hiapi",
            "in_flight": 1,
            "in_flight_limit": 1,
            "in_flight_configured": 1,
            "waiting": 2,
            "requests": 1,
            "requests_limit": 60,
            "requests_configured": 60,
            "not_before": None,
            "shut": [],
        }
    ]
    assert paused[0]["not_before"] == "2025-11-20T00:54:20.250Z"


def test_a_paused_account_is_shown_and_resumed(api: Api, services: MemoryServices) -> None:
    account = services.accounts.get("hiapi")
    services.accounts.accounts["hiapi"] = account.shut_off(ACCOUNT, "upstream_quota", now=START)
    waiting = api.create().json

    shown = api.get("/v1/admin/upstreams").json["data"][0]["shut"]
    resumed = api.post("/v1/admin/upstreams/hiapi/resume", {})

    assert shown == [
        {
            "model": None,
            "owner": None,
            "since": "2025-11-20T00:53:20.250Z",
            "why": "upstream_quota",
            "probe_at": "2025-11-20T00:54:20.250Z",
        }
    ]
    assert (resumed.status, resumed.json["shut"], resumed.json["in_flight"]) == (200, [], 1)
    assert [job.task_id for job in services.queue.jobs] == [waiting["id"]]
    assert api.post("/v1/admin/upstreams/nobody/resume", {}).status == 404


def test_dead_letters_go_back_to_the_queue(api: Api, services: MemoryServices) -> None:
    services.queue.dead = [Job(do="store", task_id="task_1", attempt=1)] * 3

    reply = api.post("/v1/admin/redrive", {})

    assert (reply.status, reply.json, len(services.queue.jobs)) == (200, {"moved": 3}, 3)


@pytest.mark.parametrize("path", ["/v1/admin/reconcile", "/v1/admin/redrive"])
def test_the_verbs_take_no_fields(api: Api, path: str) -> None:
    assert list(api.post(path, {"limit": 5}).faults) == ["/limit"]
