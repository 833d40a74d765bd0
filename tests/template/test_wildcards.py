"""What the template leaves open or hands out: no wildcard without a reason, no secret in plain sight, no door without a limit."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.template import expanded, references, resources, source, walk
from tests.support.tools import ROOT

LINES = (ROOT / "template.yaml").read_text().splitlines()
WILD = re.compile(r"^\s*(?:-\s*)?(?:(?:Not)?(?:Action|Resource|Principal):)?[^#]*\*")
CALLBACK_ROUTE = "POST /v1/callbacks/{upstream}/{task_id}/{token}"
STAGE = expanded()["Resources"]["ApiApiGatewayDefaultStage"]["Properties"]
QUIET = {
    "POWERTOOLS_LOGGER_LOG_EVENT",
    "POWERTOOLS_DEBUG",
    "POWERTOOLS_DEV",
    "POWERTOOLS_TRACE_MIDDLEWARES",
    "AWS_LAMBDA_LOG_LEVEL",
}


def wild_lines() -> list[int]:
    return [number for number, line in enumerate(LINES) if WILD.match(line)]


def has_reason(number: int) -> bool:
    """Whether the statement around a line begins below a comment."""
    start = next(at for at in range(number, -1, -1) if LINES[at].lstrip().startswith(("- Effect:", "- Sid:")))
    return LINES[start - 1].lstrip().startswith("# ")


def test_there_are_wildcards_to_explain() -> None:
    assert len(wild_lines()) >= 10


@pytest.mark.parametrize("number", wild_lines(), ids=lambda number: f"{number + 1}: {LINES[number].strip()}")
def test_every_wildcard_has_a_written_reason(number: int) -> None:
    assert has_reason(number)


def policy_statements() -> Iterator[dict[str, Any]]:
    yield from walk(expanded()["Resources"], lambda value: isinstance(value, dict) and {"Effect", "Action"} <= set(value))


def test_only_refusals_speak_of_every_action_or_everybody() -> None:
    for statement in policy_statements():
        wild = "*" in json.dumps([statement["Action"], statement.get("Principal")])

        assert not wild or statement["Effect"] == "Deny"
        assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)


def test_no_function_or_stage_can_be_called_past_the_gateway() -> None:
    permissions = resources(expanded(), "AWS::Lambda::Permission").values()

    assert permissions
    assert {one["Properties"]["Principal"] for one in permissions} == {"apigateway.amazonaws.com"}
    assert all("Api" in references(one["Properties"]["SourceArn"]) for one in permissions)
    assert not resources(expanded(), "AWS::Lambda::Url")


def test_callbacks_have_a_limit_of_their_own_that_applications_cannot_use_up() -> None:
    shared, own = STAGE["DefaultRouteSettings"], STAGE["RouteSettings"]

    assert set(own) == {CALLBACK_ROUTE}
    assert own[CALLBACK_ROUTE]["ThrottlingRateLimit"] >= shared["ThrottlingRateLimit"] > 0
    assert own[CALLBACK_ROUTE]["ThrottlingBurstLimit"] >= shared["ThrottlingBurstLimit"] > 0


@pytest.mark.parametrize("name", resources(source(), "AWS::Serverless::Function"))
def test_a_functions_variables_name_the_secret_and_hold_none(name: str) -> None:
    own = source()["Resources"][name]["Properties"].get("Environment", {}).get("Variables", {})
    variables = source()["Globals"]["Function"]["Environment"]["Variables"] | own

    secrets = {key for key, value in variables.items() if "Secret" in references(value)}
    assert secrets == {"DARKROOM_SECRET_ID"}
    assert variables["DARKROOM_SECRET_ID"] == {"Ref": "Secret"}
    assert not [key for key in variables if re.search(r"API_KEY|WEBHOOK|PASSWORD|TOKEN|CREDENTIAL", key)]


def test_no_function_logs_what_it_is_given() -> None:
    variables = source()["Globals"]["Function"]["Environment"]["Variables"]
    logging = [one["Properties"]["LoggingConfig"] for one in resources(expanded(), "AWS::Lambda::Function").values()]

    assert not QUIET & set(variables)
    # The libraries' own lines, which would quote whole requests, begin at DEBUG.
    assert {one.get("ApplicationLogLevel", "INFO") for one in logging} == {"INFO"}
    assert all("DataTraceEnabled" not in one for one in walk(STAGE, lambda value: isinstance(value, dict)))


def test_no_output_or_parameter_is_a_secret() -> None:
    outputs = source()["Outputs"]
    resolved = [value for one in outputs.values() for value in walk(one, lambda v: isinstance(v, str) and "resolve:" in v)]

    assert [name for name, one in outputs.items() if "Secret" in references(one["Value"])] == ["SecretArn"]
    assert outputs["SecretArn"]["Value"] == {"Ref": "Secret"}
    assert resolved == []
    assert not [name for name in source()["Parameters"] if re.search(r"key|secret|password|token", name, re.IGNORECASE)]
    assert "{{resolve:" not in (ROOT / "template.yaml").read_text()


@pytest.mark.parametrize("kind", ["AWS::S3::Bucket", "AWS::SQS::Queue"])
def test_every_bucket_and_queue_there_is_refuses_plain_http(kind: str) -> None:
    refusals = [
        statement
        for policy in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")
        for one in resources(expanded(), policy).values()
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
    ]
    covered = {
        name
        for one in refusals
        if (one["Effect"], one["Principal"], one["Condition"]) == ("Deny", "*", {"Bool": {"aws:SecureTransport": "false"}})
        for name in references(one["Resource"])
    }

    assert set(resources(expanded(), kind)) <= covered


def test_the_buckets_refusal_covers_itself_and_all_that_is_in_it() -> None:
    (policy,) = resources(source(), "AWS::S3::BucketPolicy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]

    assert statement["Resource"] == [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}]
