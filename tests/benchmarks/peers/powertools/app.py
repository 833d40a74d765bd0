"""The same two handlers as a careful team writes them with all of Powertools: what Darkroom's figures stand beside.

Logger, Metrics, Tracer, resolver with validation, parser, idempotency and a boto3 resource, each as Powertools' documentation
shows it. There is no list of tasks here, no fairness, no answer to a lost callback; what is here is done well.
"""

import hashlib
import json
import os
import time
import uuid
from typing import Annotated, Any

import boto3
import urllib3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventV2Model
from aws_lambda_powertools.utilities.typing import LambdaContext
from boto3.dynamodb.conditions import Attr
from pydantic import BaseModel, Field, Json

logger = Logger(service="peer")
metrics = Metrics(namespace="Peer", service="peer")
tracer = Tracer(service="peer")
app = APIGatewayHttpResolver(enable_validation=True)

table = boto3.resource("dynamodb").Table(os.environ["PEER_TABLE"])
s3 = boto3.client("s3")
http = urllib3.PoolManager(retries=False)
persistence = DynamoDBPersistenceLayer(table_name=os.environ["PEER_IDEMPOTENCY_TABLE"])
by_order = IdempotencyConfig(event_key_jmespath='headers."idempotency-key"')
by_task = IdempotencyConfig(event_key_jmespath="powertools_json(body).taskId")


class Input(BaseModel):
    prompt: Annotated[str, Field(min_length=1, max_length=4000)]
    aspect_ratio: str = "1:1"
    resolution: str = "1K"


class Order(BaseModel):
    model: str
    input: Input
    user: Annotated[str, Field(max_length=128)] | None = None
    metadata: dict[str, str] = {}


class Output(BaseModel):
    url: str
    type: str


class Result(BaseModel):
    taskId: str  # noqa: N815  (the upstream's spelling)
    status: str
    output: list[Output] = []


class Callback(APIGatewayProxyEventV2Model):
    body: Json[Result]  # type: ignore[assignment]  # as Powertools documents it


@app.post("/v1/tasks")
@tracer.capture_method
def create(order: Annotated[Order, Body()]) -> Response[str]:
    task_id, now = f"task_{uuid.uuid4().hex}", int(time.time())
    row = {
        "pk": task_id,
        "sk": "state",
        "status": "submitting",
        "created_at": now,
        "due_shard": "due#0",
        "next_check_at": now + 60,
    }
    table.put_item(Item=row | {"input": order.input.model_dump()}, ConditionExpression=Attr("pk").not_exists())
    wanted = {
        "model": order.model,
        "input": order.input.model_dump(),
        "callback": {"url": f"https://peer.test/v1/callbacks/hiapi/{task_id}/token"},
    }
    headers = {"Authorization": "Bearer key", "Content-Type": "application/json", "Idempotency-Key": task_id}
    answer = http.request("POST", os.environ["PEER_UPSTREAM"] + "/v1/tasks", body=json.dumps(wanted), headers=headers)
    upstream_id = answer.json()["data"]["taskId"]
    table.update_item(
        Key={"pk": task_id, "sk": "state"},
        UpdateExpression="SET upstream_task_id = :id, #s = :s",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":id": upstream_id, ":s": "running"},
    )
    metrics.add_metric(name="TasksCreated", unit=MetricUnit.Count, value=1)
    logger.info("created", task_id=task_id, upstream_task_id=upstream_id)
    body = json.dumps({"id": task_id, "status": "running"})
    return Response(status_code=202, content_type="application/json", body=body)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler
@metrics.log_metrics
@idempotent(persistence_store=persistence, config=by_order)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler
@metrics.log_metrics
@idempotent(persistence_store=persistence, config=by_task)
@event_parser(model=Callback)
def callback(event: Callback, context: LambdaContext) -> dict[str, Any]:
    task_id = (event.pathParameters or {})["task_id"]
    key = {"pk": task_id, "sk": "state"}
    task = table.get_item(Key=key, ConsistentRead=True)["Item"]
    picture = http.request("GET", event.body.output[0].url).data
    facts = {"sha256": hashlib.sha256(picture).hexdigest(), "bytes": len(picture)}
    s3.put_object(Bucket=os.environ["PEER_BUCKET"], Key=f"images/{task_id}/0", Body=picture, ContentType="image/png")
    table.update_item(
        Key=key,
        UpdateExpression="SET #s = :s, image = :i REMOVE due_shard, next_check_at",
        ConditionExpression=Attr("status").eq(task["status"]),
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": "succeeded", ":i": facts},
    )
    metrics.add_metric(name="TasksSucceeded", unit=MetricUnit.Count, value=1)
    logger.info("stored", extra={"task_id": task_id, **facts})
    return {"statusCode": 200, "body": "{}"}
