"""The execution environment behaves as Lambda's does, or what runs in it proves nothing."""

from pathlib import Path

import pytest

from tests.support.runtime_api import Answered, Failed, Function, LambdaEnvironment
from tests.support.tools import lambda_python

pytestmark = pytest.mark.lambda_runtime

HANDLERS = """
import os, sys, time
calls = []
def count(event, context):
    calls.append(event)
    return {"calls": len(calls), "left_ms": context.get_remaining_time_in_millis(), "request": context.aws_request_id}
def raises(event, context):
    raise LookupError("no such thing")
def sleeps(event, context):
    time.sleep(60)
def exits(event, context):
    os._exit(3)
def where(event, context):
    return {"python": sys.version_info[:2], "path": sys.path, "home": os.environ.get("HOME")}
"""


def environment(folder: Path, name: str, timeout_s: float = 20) -> LambdaEnvironment:
    (folder / "app.py").write_text(HANDLERS)
    function = Function(name=name, code=folder, handler=f"app.{name}", timeout_s=timeout_s)
    return LambdaEnvironment(lambda_python(), function)


def test_the_second_call_finds_the_process_warm(tmp_path: Path) -> None:
    with environment(tmp_path, "count") as function:
        first, second = function.invoke({"n": 1}), function.invoke({"n": 2})

    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    assert (first.value["calls"], second.value["calls"]) == (1, 2)
    assert first.value["request"] != second.value["request"]
    assert 0 < first.value["left_ms"] <= 20_000


def test_an_exception_arrives_with_its_type_and_leaves_the_process_warm(tmp_path: Path) -> None:
    with environment(tmp_path, "raises") as function:
        assert function.invoke({}) == Failed("LookupError", "no such thing")
        assert function.warm


def test_a_module_that_cannot_be_imported_fails_during_init(tmp_path: Path) -> None:
    function = Function(name="broken", code=tmp_path, handler="nothere.handler")

    with LambdaEnvironment(lambda_python(), function) as broken:
        outcomes = [broken.invoke({}), broken.invoke({})]

    said = [(one.kind, one.during_init) for one in outcomes if isinstance(one, Failed)]
    assert said == [("Runtime.ImportModuleError", True)] * 2


def test_a_handler_that_takes_too_long_is_killed_and_the_next_call_is_cold(tmp_path: Path) -> None:
    with environment(tmp_path, "sleeps", timeout_s=1) as function:
        first, second = function.invoke({}), function.invoke({})

    assert [one.kind for one in (first, second) if isinstance(one, Failed)] == ["Sandbox.Timedout"] * 2


def test_a_process_that_ends_itself_is_noticed(tmp_path: Path) -> None:
    with environment(tmp_path, "exits") as function:
        outcome = function.invoke({})

        assert outcome == Failed("Runtime.ExitError", "the process ended with 3")
        assert not function.warm


def test_nothing_of_this_machine_leaks_into_the_function(tmp_path: Path) -> None:
    with environment(tmp_path, "where") as function:
        outcome = function.invoke({})

    assert isinstance(outcome, Answered)
    assert outcome.value["python"] == [3, 13]
    assert outcome.value["home"] is None
    assert not any(".venv/" in one for one in outcome.value["path"])
