"""What is written about an invocation is short: logs are paid for by the byte, and a long line is not read."""

import io
import json

import pytest

from darkroom import observe
from tests.budgets.driven import Driven

LONGEST = 450


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    monkeypatch.setattr(observe.logger.registered_handler, "stream", written)
    return written


def test_one_line_tells_of_an_invocation_in_at_most_450_bytes(darkroom: Driven, lines: io.StringIO) -> None:
    darkroom.create(idempotency_key="order-8472-hero")
    darkroom.call_back(darkroom.succeed())
    darkroom.create()
    darkroom.succeed()
    darkroom.pass_time(200)
    darkroom.tick()
    darkroom.work()

    told = lines.getvalue().splitlines()
    assert [json.loads(one)["message"] for one in told] == ["request", "callback", "request", "sweep", "look", "job"]
    assert max(len(one.encode()) for one in told) <= LONGEST


def test_a_line_says_which_invocation_it_belongs_to_and_what_became_of_the_task(darkroom: Driven, lines: io.StringIO) -> None:
    darkroom.create()

    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert {"timestamp", "level", "service", "function_request_id", "request_id", "route", "status", "task_id"} <= line.keys()
    assert not {"location", "function_arn"} & line.keys()
