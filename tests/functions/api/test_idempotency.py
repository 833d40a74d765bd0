"""Idempotency-Key: one task for one key, however often and however simultaneously."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import functions.api.app as app
from darkroom.adapters.claims import DynamoClaims
from darkroom.adapters.dynamo import Table
from darkroom.adapters.table import DynamoTasks
from darkroom.catalogue.live import LiveCatalogue
from darkroom.catalogue.load import shipped
from darkroom.errors import StorageUnavailable
from tests.functions.api.client import STRANGER, Api, MemoryServices, Reply, poster
from tests.support.aws import Aws, moto

__all__ = ["moto"]


def test_the_same_key_and_body_answers_with_the_same_task_as_it_is_now(api: Api, services: MemoryServices) -> None:
    first = api.create(idempotency_key="order-1")
    task = services.tasks.get(first.json["id"])
    services.tasks.move(task, task.cancel_asked())

    again = api.create(idempotency_key="order-1")

    assert (first.status, again.status) == (202, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.json["id"] == first.json["id"]
    assert again.json["cancel_requested"] is True
    assert len(services.gateway.submitted) == 1


def test_a_repeat_is_answered_even_when_the_catalogue_would_refuse_it_today(api: Api, services: MemoryServices) -> None:
    first = api.create(idempotency_key="order-1")
    services.__dict__["catalogue"] = LiveCatalogue(
        shipped() | {"presets": {}}, own=None, routed={}, clock=services.clock, cache_s=60
    )

    again, other = api.create(idempotency_key="order-1"), api.create("another prompt", idempotency_key="order-1")

    assert (again.status, again.json["id"]) == (200, first.json["id"])
    assert other.status == 422


def test_a_quoted_key_is_the_bare_one(api: Api) -> None:
    first = api.create(idempotency_key='or"der')

    again = api.create(idempotency_key='"or\\"der"')

    assert again.json["id"] == first.json["id"]


def test_the_order_of_fields_white_space_and_notations_do_not_count(api: Api) -> None:
    first = api.post("/v1/tasks", raw='{"preset":"poster","input":{"prompt":"é"},"timeout_s":600}', idempotency_key="k")

    again = api.post(
        "/v1/tasks", raw='{ "timeout_s": 6.0e2, "input": {"prompt":"\\u00e9"},\n "preset":"poster" }', idempotency_key="k"
    )

    assert (again.status, again.json["id"]) == (200, first.json["id"])


def test_another_body_under_the_key_is_refused(api: Api, services: MemoryServices) -> None:
    first = api.create("a mug", idempotency_key="k")

    again = api.create("a jug", idempotency_key="k")

    assert (again.status, again.code) == (422, "idempotency_mismatch")
    assert first.json["id"] in again.json["detail"]
    assert len(services.gateway.submitted) == 1


def test_a_key_belongs_to_its_owner(api: Api) -> None:
    mine = api.create(idempotency_key="k")

    theirs = api.create(idempotency_key="k", key=STRANGER)

    assert theirs.status == 202
    assert theirs.json["id"] != mine.json["id"]


def test_a_create_and_a_retry_under_one_key_are_two_requests(api: Api, services: MemoryServices) -> None:
    task_id = api.create(idempotency_key="k").json["id"]
    task = services.tasks.get(task_id)
    services.tasks.move(task, task.canceled(services.clock(), charged="no", by="cancel"))

    reply = api.post(f"/v1/tasks/{task_id}/retry", idempotency_key="k")

    assert reply.code == "idempotency_mismatch"


@pytest.mark.parametrize("step", ["tasks.add", "tasks.add:done", "upstream.submit", "upstream.submit:done", "tasks.move"])
def test_a_crash_at_any_step_is_healed_by_sending_the_same_again(api: Api, services: MemoryServices, step: str) -> None:
    fault = _once(step)
    services.tasks.on_call = services.gateway.on_call = fault

    broken = api.create(idempotency_key="k")
    healed = api.create(idempotency_key="k")

    assert broken.status in (202, 500, 503)
    assert broken.status == 202 or broken.json["retryable"] == "same"
    assert healed.status in (200, 202)
    assert len(services.tasks.tasks) == 1
    assert len(services.gateway.generations) <= 1


def test_simultaneous_creates_with_one_key_make_one_task_and_one_submission(api: Api, services: MemoryServices) -> None:
    replies = _at_once(api, 8)

    _assert_one(replies, services)


@pytest.fixture
def on_dynamodb(services: MemoryServices, moto: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    table = Table(client=moto.clients.dynamodb, name=moto.table())
    services.tasks = DynamoTasks(table=table, clock=services.clock, retention_days=30)
    services.claims = DynamoClaims(table=table)
    monkeypatch.setattr(app, "services", lambda: services)
    return Api(services)


def test_simultaneous_creates_with_one_key_make_one_task_in_dynamodb_too(on_dynamodb: Api, services: MemoryServices) -> None:
    replies = _at_once(on_dynamodb, 6)

    _assert_one(replies, services)


def _at_once(api: Api, callers: int) -> list[Reply]:
    together = threading.Barrier(callers)

    def send(_: int) -> Reply:
        together.wait(30)
        return api.post("/v1/tasks", poster("a mug", metadata={"a": "b"}), idempotency_key="order-1")

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(send, range(callers)))


def _assert_one(replies: list[Reply], services: MemoryServices) -> None:
    assert {reply.status for reply in replies} == {200, 202}
    assert [reply.status for reply in replies].count(202) == 1
    assert len({reply.json["id"] for reply in replies}) == 1
    assert len(services.gateway.submitted) == 1


def _once(step: str) -> Any:
    left = [step]

    def crash(name: str) -> None:
        if name in left:
            left.remove(name)
            raise StorageUnavailable(f"scripted: {name}") if name.startswith("tasks.") else RuntimeError("scripted")

    return crash
