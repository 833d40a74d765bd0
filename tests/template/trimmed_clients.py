"""Print what botocore's clients know and where they would send requests, as JSON; run with and without the built layer.

    python trimmed_clients.py '{"dynamodb": ["GetItem", …], …}' us-east-1 …

A program of its own, which imports nothing but botocore: what a layer was cut down to must say the same as the whole.
"""

import json
import sys
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.session import Session

INPUTS: dict[str, dict[str, Any]] = {
    "dynamodb": {"TableName": "t", "RequestItems": {"t": {"Keys": []}}},
    "s3": {"Bucket": "darkroom-pictures", "Key": "images/a/0", "Body": b""},
    "secretsmanager": {"SecretId": "s"},
    "sqs": {"QueueUrl": "https://queue.example/1/tasks", "MessageBody": "m"},
    "sts": {"RoleArn": "r"},
}


def shape_of(shape: Any, seen: tuple[str, ...] = ()) -> Any:
    """A shape with all that it is made of; one that contains itself is told by its name."""
    if shape is None or shape.name in seen:
        return shape and shape.name
    inner = {
        "structure": lambda: {name: shape_of(one, (*seen, shape.name)) for name, one in shape.members.items()},
        "list": lambda: shape_of(shape.member, (*seen, shape.name)),
        "map": lambda: [shape_of(shape.key, (*seen, shape.name)), shape_of(shape.value, (*seen, shape.name))],
    }
    told = [shape.type_name, shape.serialization, {name: value for name, value in shape.metadata.items() if name != "document"}]
    return [*told, inner.get(shape.type_name, lambda: None)()]


def operation_of(model: Any) -> Any:
    """All that a request and its answer are made from."""
    return {
        "http": model.http,
        "input": shape_of(model.input_shape),
        "output": shape_of(model.output_shape),
        "errors": [shape_of(one) for one in model.error_shapes],
        "checksum": model.http_checksum,
        "context": [[one.name, one.value] for one in model.static_context_parameters],
        "idempotent": model.idempotent_members,
        "auth": [model.auth_type, model.auth],
    }


def address_of(client: Any, operation: str, given: dict[str, Any]) -> str:
    """Where the request would go; nothing is sent."""
    seen = []

    def stop(request: Any, **_: Any) -> AWSResponse:
        seen.append(request.url)
        return AWSResponse(request.url, 500, {}, None)

    client.meta.events.register("before-send", stop)
    model = client.meta.service_model.operation_model(operation)
    wanted = {name: value for name, value in given.items() if name in model.input_shape.members}
    method = next(name for name, one in client.meta.method_to_api_mapping.items() if one == operation)
    try:
        getattr(client, method)(**wanted)
    except Exception as error:
        # An answer without a body is no answer; where it was asked is what counts.
        seen.append(repr(error))
    client.meta.events.unregister("before-send", stop)
    return str(seen[0])


def main(services: dict[str, list[str]], regions: list[str]) -> None:
    session, told = Session(), {}
    session.set_credentials("test", "test")
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    for service, operations in services.items():
        clients = {region: session.create_client(service, region_name=region, config=config) for region in regions}
        model = clients[regions[0]].meta.service_model
        told[service] = {
            name: {
                "model": operation_of(model.operation_model(name)),
                "addresses": {region: address_of(client, name, INPUTS[service]) for region, client in clients.items()},
            }
            for name in operations
        }
        told[service]["parameters"] = sorted(one.name for one in model.client_context_parameters)
    print(json.dumps(told, sort_keys=True, default=str))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
