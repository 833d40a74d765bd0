"""Every way to a gateway through the whole stack: what comes home, what goes wrong, and what it costs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from local.contact_sheet import Print, write_sheet
from local.five_ways import WAYS, FiveWays, Taken, Way, strays
from local.parts import STACK
from local.simulator.admin import SimulatorAdmin
from tests.pipeline.running import Up, wait_for
from tests.pipeline.test_queue import waiting
from tests.support.aws import clients_at

BY_NAME = {way.upstream: way for way in WAYS}
SYNCHRONOUS = [way for way in WAYS if way.settled_by == ("create",)]
POSTED_ONCE = [way for way in WAYS if way.upstream != "hiapi"]
each = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.upstream)
each_synchronous = pytest.mark.parametrize("way", SYNCHRONOUS, ids=lambda way: way.upstream)
each_posted_once = pytest.mark.parametrize("way", POSTED_ONCE, ids=lambda way: way.upstream)


@pytest.fixture(scope="module")
def upstream(up: Up) -> Iterator[SimulatorAdmin]:
    with up.simulator() as admin:
        yield admin


def ask(up: Up, way: Way, prompt: str, **more: Any) -> dict[str, Any]:
    route = {"route": way.route} if way.route else {}
    return up.api.create({"model": way.model, **route, "input": {"prompt": prompt, **more.pop("input", {})}, **more})


def rows_of(upstream: SimulatorAdmin, prompt: str) -> list[dict[str, Any]]:
    return [row for row in upstream.ledger()["tasks"].values() if prompt in row["body"]]


@each
def test_every_way_brings_a_whole_picture_home_for_one_generation(
    up: Up, upstream: SimulatorAdmin, way: Way, tmp_path: Path
) -> None:
    prompt = f"a plain success by {way.upstream}"

    task = up.finish(ask(up, way, prompt))

    (row,) = rows_of(upstream, prompt)
    saved = up.api.save(task["images"][0], tmp_path)
    assert (task["status"], task["upstream"], row["posts"], row["billed"]) == ("succeeded", way.upstream, 1, True)
    assert task["settled_by"] in way.settled_by
    assert task["submitted_at"]
    assert saved.stat().st_size == task["images"][0]["bytes"]
    with Image.open(saved) as picture:
        picture.verify()


@each
def test_a_generation_that_fails_ends_its_task(up: Up, way: Way) -> None:
    task = up.finish(ask(up, way, f"[sim:fail code=TASK_FAILED message='the canvas burnt'] {way.upstream}"))

    error = task["error"]
    assert task["images"] == []
    if way in SYNCHRONOUS:
        # A 500 that does not say what was done leaves the outcome open; what it did say is kept for a person.
        assert (task["status"], error["code"], error["charged"]) == ("expired", "submission_outcome_unknown", "unknown")
        assert "the canvas burnt" in error["upstream"]["last_body"]
    else:
        assert (task["status"], error["upstream"]["message"]) == ("failed", "the canvas burnt")


@pytest.mark.parametrize("way", [way for way in WAYS if "pixapi" in way.upstream], ids=lambda way: way.upstream)
def test_pixapis_refusal_of_a_prompt_is_content_rejected_and_free(up: Up, way: Way) -> None:
    task = up.finish(ask(up, way, f"[sim:fail code=prompt_rejected message='not this'] {way.upstream}"))

    error = task["error"]
    assert (task["status"], error["code"], error["charged"]) == ("failed", "content_rejected", "no")
    assert error["upstream"]["code"] == "prompt_rejected"


@pytest.mark.parametrize("model", ["gpt-image-2-beta", "gpt-image-1.5"])
def test_base64_is_stored_and_never_downloaded(up: Up, upstream: SimulatorAdmin, model: str) -> None:
    prompt = f"[sim:answer-shape shape=b64] base64 from {model}"

    task = up.finish(up.api.create({"model": model, "input": {"prompt": prompt}}))

    (row,) = rows_of(upstream, f"base64 from {model}")
    assert (task["status"], len(task["images"]), row["downloads"]) == ("succeeded", 1, [])


def test_the_chats_picture_is_a_data_uri_in_its_words(up: Up, upstream: SimulatorAdmin) -> None:
    task = up.finish(ask(up, BY_NAME["hiapi_chat"], "painted in words"))

    (row,) = rows_of(upstream, "painted in words")
    assert (task["status"], task["images"][0]["content_type"], row["downloads"]) == ("succeeded", "image/jpeg", [])


@pytest.mark.parametrize(
    ("model", "route"), [("qwen-image-2.0", "images"), ("pixapi/gpt-image-2", "default"), ("pixapi/gpt-image-2", "sync")]
)
def test_several_outputs_are_stored_each_on_its_own(up: Up, model: str, route: str) -> None:
    task = up.finish(up.api.create({"model": model, "route": route, "input": {"prompt": "three of them", "n": 3}}))

    assert [image["index"] for image in task["images"]] == [0, 1, 2]
    assert len({image["sha256"] for image in task["images"]}) == 3


@each_posted_once
def test_a_connection_that_drops_after_the_work_began_is_never_made_good_by_a_second_generation(
    up: Up, upstream: SimulatorAdmin, way: Way
) -> None:
    prompt = f"nobody heard the answer of {way.upstream}"

    task = up.finish(ask(up, way, f"[sim:create-dropped-accepted] {prompt}", timeout_s=60), timeout_s=120)

    rows = rows_of(upstream, prompt)
    assert (task["status"], task["error"]["code"]) == ("expired", "submission_outcome_unknown")
    assert (task["error"]["charged"], [(row["posts"], row["billed"]) for row in rows]) == ("unknown", [(1, True)])


@each_posted_once
def test_a_message_that_is_delivered_again_while_it_generates_sends_nothing(up: Up, upstream: SimulatorAdmin, way: Way) -> None:
    prompt = f"told twice to the worker: {way.upstream}"
    task = ask(up, way, f"[sim:latency seconds=3] {prompt}")
    wait_for(lambda: rows_of(upstream, prompt), "the POST")

    redeliver(up, {"do": "submit", "task_id": task["id"], "attempt": 1})
    ended = up.finish(task)

    (row,) = rows_of(upstream, prompt)
    assert (ended["status"], row["posts"]) == ("succeeded", 1)


def redeliver(up: Up, job: dict[str, Any]) -> None:
    sqs = clients_at(up.about["store_url"]).sqs
    url = sqs.get_queue_url(QueueName=f"{STACK}-tasks")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(job))
    wait_for(lambda: waiting(sqs, url) == 0, "the message to be taken")


@each_synchronous
def test_a_busy_gateway_is_asked_again_by_the_worker(up: Up, upstream: SimulatorAdmin, way: Way) -> None:
    prompt = f"busy at first: {way.upstream}"
    upstream.arm("create-429", match={"prompt": prompt}, retry_after=1)

    task = up.finish(ask(up, way, prompt))

    (row,) = rows_of(upstream, prompt)
    assert (task["status"], row["posts"], row["billed"]) == ("succeeded", 1, True)


def test_an_upstream_without_a_key_is_not_offered_and_its_models_are_refused() -> None:
    with Up(PIXAPI_BASE_URL="http://127.0.0.1:9") as up:
        models = {model["id"]: model["available"] for model in up.api.call("GET", "/v1/models")["data"]}
        told = up.cli("create", "a kite", "--model", "pixapi/gpt-image-2", "--json")

    assert (models["pixapi/gpt-image-2"], models["gpt-image-2/text-to-image"]) == (False, True)
    assert told.status == 3
    assert "no key for it in its secret" in told.found["errors"][0]["detail"]


# -- the demo's step ------------------------------------------------------------------------------------


def taken(way: Way, **changes: Any) -> Taken:
    facts = {"status": "succeeded", "upstream": way.upstream, "settled_by": way.settled_by[0], "images": [{}]}
    times = {"created_at": "2026-11-20T10:00:00Z", "terminal_at": "2026-11-20T10:00:02.5Z"}
    return Taken(way=way, task=facts | times | changes, file=None)


def test_five_ways_that_went_well_leave_nothing_to_say() -> None:
    five = FiveWays(taken=[taken(way) for way in WAYS], sheet=Path("sheet.png"), posts=5, billed=5)

    assert list(strays(five)) == []
    assert list(strays(replace(five, billed=6)))
    assert list(strays(replace(five, taken=[taken(WAYS[1], settled_by="poll")])))
    assert list(strays(replace(five, taken=[taken(WAYS[0], status="failed", images=[])])))
    assert five.taken[2].lines == (
        "HiAPI /v1/chat/completions",
        "gpt-image-2/text-to-image (route chat)",
        "2.5 s, in the answer itself",
    )


def test_a_sheet_shows_its_pictures_side_by_side(tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        Image.new("RGB", (900, 600), colour).save(tmp_path / f"{colour}.png")
    prints = [
        Print(file=tmp_path / "red.png", lines=("a", "b")),
        Print(file=tmp_path / "blue.png", lines=("c",)),
        Print(file=None, lines=("d",)),
    ]

    with Image.open(write_sheet(tmp_path / "sheet.png", "two", prints)) as sheet:
        colours = {colour for _, colour in sheet.getcolors(1 << 20) or ()}

    assert {(255, 0, 0), (0, 0, 255)} <= colours
    assert sheet.width > 3 * sheet.height / 2
