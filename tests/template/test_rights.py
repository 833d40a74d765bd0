"""Least privilege: each function may do exactly what it does, to exactly what it does it to."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.template import expanded, references, resources, source

ROLES = resources(expanded(), "AWS::IAM::Role")
FUNCTIONS = resources(source(), "AWS::Serverless::Function")

# Who may do what. A right that is added to the template is added here too, and seen twice in review.
EVERY_FUNCTION = {"logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue"}
SETTLES = {"dynamodb:GetItem", "dynamodb:PutItem"}
HANDS_ON = {"dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "sqs:SendMessage"}
READS_PICTURES = {"s3:GetObject", "s3:ListBucket"}
STORES = READS_PICTURES | {"s3:PutObject"}
TAKES = {"sqs:ReceiveMessage", "sqs:DeleteMessage"}
WORKS = {"sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"}
RIGHTS = {
    "ApiRole": EVERY_FUNCTION | SETTLES | HANDS_ON | STORES | TAKES | {"dynamodb:BatchGetItem"},
    "ReceiveCallbackRole": EVERY_FUNCTION | SETTLES | HANDS_ON | STORES,
    "WorkTasksRole": EVERY_FUNCTION | SETTLES | HANDS_ON | STORES | TAKES | WORKS,
    "ReconcileTasksRole": EVERY_FUNCTION | SETTLES | HANDS_ON | {"s3:GetObject"},
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
def test_no_right_is_given_twice(role: str) -> None:
    given = Counter((action, str(one["Resource"])) for one in statements(role) for action in as_list(one["Action"]))

    assert [right for right, times in given.items() if times > 1] == []


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_wildcard_or_a_managed_policy(role: str) -> None:
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in as_list(statement["Action"]))
        for resource in as_list(statement["Resource"]):
            # Everything is named by reference to a resource of this stack; what lies in the bucket has a prefix for each kind.
            assert references(resource) & set(expanded()["Resources"])
            assert "*" not in re.sub(r"\$\{Bucket\.Arn\}/(?:images|uploads|unreadable)/\*", "", str(resource))
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


FOLDERS = {
    "ApiRole": {"images/*": {"s3:GetObject"}, "uploads/*": {"s3:GetObject", "s3:PutObject"}},
    "ReceiveCallbackRole": {"images/*": {"s3:GetObject", "s3:PutObject"}},
    "WorkTasksRole": {
        "images/*": {"s3:GetObject", "s3:PutObject"},
        "uploads/*": {"s3:GetObject"},
        "unreadable/*": {"s3:PutObject"},
    },
    "ReconcileTasksRole": {"uploads/*": {"s3:GetObject"}},
}


@pytest.mark.parametrize("role", FOLDERS)
def test_a_role_reaches_only_the_folders_of_the_bucket_that_it_needs(role: str) -> None:
    """An address that a function signs can do what the function may: only the API hands out addresses that take bytes."""
    found: dict[str, set[str]] = {}
    for statement in statements(role):
        name = statement["Resource"].get("Fn::Sub", "") if isinstance(statement["Resource"], dict) else ""
        folder = name.removeprefix("${Bucket.Arn}/")
        if folder != name and not folder.startswith("config/"):
            found.setdefault(folder, set()).update(as_list(statement["Action"]))

    assert found == FOLDERS[role]


def test_a_deployers_catalogue_is_read_by_the_api_which_writes_its_copy_only() -> None:
    found = {
        (role, statement["Resource"]["Fn::Sub"].removeprefix("${Bucket.Arn}/")): set(as_list(statement["Action"]))
        for role in ROLES
        for statement in statements(role)
        if "config/" in str(statement["Resource"])
    }

    assert found == {
        ("ApiRole", "config/${CatalogueObject}"): {"s3:GetObject"},
        ("ApiRole", "config/.last-good/${CatalogueObject}"): {"s3:GetObject", "s3:PutObject"},
    }


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
