"""A poison message ends in the dead-letter queue with its story, and `darkroom redrive` brings it back."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.domain.task import Phase
from darkroom.observe import logger
from tests.chaos.emulators.counting import Counted
from tests.chaos.emulators.deployment import KEY, Deployment, deployed, template
from tests.chaos.emulators.outside import Outside, Wish
from tests.chaos.emulators.promises import check
from tests.chaos.emulators.scale import LONG
from tests.chaos.emulators.wire import FAIL, Exchange, Script
from tests.pipeline.running import darkroom
from tests.support.aws import Aws

VISIBILITY_S = float(template().resources["TaskQueue"]["Properties"]["VisibilityTimeout"])

POISONS = ["this is no job", *(['{"do":"store"}', '{"do":"dance","task_id":"task_1","attempt":1}'] if LONG else [])]


class BucketAway(Script):
    """Nobody reaches the bucket."""

    def arrived(self, exchange: Exchange) -> str | None:
        return FAIL if exchange.service == "s3" else None


class Told(logging.Handler):
    """The log's lines with all that they say."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(vars(record))

    def failed_jobs(self) -> list[dict[str, Any]]:
        return [one for one in self.records if one["msg"] == "job failed"]


@pytest.fixture
def told() -> Iterator[Told]:
    handler = Told()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture
def outside(emulator: Aws) -> Iterator[Outside]:
    """A run with queues of its own, in which a message that failed is hidden as long as the template says."""
    with deployed(emulator) as made:
        yield Outside(made, silent=True, hidden_s=VISIBILITY_S)


def redrive(deployment: Deployment) -> int:
    """What the operator types."""
    done = darkroom("redrive", "--json", DARKROOM_URL=deployment.gateway_url, DARKROOM_API_KEY=KEY)
    assert done.status == 0, done.err
    return int(done.found["moved"])


def queued(outside: Outside) -> Wish:
    """A task whose picture is to be stored by the worker."""
    wish = outside.wish()
    outside.ask(wish)
    outside.finish()
    outside.tick(after=70)
    return wish


def test_a_job_that_fails_too_often_is_told_about_kept_and_done_after_the_redrive(
    outside: Outside, told: Told, counted: Counted
) -> None:
    deployment, wish = outside.deployment, queued(outside)
    deployment.wire.script = BucketAway()

    outside.pump()

    assert outside.tasks()[wish.task_id].phase is Phase.STORING
    assert deployment.letters() == 1
    story = told.failed_jobs()
    assert [int(one["tries"]) for one in story] == list(range(1, deployment.max_receives + 1))
    assert {json.loads(one["job"])["task_id"] for one in story} == {wish.task_id}
    assert all(one["fault"].startswith("bucket: ") and one["levelname"] == "ERROR" for one in story)

    deployment.wire.script = Script()
    assert redrive(deployment) == 1
    assert deployment.letters() == 0
    outside.pump()

    assert outside.tasks()[wish.task_id].phase is Phase.SUCCEEDED
    assert check(outside).downloads == 1
    counted("poison messages", 1)


def test_a_letter_whose_work_was_done_meanwhile_does_no_harm(outside: Outside, told: Told, counted: Counted) -> None:
    deployment, wish = outside.deployment, queued(outside)
    deployment.wire.script = BucketAway()
    outside.pump()
    deployment.wire.script = Script()
    # The reconciler stands behind every message.
    outside.go_on()
    assert outside.tasks()[wish.task_id].phase is Phase.SUCCEEDED

    assert redrive(deployment) == 1
    outside.pump()

    assert deployment.letters() == 0
    assert check(outside).downloads == 1
    counted("poison messages", 1)


@pytest.mark.parametrize("poison", POISONS)
def test_what_is_no_job_is_put_aside_without_its_neighbours(outside: Outside, told: Told, poison: str, counted: Counted) -> None:
    deployment, wish = outside.deployment, queued(outside)
    sqs, queue = deployment.aws.clients.sqs, deployment.names["DARKROOM_QUEUE_URL"]
    sqs.send_message(QueueUrl=queue, MessageBody=poison)

    outside.pump()

    assert outside.tasks()[wish.task_id].phase is Phase.SUCCEEDED
    assert deployment.letters() == 1
    assert [one["job"] for one in told.failed_jobs()] == [poison] * deployment.max_receives
    assert redrive(deployment) == 1
    outside.pump()
    assert deployment.letters() == 1
    check(outside)
    counted("poison messages", 1)
