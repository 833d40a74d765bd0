"""`darkroom models` and `darkroom presets`, against a running stack, the simulator's schemas and hosts that are neither."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.simulator.server import Simulator
from tests.pipeline.running import Up, darkroom

KEYLESS = {"DARKROOM_API_KEY": ""}


@pytest.fixture
def host() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


def test_models_are_listed_in_columns_and_as_json(up: Up) -> None:
    told, found = up.cli("models", "list"), up.cli("models", "list", "--json").found

    lines = {line.split()[0]: line for line in told.out.splitlines()}
    assert told.status == 0
    assert set(lines) == {"model", *(model["id"] for model in found["data"])}
    assert "W*H" in lines["qwen-image-2.0"]
    assert "up to 5" in lines["gpt-image-2/image-to-image"]
    assert "not available" not in told.out


def test_a_model_is_shown_by_any_of_its_names(up: Up) -> None:
    told, found = up.cli("models", "show", "pixapi/nano-banana"), up.cli("models", "show", "qwen-image-2.0")
    unknown = up.cli("models", "show", "qwen-image")

    assert told.out.startswith("pixapi/gemini-2.5-flash-image")
    assert next(line.split()[:2] for line in found.out.splitlines() if line.startswith("aspect_ratio")) == [
        "aspect_ratio",
        "size",
    ]
    assert (unknown.status, unknown.out) == (2, "")
    assert "did you mean qwen-image-2.0" in unknown.err


def test_a_model_that_cannot_be_shown_leads_to_one_that_can(up: Up) -> None:
    retired, short, legacy = (up.cli("models", "show", name) for name in ("GPT-Image-2-Pro", "FLUX", "gpt-image-2-bet"))

    assert "gpt-image-2-pro is retired; use gpt-image-2/text-to-image with route ext" in " ".join(retired.err.split())
    assert "did you mean flux-1.1-pro, flux-schnell/text-to-image" in " ".join(short.err.split())
    assert "gpt-image-2/text-to-image" in legacy.err
    assert "gpt-image-2-beta" not in legacy.err


def test_presets_are_listed_with_what_serves_them(up: Up) -> None:
    told = up.cli("presets", "list")

    lines = {line.split()[0]: line for line in told.out.splitlines()[1:]}
    assert list(lines) == ["draft@1", "poster@1", "product@1", "photoreal@1", "cjk-text@1"]
    assert "gpt-image-2/text-to-image" in lines["poster@1"]
    assert "Nano-Banana-Pro" in lines["poster@1"]


def test_a_limited_key_is_made_by_command_and_keeps_to_its_presets(up: Up) -> None:
    made = up.cli("keys", "create", "--owner", "shop", "--scopes", "tasks:write", "--presets", "poster, draft@1", "--json")
    with_it = {"DARKROOM_API_KEY": made.found["key"]}

    listed, shown = up.cli("keys", "list").out, up.cli("presets", "list", "--json", **with_it).found
    refused = up.cli("create", "a kite", "--preset", "product", "--json", **with_it)

    assert made.found["presets"] == ["draft@1", "poster"]
    assert "draft@1,poster" in listed
    assert [preset["id"] for preset in shown["data"]] == ["draft@1", "poster@1"]
    assert (refused.status, refused.found["code"]) == (3, "scope_missing")


def test_no_drift_ends_with_0(host: Simulator) -> None:
    done = darkroom("models", "refresh", "--url", host.url, **KEYLESS)

    assert (done.status, done.out) == (0, "no drift in 37 routes\n")


def test_drift_is_told_by_model_and_ends_with_1(host: Simulator) -> None:
    entries = host.world.models._entries
    qwen = entries["qwen-image-2.0"]["routes"][0]["input_schema"]["properties"]
    qwen["size"]["enum"] = ["2048*2048", "4096*4096"]
    qwen["style"] = {"type": "string"}
    del entries["ideogram-v4"]

    told = darkroom("models", "refresh", "--url", host.url, **KEYLESS)
    found = darkroom("models", "refresh", "--url", host.url, "--json", **KEYLESS)

    assert (told.status, found.status) == (1, 1)
    assert told.out.splitlines() == [
        "qwen-image-2.0, route default",
        "  + style: string",
        "  size: + 4096*4096; - 2688*1536, 2368*1728, 1728*2368, 1536*2688",
        "ideogram-v4, route default",
        "  no longer offered",
        "2 of 37 routes have changed",
    ]
    assert [one["model"] for one in found.found["drift"]] == ["qwen-image-2.0", "ideogram-v4"]


def test_a_model_that_the_catalogue_lacks_is_told_too(host: Simulator) -> None:
    entries = host.world.models._entries
    entries["gpt-image-3/text-to-image"] = entries["gpt-image-2/text-to-image"] | {"id": "gpt-image-3/text-to-image"}

    told = darkroom("models", "refresh", "--url", host.url, **KEYLESS)
    found = darkroom("models", "refresh", "--url", host.url, "--json", **KEYLESS)

    assert (told.status, found.status) == (1, 1)
    assert told.out.splitlines() == [
        "gpt-image-3/text-to-image: new, not in the catalogue",
        "no drift in 37 routes; new models: 1",
    ]
    assert (found.found["drift"], found.found["new"]) == ([], ["gpt-image-3/text-to-image"])


@pytest.mark.parametrize("path", ["/pixapi", "/nowhere"])
def test_a_host_that_has_no_schemas_ends_with_3(host: Simulator, path: str) -> None:
    done = darkroom("models", "refresh", "--url", host.url + path, **KEYLESS)

    assert (done.status, done.out) == (3, "")


def test_a_host_that_does_not_answer_ends_with_3() -> None:
    done = darkroom("models", "refresh", "--url", "http://127.0.0.1:9", **KEYLESS)

    assert done.status == 3
    assert "does not answer" in done.err
    assert "Traceback" not in done.err


def test_a_deployments_own_object_can_be_checked_before_it_is_put(tmp_path: Path) -> None:
    fine, broken = tmp_path / "fine.json", tmp_path / "broken.json"
    fine.write_text(json.dumps({"models": {"z-image": None}}))
    broken.write_text(json.dumps({"presets": {"poster@1": {"model": "gpt-image-9"}}}))

    good, bad = darkroom("models", "check", str(fine)), darkroom("models", "check", str(broken))

    assert (good.status, good.out) == (0, "fine: 41 models, 5 presets\n")
    assert (bad.status, bad.out) == (1, "")
    assert "preset poster@1: there is no model gpt-image-9" in bad.err
