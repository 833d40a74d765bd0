"""Least privilege: each function may do exactly what it does, to exactly what it does it to."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.template import expanded, references, resources, source

ROLES = resources(expanded(), "AWS::IAM::Role")
FUNCTIONS = resources(source(), "AWS::Serverless::Function")

# Who may do what. A right that is added to the template is added here too, and seen twice in review.
EVERY_FUNCTION = {"logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue"}
SETTLES = {"dynamodb:GetItem", "dynamodb:PutItem"}
READS_PICTURES = {"s3:GetObject", "s3:ListBucket"}
STORES = READS_PICTURES | {"s3:PutObject"}
SENDS = {"sqs:SendMessage"}
TAKES = {"sqs:ReceiveMessage", "sqs:DeleteMessage"}
RIGHTS = {
    "ApiRole": EVERY_FUNCTION | SETTLES | READS_PICTURES | SENDS | TAKES | {"dynamodb:BatchGetItem", "dynamodb:Query"},
    "ReceiveCallbackRole": EVERY_FUNCTION | SETTLES | STORES | SENDS,
    "WorkTasksRole": EVERY_FUNCTION | SETTLES | STORES | TAKES | {"sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"},
    "ReconcileTasksRole": EVERY_FUNCTION | SETTLES | SENDS | {"dynamodb:Query"},
    "ReconcileTasksFunctionEveryMinuteRole": {"lambda:InvokeFunction"},
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: str) -> Iterator[dict[str, Any]]:
    for policy in ROLES[role]["Properties"]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_exactly_the_listed_actions(role: str) -> None:
    allowed = {action for statement in statements(role) for action in as_list(statement["Action"])}

    assert allowed == RIGHTS[role]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_wildcard_or_a_managed_policy(role: str) -> None:
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in as_list(statement["Action"]))
        for resource in as_list(statement["Resource"]):
            # Everything is named by reference to a resource of this stack; pictures share one prefix of one bucket.
            assert references(resource) & set(expanded()["Resources"])
            assert "*" not in str(resource).replace("${Bucket.Arn}/images/*", "")
    assert "ManagedPolicyArns" not in ROLES[role]["Properties"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_role_of_its_own_and_nothing_else(name: str) -> None:
    properties = FUNCTIONS[name]["Properties"]

    assert properties["Role"] == {"Fn::GetAtt": [name.removesuffix("Function") + "Role", "Arn"]}
    assert "Policies" not in properties


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_logs_to_its_own_group_only(name: str) -> None:
    mine = name.removesuffix("Function")
    groups = {
        group
        for statement in statements(f"{mine}Role")
        for action in as_list(statement["Action"])
        if action.startswith("logs:")
        for group in references(statement["Resource"])
    }

    assert groups == {f"{mine}Logs"}


@pytest.mark.parametrize(
    ("role", "queues"),
    [("ApiRole", {"DeadLetterQueue"}), ("WorkTasksRole", {"TaskQueue"})],
)
def test_messages_are_taken_from_one_queue_only(role: str, queues: set[str]) -> None:
    taken = [references(one["Resource"]) for one in statements(role) if "sqs:ReceiveMessage" in as_list(one["Action"])]

    assert taken == [queues]


def test_a_role_is_for_lambda_or_the_scheduler_only() -> None:
    trusted = {
        name: {
            service
            for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            for service in as_list(statement["Principal"]["Service"])
        }
        for name, role in ROLES.items()
    }

    scheduler = trusted.pop("ReconcileTasksFunctionEveryMinuteRole")
    assert scheduler == {"scheduler.amazonaws.com"}
    assert all(services == {"lambda.amazonaws.com"} for services in trusted.values())
