"""The local stack is the template's: what stands there is what runs here."""

from typing import Any

import pytest

from local.intrinsics import Resource
from local.parts import STACK
from local.plan import LOCAL_SETTINGS, function_settings
from local.template import PSEUDO, Template, read_template
from tests.pipeline.running import Up
from tests.support.aws import clients_at
from tests.support.template import source


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template()


def written(name: str) -> dict[str, Any]:
    found: dict[str, Any] = source()["Resources"][name]["Properties"]
    return found


def test_every_variable_of_every_function_is_set_locally(template: Template) -> None:
    intrinsics = template.intrinsics(lambda id_: Resource(ref=f"the-{id_}"))
    globals_ = source()["Globals"]["Function"]["Environment"]["Variables"]

    for function in template.functions.values():
        resolved = {name: intrinsics.resolve(value) for name, value in function.environment.items()}
        settings = function_settings(template.settings(function), {})
        assert set(resolved) >= set(globals_)
        # What is no plain setting is a resource's name.
        assert {name for name in resolved if name not in settings} == {
            "DARKROOM_TABLE",
            "DARKROOM_BUCKET",
            "DARKROOM_QUEUE_URL",
            "DARKROOM_DEAD_LETTER_QUEUE_URL",
            "DARKROOM_SECRET_ID",
        }
        assert set(LOCAL_SETTINGS) <= set(resolved)


def test_the_environment_overrides_settings_but_no_resource(template: Template) -> None:
    function = next(iter(template.functions.values()))
    env = {"DARKROOM_FIRST_CHECK_S": "7", "DARKROOM_RECHECK_MAX_S": " ", "DARKROOM_TABLE": "mine", "PATH": "/bin"}

    settings = function_settings(template.settings(function), env)

    assert settings["DARKROOM_FIRST_CHECK_S"] == "7"
    assert settings["DARKROOM_RECHECK_MAX_S"] == "300"
    assert "DARKROOM_TABLE" not in settings
    assert "PATH" not in settings


def test_every_function_of_the_template_has_its_handler_here(template: Template) -> None:
    import importlib

    for function in template.functions.values():
        assert callable(importlib.import_module(function.module).handler)
        assert 1 <= function.timeout_s <= 900


def test_routes_queue_and_schedule_are_the_templates(template: Template) -> None:
    tasks = written("WorkTasksFunction")["Events"]["Tasks"]["Properties"]

    assert [route.key for route in template.routes] == ["POST /v1/callbacks/{upstream}/{task_id}/{token}", "$default"]
    assert [route.function for route in template.routes] == ["ReceiveCallbackFunction", "ApiFunction"]
    [queue] = template.queue_sources
    assert (queue.batch_size, queue.concurrency) == (tasks["BatchSize"], 5)
    assert (queue.queue, queue.function) == ("TaskQueue", "WorkTasksFunction")
    assert [schedule.function for schedule in template.schedules] == ["ReconcileTasksFunction"]


def test_no_resource_keeps_an_unresolved_function(template: Template) -> None:
    intrinsics = template.intrinsics(lambda id_: Resource(ref=id_, attributes={"Arn": f"arn:{id_}", "QueueName": id_}))

    for name in ("Table", "Bucket", "TaskQueue", "DeadLetterQueue", "Secret"):
        text = str(intrinsics.resolve(template.resources[name]["Properties"]))
        assert "Fn::" not in text
        assert "'Ref'" not in text
        assert "${" not in text


def test_the_stores_have_what_the_template_gives_them(up: Up) -> None:
    clients = clients_at(up.about["store_url"])
    table = clients.dynamodb.describe_table(TableName=f"{STACK}-table")["Table"]
    ttl = clients.dynamodb.describe_time_to_live(TableName=f"{STACK}-table")["TimeToLiveDescription"]
    rules = clients.s3.get_bucket_lifecycle_configuration(Bucket=f"{STACK}-bucket")["Rules"]
    block = clients.s3.get_public_access_block(Bucket=f"{STACK}-bucket")["PublicAccessBlockConfiguration"]
    url = clients.sqs.get_queue_url(QueueName=f"{STACK}-tasks")["QueueUrl"]
    queue = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"due", "listing"}
    assert ttl["AttributeName"] == written("Table")["TimeToLiveSpecification"]["AttributeName"]
    kinds = {"abort-incomplete-uploads", "expire-images", "expire-unreadable", "expire-uploads"}
    assert {rule["ID"] for rule in rules} == kinds
    assert block == written("Bucket")["PublicAccessBlockConfiguration"]
    assert int(queue["VisibilityTimeout"]) == written("TaskQueue")["VisibilityTimeout"]
    assert f"{STACK}-deadletterqueue" in queue["RedrivePolicy"]


def test_the_local_stack_has_a_name_that_no_deployment_has() -> None:
    assert PSEUDO["AWS::StackName"] == STACK
    assert STACK.endswith("-local")
