"""A key that is limited to presets asks for those, and for nothing else by any other way."""

from typing import Any

import pytest

from tests.functions.api.client import Api, MemoryServices, Reply, poster


@pytest.fixture
def limited(api: Api) -> Api:
    """Calls with a key that may ask for poster in every version, and for the first product."""
    made = api.post(
        "/v1/admin/keys",
        {"owner": "dev", "scopes": ["tasks:write", "tasks:read"], "presets": ["product@1", "poster"]},
    )
    assert made.json["presets"] == ["poster", "product@1"]
    return Api(api.services, key=made.json["key"])


def asked(limited: Api, **body: Any) -> Reply:
    return limited.post("/v1/tasks", body | {"input": {"prompt": "a kite"}})


@pytest.mark.parametrize("preset", ["poster", "poster@1", "product", "product@1"])
def test_it_may_ask_for_its_presets(limited: Api, preset: str) -> None:
    assert asked(limited, preset=preset).status == 202


@pytest.mark.parametrize(
    "body",
    [
        {"preset": "draft"},
        {"preset": "draft@1"},
        {"preset": "no-such-preset"},
        {"model": "gpt-image-2"},
        {"model": "no-such-model"},
        {"model": "gpt-image-2", "preset": "poster"},
    ],
)
def test_it_may_ask_for_nothing_else_and_is_told_what_it_may(
    limited: Api, services: MemoryServices, body: dict[str, Any]
) -> None:
    reply = asked(limited, **body)

    assert (reply.status, reply.code) == (403, "scope_missing")
    assert "the presets poster, product@1 only" in reply.json["detail"]
    assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]
    assert not services.tasks.tasks


def test_a_version_that_it_was_not_given_stays_closed(limited: Api, services: MemoryServices) -> None:
    services.__dict__["catalogue"] = with_second_product(services)

    newest, first = asked(limited, preset="product"), asked(limited, preset="product@1")

    assert (newest.status, first.status) == (403, 202)


def with_second_product(services: MemoryServices) -> Any:
    from darkroom.catalogue.live import LiveCatalogue, merged
    from darkroom.catalogue.load import shipped

    second = {"presets": {"product@2": shipped()["presets"]["product@1"]}}
    return LiveCatalogue(merged(shipped(), second), own=None, routed={}, clock=services.clock, cache_s=60)


def test_what_is_wrong_with_its_request_is_told_as_to_everybody(limited: Api) -> None:
    for body in ({}, {"preset": 7}, {"preset": "poster", "x": 1}):
        assert asked(limited, **body).status == 422


def test_it_sees_its_presets_only(limited: Api) -> None:
    assert [preset["id"] for preset in limited.get("/v1/presets").json["data"]] == ["poster@1", "product@1"]


@pytest.mark.parametrize(("body", "status"), [(poster(), 202), ({"model": "gpt-image-2", "input": {"prompt": "a"}}, 403)])
def test_it_may_run_again_what_it_may_ask_for(
    api: Api, limited: Api, services: MemoryServices, body: dict[str, Any], status: int
) -> None:
    task_id = api.post("/v1/tasks", body).json["id"]
    task = services.tasks.get(task_id)
    services.tasks.move(task, task.canceled(services.clock(), charged="no", by="cancel"))

    assert limited.post(f"/v1/tasks/{task_id}/retry").status == status


def test_a_key_without_a_limit_says_so(api: Api) -> None:
    made = api.post("/v1/admin/keys", {"owner": "dev", "scopes": ["tasks:write"]})

    assert made.json["presets"] is None
