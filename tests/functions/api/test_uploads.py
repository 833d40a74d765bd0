"""Reference images: uploads are the owner's, are looked at before anything is sent, and reach the gateway as addresses."""

import base64
import json
from typing import Any

import pytest

import functions.api.app as app
from darkroom.domain.uploads import LARGEST, LARGEST_INLINE, USABLE_S, new_upload_id, upload_key
from darkroom.errors import StorageUnavailable
from tests.functions.api.client import STRANGER, Api, Clock, MemoryServices, allow
from tests.support.gateway import PNG
from tests.support.memory import Stored

EDIT = "gpt-image-2/image-to-image"
WANTED = {"content_type": "image/png", "size": len(PNG)}


def prepare(api: Api) -> str:
    upload_id: str = api.post("/v1/uploads", WANTED).json["id"]
    return upload_id


def put(
    services: MemoryServices, upload: str, content: bytes = PNG, *, owner: str = "dev", content_type: str = "image/png"
) -> None:
    """What the presigned PUT does."""
    services.bucket.objects[upload_key(owner, upload)] = Stored(content=content, content_type=content_type, filename="")


def edit(api: Api, *images: Any, **more: Any) -> Any:
    return api.post("/v1/tasks", {"model": EDIT, "input": {"prompt": "at night", "images": list(images)}}, **more)


def test_an_upload_is_an_address_for_exactly_what_was_announced(api: Api, services: MemoryServices) -> None:
    reply = api.post("/v1/uploads", WANTED)

    upload = reply.json
    assert (reply.status, upload["object"], upload["method"]) == (201, "upload", "PUT")
    assert f"/uploads/dev/{upload['id']}?" in upload["url"]
    assert upload["headers"] == {"Content-Type": "image/png", "Content-Length": str(len(PNG)), "If-None-Match": "*"}
    assert (upload["put_until"], upload["expires_at"]) == ("2025-11-20T01:08:20.250Z", "2025-11-21T00:53:20.250Z")
    assert reply.headers["Cache-Control"] == "private, no-store"
    assert services.bucket.objects == {}
    assert services.tasks.writes == 0


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"/content_type": "is required", "/size": "is required"}),
        (WANTED | {"content_type": "image/svg+xml"}, {"/content_type": "must be one of"}),
        (WANTED | {"content_type": "image/png; charset=utf-8"}, {"/content_type": "must be one of"}),
        (WANTED | {"size": 0}, {"/size": "must be at least 1"}),
        (WANTED | {"size": LARGEST + 1}, {"/size": f"must be at most {LARGEST}"}),
        (WANTED | {"size": "7"}, {"/size": "must be a whole number"}),
        (WANTED | {"key": "../images/x"}, {"/key": "unknown field"}),
    ],
)
def test_an_upload_that_cannot_be_is_refused_with_every_fault(api: Api, body: dict[str, Any], faults: dict[str, str]) -> None:
    reply = api.post("/v1/uploads", body)

    assert (reply.status, reply.code) == (422, "invalid_request")
    assert set(reply.faults) == set(faults)
    assert all(says in reply.faults[pointer] for pointer, says in faults.items())


def test_an_upload_needs_the_right_to_make_tasks(api: Api, services: MemoryServices) -> None:
    reader = "drk_a-key-that-may-only-read-000000000000000000"
    allow(services, reader, owner="dev", scopes=("tasks:read",))

    assert api.post("/v1/uploads", WANTED, key=reader).code == "scope_missing"


def test_a_task_hands_its_upload_on_as_an_address(api: Api, services: MemoryServices) -> None:
    upload = prepare(api)
    put(services, upload)

    reply = edit(api, {"upload": upload}, {"url": "https://a.example/2.png"})

    assert reply.status == 202
    address, other = json.loads(services.gateway.submitted[0][1])["input"]["input_urls"]
    assert address.startswith(f"https://bucket.test/uploads/dev/{upload}?")
    assert other == "https://a.example/2.png"


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [
        (None, "", "you have no upload"),
        (b"<svg/>", "image/svg+xml", "are not an image"),
        (b"<html></html>", "image/png", "are not an image"),
        (PNG, "image/webp", "though it was uploaded as image/webp"),
        (PNG + bytes(LARGEST), "image/png", f"must have at most {LARGEST} bytes"),
    ],
    ids=["not there", "svg", "html", "a lie about the type", "a lie about the size"],
)
def test_an_upload_that_is_not_what_it_should_be_is_refused_before_anything_is_sent(
    api: Api, services: MemoryServices, content: bytes | None, content_type: str, says: str
) -> None:
    upload = prepare(api)
    if content is not None:
        put(services, upload, content, content_type=content_type)

    reply = edit(api, {"url": "https://a.example/1.png"}, {"upload": upload})

    assert (reply.status, reply.code) == (422, "invalid_request")
    assert list(reply.faults) == ["/input/images/1"]
    assert says in reply.faults["/input/images/1"]
    assert (services.tasks.writes, services.gateway.submitted) == (0, [])


def test_a_models_own_limit_is_kept(api: Api, services: MemoryServices) -> None:
    upload = prepare(api)
    put(services, upload, PNG + bytes(10_000_000))
    wanted = {"prompt": "at night", "aspect_ratio": "1:1", "quality": "basic", "images": [{"upload": upload}]}

    reply = api.post("/v1/tasks", {"model": "seedream-5.0-pro/image-to-image", "input": wanted})

    assert "must have at most 10000000 bytes" in reply.faults["/input/images/0"]


def test_a_models_own_limit_in_pixels_is_kept(api: Api, services: MemoryServices) -> None:
    upload = prepare(api)
    put(services, upload, PNG[:16] + (5000).to_bytes(4, "big") * 2 + PNG[24:])
    wanted = {"prompt": "at night", "images": [{"upload": upload}]}

    reply = api.post("/v1/tasks", {"model": "gpt-image-2.5-flare/image-to-image", "input": wanted})

    assert reply.faults["/input/images/0"] == "must have at most 20000000 pixels; it has 5000 x 5000"


def test_another_owners_upload_is_no_upload(api: Api, services: MemoryServices) -> None:
    upload, unknown = prepare(api), new_upload_id(services.clock(), b"0123456789")
    put(services, upload)

    theirs, nobodys = (edit(api, {"upload": one}, key=STRANGER) for one in (upload, unknown))

    assert theirs.status == nobodys.status == 422
    assert theirs.faults["/input/images/0"].startswith(f"you have no upload {upload}")
    assert theirs.faults["/input/images/0"].replace(upload, unknown) == nobodys.faults["/input/images/0"]


@pytest.mark.parametrize("name", ["../../images/dev/task", "upl_../x", "config/catalogue.json", "", "upl_" + "0" * 25 + "/"])
def test_nothing_but_an_id_names_an_upload(api: Api, name: str) -> None:
    reply = edit(api, {"upload": name})

    assert reply.faults == {"/input/images/0/upload": "must be the id of an upload"}


def test_faults_of_uploads_come_with_all_others(api: Api) -> None:
    body = {"model": EDIT, "input": {"images": [{"upload": prepare(api)}], "resolution": "9K"}, "timeout_s": 1}

    reply = api.post("/v1/tasks", body)

    assert set(reply.faults) == {"/timeout_s", "/input/images/0", "/input/resolution", "/input/prompt"}


def test_a_repeat_finds_its_task_though_the_upload_is_gone(api: Api, services: MemoryServices, clock: Clock) -> None:
    upload = prepare(api)
    put(services, upload)
    first = edit(api, {"upload": upload}, idempotency_key="hero")
    clock.now += USABLE_S

    again = edit(api, {"upload": upload}, idempotency_key="hero")

    assert (again.status, again.json["id"]) == (200, first.json["id"])
    assert len(services.gateway.submitted) == 1


def test_a_task_can_be_run_again_while_its_upload_is_usable(api: Api, services: MemoryServices, clock: Clock) -> None:
    upload = prepare(api)
    put(services, upload)
    task = edit(api, {"upload": upload}).json["id"]
    ended = services.tasks.tasks[task].canceled(clock.now, charged="no", by="cancel")
    services.tasks.move(services.tasks.tasks[task], ended)

    again = api.post(f"/v1/tasks/{task}/retry")
    clock.now += USABLE_S
    late = api.post(f"/v1/tasks/{task}/retry")

    bodies = [json.loads(body)["input"]["input_urls"] for _, body in services.gateway.submitted]
    assert (again.status, len(bodies)) == (202, 2)
    assert bodies[0] != bodies[1]
    assert (late.status, late.code) == (422, "invalid_request")
    assert "has expired" in next(iter(late.faults.values()))


def test_a_model_that_takes_no_address_gets_the_file_inside_the_request(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    services = MemoryServices(clock, catalogue_key="config/catalogue.json")
    monkeypatch.setattr(app, "services", lambda: services)
    own = {"models": {EDIT: {"routes": {"default": {"images": {"takes": ["data"]}}}}}}
    services.bucket.objects["config/catalogue.json"] = Stored(content=json.dumps(own).encode(), content_type="", filename="")
    api = Api(services)
    upload, large = prepare(api), prepare(api)
    put(services, upload)
    put(services, large, PNG + bytes(LARGEST_INLINE))

    made, refused = edit(api, {"upload": upload}), edit(api, {"upload": upload}, {"upload": large})

    sent = json.loads(services.gateway.submitted[0][1])["input"]["input_urls"]
    assert (made.status, sent) == (202, [f"data:image/png;base64,{base64.b64encode(PNG).decode()}"])
    assert refused.faults["/input/images/0"].startswith("this model takes files inside the request")


def test_a_bucket_that_does_not_answer_is_our_trouble(api: Api, services: MemoryServices) -> None:
    upload = prepare(api)

    def away(name: str) -> None:
        if name == "bucket.peek":
            raise StorageUnavailable("bucket")

    services.bucket.on_call = away

    assert edit(api, {"upload": upload}).code == "unavailable"
    assert services.tasks.writes == 0
