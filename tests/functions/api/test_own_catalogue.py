"""A deployer's own models and presets: one object in the bucket, seen within a minute, and never the end of what works."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from darkroom.errors import StorageUnavailable
from tests.functions.api.client import Api, Clock, MemoryServices
from tests.support.memory import Stored

KEY = "config/catalogue.json"
KEPT = "config/.last-good/catalogue.json"
BANNER = {
    "summary": "Wide banners.",
    "model": "gpt-image-2/text-to-image",
    "route": "default",
    "defaults": {"aspect_ratio": "3:1"},
    "overrides": ["prompt"],
}


@pytest.fixture
def services(clock: Clock) -> MemoryServices:
    return MemoryServices(clock, catalogue_key=KEY)


@pytest.fixture
def put(services: MemoryServices) -> Iterator[Callable[[Any], None]]:
    """Writes the object, over the one that is there."""

    def write(content: Any) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        services.bucket.objects[KEY] = Stored(content=raw, content_type="application/json", filename="catalogue.json")

    write({})
    return write


def status(api: Api, preset: str) -> int:
    return api.post("/v1/tasks", {"preset": preset, "input": {"prompt": "a kite"}}).status


@pytest.fixture
def troubles(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Why the object was not used, each time that it was logged; the metric comes with each."""

    def so_far() -> list[str]:
        told = [str(record.__dict__["why"]) for record in caplog.records if record.message == "catalogue broken"]
        assert capsys.readouterr().out.count('"CatalogueBroken":[1.0]') == len(told)
        return told

    return so_far


def test_it_adds_a_preset_within_a_minute_and_without_a_deploy(
    api: Api, clock: Clock, put: Callable[[Any], None], troubles: Callable[[], list[str]]
) -> None:
    before = status(api, "banner")
    put({"presets": {"banner@1": BANNER}})

    at_once = status(api, "banner")
    clock.now += 61
    later = status(api, "banner")

    assert (before, at_once, later) == (422, 422, 202)
    assert troubles() == []


def test_a_newer_version_takes_over_the_bare_name_and_the_older_one_stays(api: Api, put: Callable[[Any], None]) -> None:
    put({"presets": {"poster@2": BANNER | {"overrides": ["prompt", "aspect_ratio"]}}})

    newest = api.post("/v1/tasks", {"preset": "poster", "input": {"prompt": "a kite"}}).json
    older = api.post("/v1/tasks", {"preset": "poster@1", "input": {"prompt": "a kite"}}).json

    assert (newest["preset"], older["preset"]) == ("poster@2", "poster@1")
    shown = {preset["id"]: preset["newest"] for preset in api.get("/v1/presets").json["data"]}
    assert (shown["poster@1"], shown["poster@2"]) == (False, True)


def test_it_changes_a_model_that_is_shipped_and_takes_one_away(api: Api, put: Callable[[Any], None]) -> None:
    longer = {"routes": {"default": {"schema": {"properties": {"prompt": {"maxLength": 20}}}}}}
    put({"models": {"Nano-Banana": longer, "z-image": None}})

    told = api.post("/v1/tasks", {"preset": "draft", "input": {"prompt": "a kite over a quiet bay"}}).faults
    gone = api.post("/v1/tasks", {"model": "z-image", "input": {"prompt": "a kite"}}).faults

    assert "at most 20 characters" in told["/input/prompt"]
    assert "no such model" in gone["/model"]


BROKEN: dict[str, Any] = {
    "no JSON": b"{",
    "no UTF-8": b'{"models":"\xff"}',
    "no object": [],
    "a field twice": b'{"presets":{"a@1":{},"a@1":{}}}',
    "deeply nested": b'{"models":' + b"[" * 100_000,
    "an unknown part": {"preset": {}},
    "a preset without its model": {"presets": {"banner@1": BANNER | {"model": "gpt-image-9"}}},
    "a default that its model does not take": {"presets": {"banner@1": BANNER | {"defaults": {"aspect_ratio": "7:5"}}}},
    "a model that presets need is taken away": {"models": {"Nano-Banana": None}},
    "a schema that is none": {
        "models": {"Nano-Banana": {"routes": {"default": {"schema": {"properties": {"prompt": {"maxLength": "x"}}}}}}}
    },
    "a pattern that is none": {
        "models": {"Nano-Banana": {"routes": {"default": {"schema": {"properties": {"prompt": {"pattern": "("}}}}}}}
    },
    "a schema that leads elsewhere": {
        "models": {"Nano-Banana": {"routes": {"default": {"schema": {"properties": {"prompt": {"$ref": "http://a.test"}}}}}}}
    },
    "a size that its model does not take": {
        "models": {"pixapi/gpt-image-2": {"routes": {"default": {"size": {"table": {"1:1": {"1K": "1024*1024"}}}}}}}
    },
    "an upstream that is none": {"models": {"z-image": {"upstream": "hiappi"}}},
    "a route of a model at an upstream that is none": {
        "models": {"qwen-image-2.0": {"routes": {"images": {"upstream": "hiapi_image"}}}}
    },
    "a route for an upstream that knows none": {"models": {"pixapi/gpt-image-2": {"routes": {"default": {"wire_route": "ext"}}}}},
    "rules of another form": {"models": {"Nano-Banana": {"routes": {"default": {"schema": {"allOf": 7}}}}}},
    "far too large": b" " * (1024 * 1024 + 1),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_one_leaves_the_last_good_one_serving_and_is_told_each_minute(
    api: Api, clock: Clock, put: Callable[[Any], None], troubles: Callable[[], list[str]], content: Any
) -> None:
    put({"presets": {"banner@1": BANNER | {"timeout_s": 60}}})
    assert status(api, "banner") == 202
    put(content)

    clock.now += 61
    answers = [status(api, preset) for preset in ("banner", "banner", "poster")]
    clock.now += 61
    answers.append(status(api, "banner"))

    assert answers == [202, 202, 202, 202]
    told = troubles()
    assert len(told) == 2
    assert all(why.startswith("catalogue: ") for why in told)


def test_one_that_is_broken_from_the_start_leaves_the_shipped_one(
    api: Api, put: Callable[[Any], None], troubles: Callable[[], list[str]]
) -> None:
    put(b"{")

    assert status(api, "poster") == 202
    assert len(troubles()) == 1


@pytest.mark.parametrize("content", [b"{", None], ids=["broken", "missing"])
def test_who_starts_while_it_cannot_be_used_serves_the_last_one_that_was_good_anywhere(
    monkeypatch: pytest.MonkeyPatch,
    api: Api,
    services: MemoryServices,
    clock: Clock,
    put: Callable[[Any], None],
    troubles: Callable[[], list[str]],
    content: bytes | None,
) -> None:
    put({"presets": {"banner@1": BANNER}})
    assert status(api, "banner") == 202
    put(content)
    if content is None:
        del services.bucket.objects[KEY]

    later = started_later(monkeypatch, services)

    assert status(later, "banner") == 202
    assert len(troubles()) == 1
    put({"presets": {"wide@1": BANNER}})
    clock.now += 61
    assert [status(later, preset) for preset in ("banner", "wide")] == [422, 202]


def test_a_last_good_one_that_no_longer_fits_what_is_shipped_leaves_the_shipped_one(
    api: Api, services: MemoryServices, put: Callable[[Any], None], troubles: Callable[[], list[str]]
) -> None:
    unfit = json.dumps(BROKEN["a preset without its model"]).encode()
    services.bucket.objects[KEPT] = Stored(content=unfit, content_type="application/json", filename="")
    put(b"{")

    assert status(api, "poster") == 202
    assert len(troubles()) == 1


def test_a_good_one_is_kept_once_and_the_next_good_one_over_it(
    monkeypatch: pytest.MonkeyPatch, api: Api, services: MemoryServices, clock: Clock, put: Callable[[Any], None]
) -> None:
    calls: list[str] = []
    services.bucket.on_call = calls.append
    for content in ({"presets": {"banner@1": BANNER}}, {"presets": {}}):
        put(content)
        for _ in range(3):
            status(api, "poster")
            clock.now += 61
        assert services.bucket.objects[KEPT].content == services.bucket.objects[KEY].content

    status(started_later(monkeypatch, services), "poster")

    assert calls.count("bucket.replace:done") == 2


@pytest.mark.usefixtures("put")
def test_a_copy_that_cannot_be_written_is_told_and_tried_again(
    api: Api,
    services: MemoryServices,
    clock: Clock,
    troubles: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    services.bucket.on_call = away_for("bucket.replace")
    answers = [status(api, "poster")]
    services.bucket.on_call = lambda _: None
    clock.now += 61
    answers.append(status(api, "poster"))

    assert answers == [202, 202]
    told = [record for record in caplog.records if record.message == "catalogue not kept as the last good one"]
    assert [(record.levelname, "bucket" in record.__dict__["why"]) for record in told] == [("WARNING", True)]
    assert troubles() == [], "it serves, and is right"
    assert KEPT in services.bucket.objects


def test_a_bucket_that_goes_away_after_a_broken_start_stops_nothing(
    api: Api, services: MemoryServices, clock: Clock, put: Callable[[Any], None], troubles: Callable[[], list[str]]
) -> None:
    put(b"{")
    assert status(api, "poster") == 202
    services.bucket.on_call = away

    clock.now += 61

    assert status(api, "poster") == 202
    assert len(troubles()) == 2


def started_later(monkeypatch: pytest.MonkeyPatch, services: MemoryServices) -> Api:
    """An environment that starts now, before the same bucket."""
    later = MemoryServices(services.clock, catalogue_key=KEY)
    later.bucket = services.bucket
    monkeypatch.setattr("functions.api.app.services", lambda: later)
    return Api(later)


def test_one_that_is_named_but_not_there_is_trouble(api: Api, troubles: Callable[[], list[str]]) -> None:
    assert status(api, "poster") == 202

    assert troubles() == ["catalogue: there is no config/catalogue.json in the bucket"]


@pytest.mark.usefixtures("put")
def test_a_bucket_that_is_away_leaves_the_last_good_one(
    api: Api, services: MemoryServices, clock: Clock, troubles: Callable[[], list[str]]
) -> None:
    assert status(api, "poster") == 202
    services.bucket.on_call = away

    clock.now += 61

    assert status(api, "poster") == 202
    assert len(troubles()) == 1


@pytest.mark.usefixtures("put")
def test_as_long_as_nobody_could_ever_look_nothing_is_refused_for_good(api: Api, services: MemoryServices) -> None:
    services.bucket.on_call = away
    first = api.create()
    services.bucket.on_call = lambda _: None

    again = api.create()

    assert (first.status, first.json["retryable"]) == (503, "same")
    assert again.status == 202


def away_for(operation: str) -> Callable[[str], None]:
    def fail(name: str) -> None:
        if name.startswith(operation):
            raise StorageUnavailable("bucket: scripted")

    return fail


away = away_for("bucket.read")


def test_without_a_name_no_bucket_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    services = MemoryServices()
    monkeypatch.setattr("functions.api.app.services", lambda: services)
    services.bucket.on_call = away

    assert Api(services).create().status == 202
