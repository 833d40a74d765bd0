"""Every event file runs through the built function, as Lambda would run it; and each function has the rights that this takes."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from darkroom.domain.task import Task
from local.template import read_template
from tests.lambda_runtime.conftest import Functions
from tests.lambda_runtime.world import OWNER, World, running, storing, succeeded, waiting
from tests.support.runtime_api import Answered
from tests.support.template import resources
from tests.support.tools import ROOT

pytestmark = [pytest.mark.lambda_runtime, pytest.mark.sam, pytest.mark.slow, pytest.mark.timeout(300)]

NOTHING_FAILED: Mapping[str, Any] = {"batchItemFailures": []}
SECOND_FAILED: Mapping[str, Any] = {"batchItemFailures": [{"itemIdentifier": "19dd0b57-b21e-4ac1-bd88-01bbb068cb02"}]}

# What each file leads to: an HTTP status, or what the function returns.
EXPECTED: Mapping[str, int | Mapping[str, Any]] = {
    "api/create": 202,
    "api/create_with_key": 202,
    "api/create_base64": 202,
    "api/create_unknown_field": 422,
    "api/create_without_prompt": 422,
    "api/create_malformed": 400,
    "api/create_without_credentials": 401,
    # Nobody has put any bytes there.
    "api/create_with_upload": 422,
    "api/upload": 201,
    "api/read": 200,
    "api/read_and_wait": 200,
    "api/read_unknown": 404,
    "api/list": 200,
    "api/cancel": 202,
    "api/retry": 409,
    "api/image": 302,
    "api/image_metadata": 200,
    "api/image_head": 200,
    "api/models": 200,
    "api/presets": 200,
    "api/health": 200,
    "api/openapi": 200,
    "api/keys": 200,
    "api/upstreams": 200,
    "api/reconcile": 200,
    "api/redrive": 200,
    "api/unknown_path": 404,
    "receive_callback/success": 200,
    "receive_callback/success_base64": 200,
    "receive_callback/failure": 200,
    "receive_callback/unsigned": 401,
    "receive_callback/forged": 401,
    "work_tasks/store": NOTHING_FAILED,
    "work_tasks/submit": NOTHING_FAILED,
    "work_tasks/several": SECOND_FAILED,
    # The simulator has never heard of the example task, so a look is all that comes of it.
    "reconcile_tasks/tick": {"looked_at": 1, "moved": 0},
}


def with_picture(world: World) -> Task:
    """The example task at its good end."""
    world.put_picture(succeeded())
    return succeeded()


# How the example task stands when the event comes; `running` where nothing is said.
BEFORE: Mapping[str, Callable[[World], Task]] = {
    "api/image": with_picture,
    "api/image_metadata": with_picture,
    "api/image_head": with_picture,
    "work_tasks/store": lambda world: storing(world.picture),
    "work_tasks/several": lambda world: storing(world.picture),
    "work_tasks/submit": lambda _: waiting(),
}

STORES = ("receive_callback/success", "receive_callback/success_base64", "work_tasks/store")


def event_of(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return event


def run_event(functions: Functions, name: str) -> Any:
    """What the function returns for the file, after the example task was put as the event expects it."""
    world, event = functions(name.partition("/")[0]), event_of(name)
    standing = BEFORE.get(name)
    world.put(standing(world) if standing else running())
    outcome = world.invoke(world.current(event) if name.startswith("receive_callback/") else event)
    assert isinstance(outcome, Answered), f"{outcome}\n{world.log}"
    return outcome.value


def test_every_event_file_is_run() -> None:
    files = {str(one.relative_to(ROOT / "events").with_suffix("")) for one in (ROOT / "events").rglob("*.json")}

    assert files == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_event_leads_to_its_answer(functions: Functions, name: str) -> None:
    value = run_event(functions, name)

    expected = EXPECTED[name]
    told = f"{value}\n{functions(name.partition('/')[0]).log}"
    assert (value["statusCode"] if isinstance(expected, int) else value) == expected, told


@pytest.mark.parametrize("name", STORES)
def test_a_success_brings_the_picture_into_the_bucket(functions: Functions, name: str) -> None:
    world = functions(name.partition("/")[0])

    run_event(functions, name)

    (key,) = world.stored()
    assert key.startswith(f"images/{OWNER}/")


@pytest.mark.parametrize("folder", sorted({name.partition("/")[0] for name in EXPECTED}))
def test_a_function_needs_no_right_that_its_role_does_not_give(functions: Functions, folder: str) -> None:
    for name in (one for one in EXPECTED if one.startswith(f"{folder}/")):
        run_event(functions, name)

    needed = functions(folder).recorded.actions
    assert needed
    assert needed <= allowed(folder)


def allowed(folder: str) -> set[str]:
    """The actions of the role that the template gives to a function."""
    template = read_template()
    (role,) = (one.id.removesuffix("Function") + "Role" for one in template.functions.values() if one.folder == folder)
    actions: set[str] = set()
    for policy in resources({"Resources": template.resources}, "AWS::IAM::Role")[role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            actions |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    return actions
