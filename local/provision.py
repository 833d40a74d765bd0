"""Makes the template's stores on an AWS endpoint, by the services' own calls; what is there already is kept as it is.

An emulator's own stack creation is not used: it drops lifecycle rules, TTL and secrets without a word.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.intrinsics import Intrinsics, Resource
from local.parts import REGION, STACK
from local.template import Template

SecretValues = Mapping[str, str]
Properties = Mapping[str, Any]

_QUEUE_ATTRIBUTES = ("VisibilityTimeout", "MessageRetentionPeriod", "SqsManagedSseEnabled", "RedrivePolicy", "RedriveAllowPolicy")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Stores:
    """The template's table, bucket, queues and secret, each made when it is first referred to.

    `secret` holds values that replace the secret's own; its other values are kept, or generated where there are none.
    """

    def __init__(self, template: Template, *, endpoint_url: str, secret: SecretValues) -> None:
        self._template = template
        self._secret = secret
        self._endpoint_url = endpoint_url
        self._session = boto3.Session()
        self._made: dict[str, Resource] = {}
        self._makers: Mapping[str, Callable[[str, Properties], Resource]] = {
            "AWS::DynamoDB::Table": self._table,
            "AWS::S3::Bucket": self._bucket,
            "AWS::SQS::Queue": self._queue,
            "AWS::SecretsManager::Secret": self._stored_secret,
        }

    @property
    def intrinsics(self) -> Intrinsics:
        """Resolves the template's values; what a value refers to is made by that."""
        return self._template.intrinsics(self.resource)

    def resource(self, id_: str) -> Resource:
        """What a logical id has become, now at the latest."""
        if id_ not in self._made:
            written = self._template.resources[id_]
            maker = self._makers[written["Type"]]
            self._made[id_] = maker(id_, self.intrinsics.resolve(written["Properties"]))
        return self._made[id_]

    def make_all(self) -> None:
        """Every store of the template, referred to or not."""
        for id_, written in self._template.resources.items():
            if written["Type"] in self._makers:
                self.resource(id_)

    def client(self, service: str) -> Any:
        """A boto3 client on the endpoint."""
        config = Config(retries={"mode": "standard", "total_max_attempts": 5}, s3={"addressing_style": "path"})
        return self._session.client(service, endpoint_url=self._endpoint_url, config=config)

    def _table(self, id_: str, properties: Properties) -> Resource:
        dynamodb, name = self.client("dynamodb"), _name(id_)
        made = _unless(
            "ResourceInUseException",
            lambda: dynamodb.create_table(TableName=name, **_only(properties, _TABLE_PROPERTIES)),
        )
        dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        if made:
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
        return Resource(ref=name, attributes={"Arn": dynamodb.describe_table(TableName=name)["Table"]["TableArn"]})

    def _bucket(self, id_: str, properties: Properties) -> Resource:
        s3, name = self.client("s3"), _name(id_)
        region = self._session.region_name or REGION
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        made = _unless("BucketAlreadyOwnedByYou", lambda: s3.create_bucket(Bucket=name, **where))
        if made:
            block = properties["PublicAccessBlockConfiguration"]
            s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
            rules = [_lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
            s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
        return Resource(ref=name, attributes={"Arn": f"arn:aws:s3:::{name}"})

    def _queue(self, id_: str, properties: Properties) -> Resource:
        sqs, name = self.client("sqs"), properties.get("QueueName", _name(id_))
        attributes = {key: _attribute(properties[key]) for key in _QUEUE_ATTRIBUTES if key in properties}
        # A queue of that name with other attributes is one that somebody changed by hand: it is kept.
        _unless("QueueNameExists", lambda: sqs.create_queue(QueueName=name, Attributes=attributes))
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return Resource(ref=url, attributes={"Arn": arn, "QueueName": name})

    def _stored_secret(self, id_: str, properties: Properties) -> Resource:
        manager, name = self.client("secretsmanager"), _name(id_)
        fresh = _generated(properties["GenerateSecretString"]) | dict(self._secret)
        description = properties["Description"]
        if not _unless(
            "ResourceExistsException",
            lambda: manager.create_secret(Name=name, Description=description, SecretString=json.dumps(fresh)),
        ):
            known = json.loads(manager.get_secret_value(SecretId=name)["SecretString"])
            wanted = fresh | known | dict(self._secret)
            if wanted != known:
                manager.put_secret_value(SecretId=name, SecretString=json.dumps(wanted))
        return Resource(ref=name)


_TABLE_PROPERTIES = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def _name(id_: str) -> str:
    return f"{STACK}-{id_}".lower()


def _only(properties: Properties, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: properties[name] for name in names if name in properties}


def _unless(taken: str, call: Callable[[], object]) -> bool:
    """Whether `call` made something; False when it says by this error code that the name is taken."""
    try:
        call()
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        # The query protocol writes a longer name for the same error.
        if code != taken and not code.endswith("QueueAlreadyExists"):
            raise
        return False
    return True


def _attribute(value: Any) -> str:
    """A queue's attribute as its API wants it: a string, whatever it is."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    """CloudFormation's words for a lifecycle rule in the API's."""
    told = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        told["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "AbortIncompleteMultipartUpload" in rule:
        told["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    return told


def _generated(wish: Properties) -> dict[str, str]:
    """What Secrets Manager would generate; letters and digits are within every rule the template could set."""
    values: dict[str, str] = json.loads(wish["SecretStringTemplate"])
    values[wish["GenerateStringKey"]] = "".join(secrets.choice(_ALPHABET) for _ in range(int(wish["PasswordLength"])))
    return values
