"""The main job over HTTP, with everything that goes wrong on the way, checked against the upstream's own ledger."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.client import ApiRefused
from local.simulator.admin import SimulatorAdmin
from tests.pipeline.running import KEY, MODEL, Up, wait_for


@pytest.fixture(scope="module")
def upstream(up: Up) -> Iterator[SimulatorAdmin]:
    with up.simulator() as admin:
        yield admin


def row_of(upstream: SimulatorAdmin, task: dict[str, Any]) -> dict[str, Any]:
    return upstream.task(task["upstream_task_id"])


def test_a_callback_brings_one_picture_home_for_one_generation(up: Up, upstream: SimulatorAdmin, tmp_path: Path) -> None:
    task = up.finish(up.ask("a plain success", aspect_ratio="16:9"))

    row = row_of(upstream, task)
    saved = up.api.save(task["images"][0], tmp_path)
    assert task["status"] == "succeeded"
    assert task["settled_by"] == "callback"
    assert (row["posts"], row["gets"], row["billed"], len(row["downloads"])) == (1, 0, True, 1)
    assert task["images"][0]["width"] > task["images"][0]["height"]
    assert saved.stat().st_size == task["images"][0]["bytes"]
    assert saved.suffix == ".png"
    assert list(tmp_path.iterdir()) == [saved]


def test_three_callbacks_two_of_them_at_once_store_one_picture(up: Up, upstream: SimulatorAdmin) -> None:
    task = up.finish(up.ask("heard three times [sim:callback-concurrent n=2 more=1]"))

    row = wait_for(lambda: found if len((found := row_of(upstream, task))["deliveries"]) == 3 else None, "three deliveries")
    assert task["status"] == "succeeded"
    assert [delivery["status"] for delivery in row["deliveries"]] == [200, 200, 200]
    assert len(row["downloads"]) == 1
    assert len(up.api.task(task["id"])["images"]) == 1


def test_a_lost_callback_is_made_good_by_the_reconciler(up: Up, upstream: SimulatorAdmin) -> None:
    task = up.finish(up.ask("never heard of again [sim:callback-lost]"))

    row = row_of(upstream, task)
    assert task["status"] == "succeeded"
    assert task["settled_by"] == "poll"
    assert (row["posts"], len(row["deliveries"]), len(row["downloads"])) == (1, 0, 1)
    assert row["gets"] >= 1


def test_an_upstream_failure_ends_the_task_with_the_upstreams_reason(up: Up) -> None:
    task = up.finish(up.ask("cannot be painted [sim:fail code=TASK_FAILED message='the canvas burnt']"))

    assert task["status"] == "failed"
    assert task["error"]["upstream"]["message"] == "the canvas burnt"
    assert task["images"] == []


def test_a_refused_request_names_its_field_and_costs_nothing(up: Up, upstream: SimulatorAdmin) -> None:
    posts, tasks = upstream.totals()["posts"], len(up.api.tasks({"limit": 100})["data"])

    with pytest.raises(ApiRefused) as refused:
        up.ask("too wide", aspect_ratio="99:1")

    assert refused.value.problem["status"] == 422
    assert [fault["pointer"] for fault in refused.value.problem["errors"]] == ["/input/aspect_ratio"]
    assert upstream.totals()["posts"] == posts
    assert len(up.api.tasks({"limit": 100})["data"]) == tasks


def test_a_dropped_answer_is_asked_for_again_and_paid_for_once(up: Up, upstream: SimulatorAdmin) -> None:
    task = up.finish(up.ask("answered into the void [sim:create-dropped-accepted]"))

    totals = upstream.ledger()["by_key"][f"{task['id']}:1"]
    assert task["status"] == "succeeded"
    assert totals["billed"] == 1


def test_many_requests_with_one_key_at_once_make_one_task(up: Up, upstream: SimulatorAdmin) -> None:
    before = upstream.totals()["billed"]
    found: list[dict[str, Any]] = []
    askers = [
        threading.Thread(target=lambda: found.append(up.ask("asked eight times at once", key="eight-at-once"))) for _ in range(8)
    ]

    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    task = up.finish(found[0])

    assert len(found) == 8
    assert {one["id"] for one in found} == {task["id"]}
    assert upstream.totals()["billed"] == before + 1


def test_a_forged_callback_is_refused_and_the_true_end_found_all_the_same(up: Up, upstream: SimulatorAdmin) -> None:
    task = up.finish(up.ask("told by a liar first [sim:callback-forged]"))

    assert task["status"] == "succeeded"
    assert row_of(upstream, task)["deliveries"][0]["status"] == 401


def test_waiting_for_the_end_takes_one_request(up: Up) -> None:
    answer = httpx.post(
        f"{up.url}/v1/tasks",
        json={"model": MODEL, "input": {"prompt": "worth waiting for"}},
        headers={"Authorization": f"Bearer {KEY}", "Prefer": "wait=20"},
        timeout=60,
    )

    assert answer.status_code == 200
    assert answer.json()["status"] == "succeeded"
    assert answer.headers["preference-applied"] == "wait=20"


def test_a_picture_needs_the_key_but_its_address_does_not(up: Up) -> None:
    image = up.finish(up.ask("looked at in a browser"))["images"][0]

    without_key = httpx.get(up.url + image["url"])
    with_key = httpx.get(up.url + image["url"], headers={"Authorization": f"Bearer {KEY}"})
    bytes_ = httpx.get(with_key.headers["location"])

    assert without_key.status_code == 401
    assert with_key.status_code == 302
    assert bytes_.status_code == 200
    assert len(bytes_.content) == image["bytes"]
    assert bytes_.headers["content-type"] == "image/png"


def test_a_large_picture_passes_through_whole(up: Up, tmp_path: Path) -> None:
    task = up.finish(up.ask("a picture of thirty megabytes [sim:output-padded bytes=30000000]"))

    assert task["images"][0]["bytes"] == 30_000_000
    assert up.api.save(task["images"][0], tmp_path).stat().st_size == 30_000_000


def test_a_model_that_is_too_busy_hands_its_task_to_the_presets_next_one(up: Up, upstream: SimulatorAdmin) -> None:
    upstream.arm("create-503", match={"prompt": "not by this model"})

    task = up.finish(up.api.create({"preset": "poster", "input": {"prompt": "not by this model"}}))

    first, second = task["attempts"]
    assert task["status"] == "succeeded"
    assert (first["outcome"], first["charged"], second["kind"], second["outcome"]) == (
        "upstream_unavailable",
        "no",
        "fallback",
        "succeeded",
    )
    assert (task["model"], task["settled_by"]) == (second["model"], "callback")
    assert row_of(upstream, task)["idempotency_key"] == f"{task['id']}:2"
    assert billed_for(upstream, task) == 1


def test_a_proxys_503_behind_which_the_work_was_begun_is_never_made_good_by_another_model(
    up: Up, upstream: SimulatorAdmin
) -> None:
    prompt = "begun behind a proxy"
    upstream.arm("create-503-accepted", match={"prompt": prompt}, envelope="E-f")

    task = up.finish(up.api.create({"preset": "poster", "input": {"prompt": prompt}}))

    assert (task["status"], len(task["attempts"])) == ("succeeded", 1)
    assert billed_for(upstream, task) == 1


def test_a_model_that_is_down_is_tried_again_by_itself(up: Up, upstream: SimulatorAdmin) -> None:
    upstream.arm("create-400", match={"prompt": "down for a moment"}, error_code="MODEL_UNAVAILABLE")

    task = up.finish(up.ask("down for a moment"))

    assert task["status"] == "succeeded"
    assert [(one["kind"], one["outcome"]) for one in task["attempts"]] == [
        ("first", "model_unavailable"),
        ("automatic_retry", "succeeded"),
    ]
    assert billed_for(upstream, task) == 1


def test_a_failure_that_may_have_been_charged_waits_for_a_person(up: Up, upstream: SimulatorAdmin) -> None:
    task = up.finish(up.ask("fails and may cost [sim:fail code=TASK_TIMEOUT]"))

    assert (task["status"], task["attempt"], task["error"]["charged"]) == ("failed", 1, "unknown")
    assert len(task["attempts"]) == 1


def billed_for(upstream: SimulatorAdmin, task: dict[str, Any]) -> int:
    """How many generations of all the task's attempts were billed."""
    by_key = upstream.ledger()["by_key"]
    return sum(totals["billed"] for key, totals in by_key.items() if key.startswith(task["id"]))


def test_a_generation_that_pixapi_could_not_finish_is_tried_again_for_nothing(up: Up, upstream: SimulatorAdmin) -> None:
    upstream.arm("fail", match={"prompt": "unfinished at first"}, code="internal_error", message="try again", billed=False)

    task = up.finish(up.api.create({"model": "pixapi/gpt-image-2", "input": {"prompt": "unfinished at first"}}))

    assert task["status"] == "succeeded"
    assert [(one["kind"], one["outcome"], one["charged"]) for one in task["attempts"]] == [
        ("first", "generation_failed", "no"),
        ("automatic_retry", "succeeded", "yes"),
    ]
