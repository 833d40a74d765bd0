"""The events are what AWS really sends: made from the SAM CLI's envelopes, and committed as they were made."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.tools import ROOT, tool
from tools import make_events

pytestmark = pytest.mark.sam

# Free-form maps: their keys are the sender's.
OPEN_MAPS = ("headers", "queryStringParameters", "pathParameters")
ALWAYS = {"version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded"}


def committed() -> dict[str, Any]:
    files = (ROOT / "events").rglob("*.json")
    return {str(one.relative_to(ROOT / "events").with_suffix("")): json.loads(one.read_text()) for one in files}


def shape(value: Any) -> Any:
    """The keys of an event at every depth, without the keys of its free-form maps."""
    if not isinstance(value, dict):
        return None
    return {name: None if name in OPEN_MAPS else shape(inner) for name, inner in value.items()}


def is_within(inner: Any, outer: Any) -> bool:
    return inner is None or all(name in outer and is_within(one, outer[name]) for name, one in inner.items())


@pytest.fixture(autouse=True)
def sam_is_there() -> None:
    tool(".venv-sam/bin/sam")


def test_the_committed_events_are_the_generated_ones(tmp_path: Path) -> None:
    make_events.write(tmp_path)

    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.json")}
    there = {path.relative_to(ROOT / "events"): path.read_text() for path in (ROOT / "events").rglob("*.json")}
    assert there == made, "run: .venv/bin/python tools/make_events.py events"


def test_http_events_hold_nothing_that_the_gateway_does_not_send() -> None:
    known = shape(json.loads(make_events.envelope("apigateway", "http-api-proxy")))

    for name, event in committed().items():
        if name.startswith(("api/", "receive_callback/")):
            assert is_within(shape(event), known), name
            assert set(event) >= ALWAYS, name


def test_queue_events_have_exactly_the_shape_of_sqs() -> None:
    (known,) = json.loads(make_events.envelope("sqs", "receive-message"))["Records"]

    for name, event in committed().items():
        if name.startswith("work_tasks/"):
            assert all(shape(record) == shape(known) for record in event["Records"]), name


def test_the_tick_has_the_shape_of_a_schedule_with_its_version() -> None:
    known = shape(json.loads(make_events.envelope("cloudwatch", "scheduled-event")))

    # The scheduler hands `detail` over as text, an EventBridge rule as an object.
    assert shape(committed()["reconcile_tasks/tick"]) == known | {"version": None, "detail": None}
