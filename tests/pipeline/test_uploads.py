"""Reference images through the running stack: what the upstream fetches are the very bytes that were uploaded."""

import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from local.parts import STACK
from tests.pipeline.running import Up
from tests.support.aws import clients_at

EDIT = "gpt-image-2/image-to-image"


def picture(colour: str, kind: str = "PNG") -> bytes:
    """A small picture; no two colours have the same bytes."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, kind)
    return file.getvalue()


def edit(up: Up, prompt: str, *images: dict[str, str]) -> dict[str, Any]:
    task: dict[str, Any] = up.api.create({"model": EDIT, "input": {"prompt": prompt, "images": list(images)}})
    return up.finish(task)


def references(up: Up, task: dict[str, Any]) -> list[dict[str, Any]]:
    """What the upstream had fetched for the task."""
    with up.simulator() as upstream:
        found: list[dict[str, Any]] = upstream.task(task["upstream_task_id"])["references"]
    return found


def body_sent(up: Up, task: dict[str, Any]) -> dict[str, Any]:
    with up.simulator() as upstream:
        found: dict[str, Any] = json.loads(upstream.task(task["upstream_task_id"])["body"])
    return found


@pytest.mark.parametrize(("kind", "content_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_the_upstream_fetches_the_very_bytes_that_were_uploaded(up: Up, kind: str, content_type: str) -> None:
    content = picture("red", kind)
    upload = up.api.upload(content, content_type)

    task = edit(up, f"the same in blue, from {kind}", {"upload": upload}, {"url": "https://a.example/kite.png"})

    first, second = references(up, task)
    assert task["status"] == "succeeded"
    assert first == {
        "kind": "url",
        "fetched": True,
        "content_type": content_type,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert second == {"kind": "url", "host": "a.example", "fetched": False}


def test_a_chat_is_handed_the_upload_too_where_the_own_catalogue_says_that_its_model_takes_references() -> None:
    content = picture("brown")
    takes = {"schema": {"properties": {"images": {"type": "array"}}}, "images": {"field": "images", "most": 1, "takes": ["url"]}}
    own = {"models": {"Nano-Banana": {"routes": {"chat": takes}}}}

    with Up(DARKROOM_CATALOGUE_KEY="config/own.json") as up:
        clients_at(up.about["store_url"]).s3.put_object(
            Bucket=f"{STACK}-bucket", Key="config/own.json", Body=json.dumps(own).encode()
        )
        upload = up.api.upload(content, "image/png")
        wanted = {"prompt": "the kite, larger", "images": [{"upload": upload}]}
        task = up.finish(up.api.create({"model": "Nano-Banana", "route": "chat", "input": wanted}))
        with up.simulator() as upstream:
            (row,) = (one for one in upstream.ledger()["tasks"].values() if upload in one["body"])

    assert task["status"] == "succeeded"
    assert [one["sha256"] for one in row["references"]] == [hashlib.sha256(content).hexdigest()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_can_upload_with_what_the_api_says(up: Up, tmp_path: Path) -> None:
    content = picture("green")
    (tmp_path / "mug.png").write_bytes(content)
    upload = up.api.call("POST", "/v1/uploads", body={"content_type": "image/png", "size": len(content)})
    # curl says the length by itself.
    headers = [f"{name}: {value}" for name, value in upload["headers"].items() if name != "Content-Length"]
    command = [
        "curl",
        "-sS",
        "--noproxy",
        "*",
        "-o",
        str(tmp_path / "said"),
        "-w",
        "%{http_code}",
        "-T",
        str(tmp_path / "mug.png"),
    ]

    first, again = (
        subprocess.run(
            [*command, *(part for header in headers for part in ("-H", header)), upload["url"]],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        ).stdout
        for _ in range(2)
    )

    assert (first, again) == ("200", "412")
    (fetched,) = references(up, edit(up, "the mug at night", {"upload": upload["id"]}))
    assert fetched["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_address_that_a_task_was_sent_with_opens_the_upload_and_nothing_else(up: Up) -> None:
    content = picture("yellow")
    task = edit(up, "brighter", {"upload": up.api.upload(content, "image/png")})

    (address,) = body_sent(up, task)["input"]["input_urls"]

    opened = httpx.get(address)
    assert (opened.status_code, opened.content, opened.headers["Content-Type"]) == (200, content, "image/png")


def test_a_task_that_had_to_wait_is_sent_with_an_address_that_works(up: Up) -> None:
    content = picture("purple")
    upload = up.api.upload(content, "image/png")

    task = edit(up, "patiently [sim:create-503]", {"upload": upload})

    (fetched,) = references(up, task)
    assert task["status"] == "succeeded"
    assert fetched["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_task_whose_answer_was_lost_is_billed_once_and_refers_to_the_same_address(up: Up) -> None:
    upload = up.api.upload(picture("orange"), "image/png")

    task = edit(up, "once [sim:create-dropped-accepted]", {"upload": upload})

    with up.simulator() as upstream:
        counted = upstream.ledger()["by_key"][f"{task['id']}:1"]
    assert task["status"] == "succeeded"
    assert counted["billed"] == 1
    assert counted["accepted"] == 1


def test_the_command_uploads_a_file_and_asks_with_it(up: Up, tmp_path: Path) -> None:
    content = picture("black", "JPEG")
    # A name says nothing; the bytes do.
    (tmp_path / "photo.png").write_bytes(content)

    done = up.cli("create", "in colour", "--image", str(tmp_path / "photo.png"), "--watch", "--json")

    (fetched,) = references(up, done.found)
    assert (done.status, done.found["model"]) == (0, EDIT)
    assert (fetched["content_type"], fetched["sha256"]) == ("image/jpeg", hashlib.sha256(content).hexdigest())


def test_the_command_takes_addresses_and_uploads_too(up: Up) -> None:
    upload = up.api.upload(picture("white"), "image/png")

    done = up.cli("create", "both", "--image", upload, "--image", "https://a.example/1.png", "--watch", "--json")

    assert [one["fetched"] for one in references(up, done.found)] == [True, False]


def test_the_command_refuses_what_is_no_image_before_it_asks(up: Up, tmp_path: Path) -> None:
    (tmp_path / "drawing.svg").write_text("<svg/>")

    svg, missing = (up.cli("create", "x", "--image", str(tmp_path / name)) for name in ("drawing.svg", "nowhere.png"))

    assert (svg.status, missing.status) == (2, 2)
    assert "is no PNG, JPEG or WebP image" in svg.err
    assert "No such file" in missing.err
