"""An AWS on loopback that keeps a meter: DynamoDB with exact units, and S3, SQS and Secrets Manager as far as we call them.

tests/contract/metering holds it to what moto and MiniStack do. Unlike them it counts what is paid for.
"""

import hashlib
import json
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tests.support.expressions import BadExpression, Item
from tests.support.loopback import Asked, Loopback, Reply
from tests.support.metered_table import ConditionFailed, MeteredTable

_JSON = {"Content-Type": "application/x-amz-json-1.0"}
_KEPT_BYTES = 1024 * 1024
_KEPT_HEADERS = ("content-type", "content-disposition", "cache-control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What has been used so far; the difference of two is what happened in between."""

    write_units: float = 0.0
    read_units: float = 0.0
    calls: Mapping[str, int] = field(default_factory=dict)
    connections: int = 0
    expects: int = 0

    def __sub__(self, earlier: Self) -> "Meter":
        calls = Counter(self.calls)
        calls.subtract(earlier.calls)
        return Meter(
            write_units=self.write_units - earlier.write_units,
            read_units=self.read_units - earlier.read_units,
            calls={name: count for name, count in calls.items() if count},
            connections=self.connections - earlier.connections,
            expects=self.expects - earlier.expects,
        )


@dataclass(slots=True)
class Stored:
    """An object in a bucket; only small ones keep their bytes."""

    size: int
    sha256: str
    headers: Mapping[str, str]
    body: bytes


class _Refused(Exception):
    def __init__(self, code: str, message: str = "", **more: Any) -> None:
        super().__init__(code)
        self.body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message or code, **more}


class MeteredAws:
    """The endpoint: `with MeteredAws() as aws: aws.url`. `upload_bytes_s` is as fast as its bucket takes bytes in."""

    def __init__(self, *, upload_bytes_s: float | None = None) -> None:
        self.tables: dict[str, MeteredTable] = {}
        self.buckets: set[str] = set()
        self.objects: dict[str, Stored] = {}
        self.queues: dict[str, list[str]] = {}
        self.secrets: dict[str, str] = {}
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._upload_bytes_s = upload_bytes_s
        self._server = Loopback(self._answer)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._server.__exit__(*error)

    @property
    def meter(self) -> Meter:
        """All that has been used since the beginning."""
        with self._lock:
            return Meter(
                write_units=sum(table.units.write for table in self.tables.values()),
                read_units=sum(table.units.read for table in self.tables.values()),
                calls=dict(self._calls),
                connections=self._server.connections,
                expects=self._server.expects,
            )

    def add_table(
        self, name: str, indexes: Mapping[str, tuple[str, ...]], *, keys: tuple[str, ...] = ("pk", "sk")
    ) -> MeteredTable:
        """A new, empty table."""
        self.tables[name] = table = MeteredTable(indexes, keys=keys)
        return table

    # -- the wire -----------------------------------------------------------------------------------

    def _answer(self, asked: Asked) -> Reply:
        target = asked.headers.get("x-amz-target")
        return self._json(asked, target.rpartition(".")[2]) if target else self._object(asked)

    def _json(self, asked: Asked, operation: str) -> Reply:
        request = json.loads(asked.body())
        with self._lock:
            self._calls[operation] += 1
            try:
                status, content = 200, _OPERATIONS[operation](self, request)
            except _Refused as refused:
                status, content = 400, refused.body
            except (BadExpression, KeyError) as error:
                status, content = 400, {"__type": "ValidationException", "message": repr(error)}
        body = json.dumps(content).encode()
        return Reply(status=status, body=body, headers=_JSON | {"x-amz-crc32": str(zlib.crc32(body))})

    def _object(self, asked: Asked) -> Reply:
        path = asked.target.partition("?")[0].lstrip("/")
        with self._lock:
            self._calls[f"s3:{asked.method}"] += 1
        if asked.method == "PUT" and "/" not in path:
            self.buckets.add(path)
            return Reply()
        if path.partition("/")[0] not in self.buckets:
            return _xml_error(404, "NoSuchBucket")
        if asked.method == "PUT":
            return self._put_object(path, asked)
        stored = self.objects.get(path)
        if stored is None:
            return _no_such_key(asked.method)
        headers = {name: stored.headers[name] for name in _KEPT_HEADERS if name in stored.headers}
        headers["ETag"] = f'"{stored.sha256[:32]}"'
        if asked.method == "HEAD":
            return Reply(headers=headers, size=stored.size, body=())
        return Reply(body=stored.body, headers=headers)

    def _put_object(self, path: str, asked: Asked) -> Reply:
        digest, size, kept = hashlib.sha256(), 0, bytearray()
        for chunk in asked.chunks(bytes_per_s=self._upload_bytes_s):
            digest.update(chunk)
            size += len(chunk)
            kept += chunk if size <= _KEPT_BYTES else b""
        stored = Stored(size, digest.hexdigest(), asked.headers, bytes(kept) if size <= _KEPT_BYTES else b"")
        with self._lock:
            if asked.headers.get("if-none-match") == "*" and path in self.objects:
                return _xml_error(412, "PreconditionFailed")
            self.objects[path] = stored
        return Reply(headers={"ETag": f'"{stored.sha256[:32]}"'})

    # -- DynamoDB -----------------------------------------------------------------------------------

    def _create_table(self, request: Any) -> Any:
        indexes = {one["IndexName"]: _keys(one) for one in request.get("GlobalSecondaryIndexes", [])}
        self.add_table(request["TableName"], indexes, keys=_keys(request))
        return {"TableDescription": {"TableName": request["TableName"], "TableStatus": "ACTIVE"}}

    def _get_item(self, request: Any) -> Any:
        found = self._table(request).get(request["Key"], consistent=request.get("ConsistentRead", False))
        return {"Item": found} if found else {}

    def _put_item(self, request: Any) -> Any:
        self._write(request, lambda table, *how: table.put(request["Item"], *how))
        return {}

    def _delete_item(self, request: Any) -> Any:
        self._write(request, lambda table, *how: table.delete(request["Key"], *how))
        return {}

    def _update_item(self, request: Any) -> Any:
        new = self._write(request, lambda table, *how: table.update(request["Key"], request["UpdateExpression"], *how))
        return {"Attributes": new} if request.get("ReturnValues") == "ALL_NEW" else {}

    def _write(self, request: Any, write: Callable[..., Any]) -> Any:
        values, names = request.get("ExpressionAttributeValues", {}), request.get("ExpressionAttributeNames", {})
        try:
            return write(self._table(request), request.get("ConditionExpression"), values, names)
        except ConditionFailed as failed:
            wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            old = {"Item": failed.old} if wanted and failed.old else {}
            raise _Refused("ConditionalCheckFailedException", str(failed), **old) from failed

    def _query(self, request: Any) -> Any:
        found, last = self._table(request).query(
            request["KeyConditionExpression"],
            request["ExpressionAttributeValues"],
            request.get("ExpressionAttributeNames", {}),
            index=request.get("IndexName"),
            consistent=request.get("ConsistentRead", False),
            forward=request.get("ScanIndexForward", True),
            limit=request.get("Limit"),
            after=request.get("ExclusiveStartKey"),
        )
        more = {"LastEvaluatedKey": last} if last else {}
        return {"Items": found, "Count": len(found), "ScannedCount": len(found), **more}

    def _batch_get_item(self, request: Any) -> Any:
        answers = {name: list(self._read_all(self.tables[name], wanted)) for name, wanted in request["RequestItems"].items()}
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _read_all(self, table: MeteredTable, wanted: Any) -> Iterator[Item]:
        for key in wanted["Keys"]:
            if (found := table.get(key, consistent=wanted.get("ConsistentRead", False))) is not None:
                yield found

    def _table(self, request: Any) -> MeteredTable:
        try:
            return self.tables[request["TableName"]]
        except KeyError:
            raise _Refused("ResourceNotFoundException", "Requested resource not found") from None

    # -- queue and secrets ----------------------------------------------------------------------------

    def _create_queue(self, request: Any) -> Any:
        self.queues[request["QueueName"]] = []
        return {"QueueUrl": f"{self.url}/000000000000/{request['QueueName']}"}

    def _send_message(self, request: Any) -> Any:
        queue = self.queues[request["QueueUrl"].rpartition("/")[2]]
        # A delay is for the test to let pass.
        queue.append(request["MessageBody"])
        digest = hashlib.md5(request["MessageBody"].encode(), usedforsecurity=False).hexdigest()
        return {"MessageId": f"message-{len(queue)}", "MD5OfMessageBody": digest}

    def _create_secret(self, request: Any) -> Any:
        self.secrets[request["Name"]] = request["SecretString"]
        return {"Name": request["Name"], "ARN": request["Name"]}

    def _get_secret_value(self, request: Any) -> Any:
        if request["SecretId"] not in self.secrets:
            raise _Refused("ResourceNotFoundException")
        return {"Name": request["SecretId"], "SecretString": self.secrets[request["SecretId"]]}


_OPERATIONS: dict[str, Callable[[MeteredAws, Any], Any]] = {
    "BatchGetItem": MeteredAws._batch_get_item,
    "CreateQueue": MeteredAws._create_queue,
    "CreateSecret": MeteredAws._create_secret,
    "CreateTable": MeteredAws._create_table,
    "DeleteItem": MeteredAws._delete_item,
    "GetItem": MeteredAws._get_item,
    "GetSecretValue": MeteredAws._get_secret_value,
    "PutItem": MeteredAws._put_item,
    "Query": MeteredAws._query,
    "SendMessage": MeteredAws._send_message,
    "UpdateItem": MeteredAws._update_item,
}


def _keys(schema: Any) -> tuple[str, ...]:
    return tuple(part["AttributeName"] for part in schema["KeySchema"])


def _no_such_key(method: str) -> Reply:
    return Reply(status=404) if method == "HEAD" else _xml_error(404, "NoSuchKey")


def _xml_error(status: int, code: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Reply(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})
