"""The commands that reach a deployed stack through CloudFormation's outputs, against an emulated account."""

import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from darkroom.adapters.claims import DynamoApiKeys
from darkroom.adapters.dynamo import Table
from darkroom.adapters.secrets import SecretsManager, signing_keys
from darkroom.usecases.make_key import sha256_of
from tests.pipeline.running import Done, command, darkroom, environment
from tests.support.aws import REGION, Aws

FIRST = {
    "hiapi_api_key": "",
    "hiapi_webhook_secret": "whsec_the_first_one",
    "hiapi_webhook_secret_previous": "",
    "callback_secret": "callback-secret-of-a-deployed-stack",
}


@dataclass(frozen=True, slots=True)
class Account:
    """An account with one stack in it, whose outputs are those of the template."""

    aws: Aws
    stack: str
    table: str
    secret: str

    def cli(self, *arguments: str, stdin: str = "") -> Done:
        return darkroom(*arguments, "--stack", self.stack, stdin=stdin, **self.env)

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
        }

    @property
    def values(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.aws.clients.secretsmanager.get_secret_value(SecretId=self.secret)["SecretString"])
        return found


@pytest.fixture
def account(moto: Aws) -> Iterator[Account]:
    table, secret = moto.table(), moto.secret(json.dumps(FIRST))
    stack = f"darkroom-{table}"
    outputs = {"TableName": table, "SecretArn": secret}
    template = {
        "Resources": {"Nothing": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    cloudformation: Any = session.client("cloudformation", endpoint_url=moto.endpoint)
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    yield Account(moto, stack, table, secret)
    cloudformation.delete_stack(StackName=stack)


def test_the_first_key_of_a_stack_is_written_with_aws_credentials_and_shown_once(account: Account) -> None:
    done = account.cli("keys", "create", "--owner", "ops", "--scopes", "admin", "--json")

    table = Table(client=account.aws.clients.dynamodb, name=account.table)
    stored = DynamoApiKeys(table=table, clock=time.time, cache_s=0).find(sha256_of(done.found["key"]))
    assert done.status == 0
    assert stored is not None
    assert (stored.owner, stored.scopes) == ("ops", frozenset({"admin"}))
    assert done.found["key"] not in str(account.aws.clients.dynamodb.scan(TableName=account.table)["Items"])


def test_an_owner_that_cannot_be_one_is_wrong_usage(account: Account) -> None:
    done = account.cli("keys", "create", "--owner", "no spaces", "--scopes", "admin")

    assert done.status == 2
    assert "owner" in done.err


def test_the_upstreams_values_are_read_from_standard_input_and_ours_is_kept(account: Account) -> None:
    done = account.cli("secrets", "set", stdin="sk-of-the-upstream\nwhsec_the_second_one\n")

    assert done.status == 0
    assert account.values == FIRST | {
        "hiapi_api_key": "sk-of-the-upstream",
        "hiapi_webhook_secret": "whsec_the_second_one",
        "hiapi_webhook_secret_previous": "whsec_the_first_one",
    }
    assert "sk-of-the-upstream" not in done.out + done.err


def test_an_empty_value_keeps_what_is_there(account: Account) -> None:
    done = account.cli("secrets", "set", "--json", stdin="\n\n")

    assert done.found["changed"] == []
    assert account.values == FIRST


def test_one_value_can_be_set_by_its_name(account: Account) -> None:
    account.cli("secrets", "set", "hiapi_api_key", stdin="sk-only\n")

    assert account.values == FIRST | {"hiapi_api_key": "sk-only"}


def test_on_a_terminal_a_value_is_asked_for_and_not_echoed(account: Account) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("secrets", "set", "hiapi_api_key", "--stack", account.stack),
        env=environment(**account.env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = read_until(ours, b"hiapi_api_key")
    # Echo is off once the prompt waits for its answer.
    time.sleep(0.5)
    os.write(ours, b"sk-typed-by-hand\n")
    seen += read_until(ours, b"set hiapi_api_key")

    assert process.wait(30) == 0
    assert b"sk-typed-by-hand" not in seen
    assert account.values["hiapi_api_key"] == "sk-typed-by-hand"
    os.close(ours)


def test_a_rotated_callback_secret_signs_and_the_old_one_is_still_accepted(account: Account) -> None:
    before = time.time()

    done = account.cli("secrets", "rotate-callback")

    secrets = SecretsManager(client=account.aws.clients.secretsmanager, secret_id=account.secret, cache_s=0, clock=time.monotonic)
    current, previous = signing_keys(secrets)
    assert done.status == 0
    assert current.retired_at is None
    assert previous.retired_at is not None
    assert before - 1 <= previous.retired_at <= time.time()
    assert account.values["callback_secret_previous"] == FIRST["callback_secret"]
    assert account.values["hiapi_webhook_secret"] == FIRST["hiapi_webhook_secret"]


def test_a_stack_that_does_not_exist_is_named_by_aws_itself(account: Account) -> None:
    done = darkroom("keys", "create", "--owner", "ops", "--scopes", "admin", "--stack", "no-such-stack", **account.env)

    assert done.status == 3
    assert "no-such-stack" in done.err
    assert "Traceback" not in done.err


def read_until(terminal: int, text: bytes, timeout_s: float = 30) -> bytes:
    """What a terminal shows, up to `text`."""
    seen, until, shows = b"", time.monotonic() + timeout_s, select.poll()
    shows.register(terminal, select.POLLIN)
    while text not in seen and time.monotonic() < until:
        if shows.poll(200):
            try:
                seen += os.read(terminal, 4096)
            except OSError:
                break
    assert text in seen, seen
    return seen
