"""A metered AWS as the template would make it, with the variables that tell a function of ours where it is."""

import json
from typing import Any

from darkroom.adapters.dynamo import Table
from tests.support.aws import clients_at
from tests.support.metered_table import MeteredTable
from tests.support.metering import MeteredAws
from tests.support.requests import add_key
from tests.support.template import source
from tests.support.wire_upstream import API_KEY, WEBHOOK_SECRET, WireUpstream

TABLE, BUCKET, QUEUE, SECRET = "darkroom-table", "darkroom-pictures-123456789012", "darkroom-tasks", "darkroom-secret"
_SECRETS = {
    "hiapi_api_key": API_KEY,
    "hiapi_webhook_secret": WEBHOOK_SECRET,
    "hiapi_webhook_secret_previous": "",
    "callback_secret": "a-callback-secret-of-some-length-0123456789",
}


def furnish(aws: MeteredAws) -> MeteredTable:
    """The stack's table, bucket, queue and secret, and a caller's key; all of it for nothing."""
    shape: Any = source()["Resources"]["Table"]["Properties"]
    indexes = {
        one["IndexName"]: tuple(key["AttributeName"] for key in one["KeySchema"]) for one in shape["GlobalSecondaryIndexes"]
    }
    assert all(one["Projection"] == {"ProjectionType": "KEYS_ONLY"} for one in shape["GlobalSecondaryIndexes"])
    table = aws.add_table(TABLE, indexes)
    aws.buckets.add(BUCKET)
    aws.queues[QUEUE] = []
    aws.secrets[SECRET] = json.dumps(_SECRETS)
    add_key(Table(client=clients_at(aws.url).dynamodb, name=TABLE))
    return table


def variables(aws: MeteredAws, upstream: WireUpstream) -> dict[str, str]:
    """The function's environment."""
    return {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DARKROOM_TABLE": TABLE,
        "DARKROOM_BUCKET": BUCKET,
        "DARKROOM_QUEUE_URL": f"{aws.url}/000000000000/{QUEUE}",
        "DARKROOM_DEAD_LETTER_QUEUE_URL": f"{aws.url}/000000000000/{QUEUE}-dead",
        "DARKROOM_SECRET_ID": SECRET,
        "DARKROOM_ALLOWED_OUTPUT_ORIGINS": upstream.url,
        "HIAPI_BASE_URL": upstream.url,
    }
