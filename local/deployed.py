"""A deployed stack, reached with the operator's own AWS credentials: its outputs and its secret."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from darkroom.adapters.clients import Clients
from darkroom.errors import StorageUnavailable


class AwsRefused(click.ClickException):
    """AWS said no, or could not be asked."""

    exit_code = 3


class Deployed:
    """The stack called `name` in the region and account of the environment; raises AwsRefused."""

    def __init__(self, name: str) -> None:
        self._name = name
        # Like the AWS CLI; boto3 itself reads AWS_DEFAULT_REGION only.
        self._session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
        self._endpoint_url = os.environ.get("AWS_ENDPOINT_URL") or None
        self.clients = Clients(session=self._session, endpoint_url=self._endpoint_url)

    @cached_property
    def _outputs(self) -> Mapping[str, str]:
        with saying_why():
            cloudformation = self._session.client("cloudformation", endpoint_url=self._endpoint_url)
            stacks = cloudformation.describe_stacks(StackName=self._name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stacks[0].get("Outputs", [])}

    def output(self, name: str) -> str:
        """One of the stack's outputs."""
        if name not in self._outputs:
            raise AwsRefused(f"the stack {self._name} has no output {name}: is it a deployment of Darkroom?")
        return self._outputs[name]

    def secret(self) -> dict[str, str]:
        """The secret's values by name."""
        with saying_why():
            text = self.clients.secretsmanager.get_secret_value(SecretId=self.output("SecretArn"))["SecretString"]
        values = json.loads(text)
        if not isinstance(values, dict):
            raise AwsRefused("the stack's secret is not a JSON object of names and texts")
        return values

    def replace_secret(self, values: Mapping[str, str]) -> None:
        """Store a new version of the secret."""
        with saying_why():
            self.clients.secretsmanager.put_secret_value(SecretId=self.output("SecretArn"), SecretString=json.dumps(dict(values)))


@contextmanager
def saying_why() -> Iterator[None]:
    """Turns AWS's errors into one line."""
    try:
        yield
    except ClientError as error:
        raise AwsRefused(f"AWS said no: {error.response.get('Error', {}).get('Message') or error}") from error
    except (BotoCoreError, StorageUnavailable) as error:
        raise AwsRefused(f"AWS could not be asked: {error}") from error
