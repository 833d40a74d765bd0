"""One DynamoDB table in raw rows: consistent reads, conditional writes, and a lost answer told from a lost race."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from darkroom.adapters.clients import code_of, unavailable
from darkroom.errors import StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

Row = dict[str, Any]
"""Attribute name → typed value, as the low-level client has it: {"version": {"N": "3"}}."""

Values = Mapping[str, Any]

ABSENT = "attribute_not_exists(pk) OR expires_at <= :now"
"""The condition for adding a row: none is there, or its time is over and only TTL's sweep has not come by yet."""

_BATCH_TRIES = 5


def random_move_id() -> str:
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table called `name`; every method raises StorageUnavailable when it does not answer within its retries."""

    client: "DynamoDBClient"
    name: str
    move_id: Callable[[], str] = random_move_id
    sleep: Callable[[float], None] = time.sleep

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Row | None:
        with unavailable("table"):
            answer = self.client.get_item(TableName=self.name, Key=key(pk, sk), ConsistentRead=consistent)
        return answer.get("Item")

    def put(self, row: Row) -> None:
        with unavailable("table"):
            self.client.put_item(TableName=self.name, Item=row)

    def put_if(self, row: Row, condition: str, values: Values) -> Row | None:
        """Write `row` if `condition` holds; None when written, otherwise the row in the way ({} when there is none).

        botocore repeats a write whose answer was lost, and the repeat fails on our own success: the row in the way
        then carries the random `move_id` of this very call.
        """
        move_id = {"S": self.move_id()}
        # DynamoDB refuses an empty map of values.
        filled: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        with unavailable("table"):
            try:
                self.client.put_item(
                    TableName=self.name,
                    Item=row | {"move_id": move_id},
                    ConditionExpression=condition,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **filled,
                )
            except ClientError as error:
                in_the_way = _in_the_way(error)
                return None if in_the_way.get("move_id") == move_id else in_the_way
        return None

    def update_if(self, pk: str, sk: str, expression: str, condition: str, *, names: Mapping[str, str], values: Values) -> Row:
        """The row after an update; where `condition` does not hold, the row that is there instead ({} when there is none)."""
        with unavailable("table"):
            try:
                done = self.client.update_item(
                    TableName=self.name,
                    Key=key(pk, sk),
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                return _in_the_way(error)
        return done["Attributes"]

    def delete(self, pk: str, sk: str) -> None:
        with unavailable("table"):
            self.client.delete_item(TableName=self.name, Key=key(pk, sk))

    def query(
        self,
        condition: str,
        values: Values,
        *,
        limit: int,
        index: str | None = None,
        newest_first: bool = False,
        consistent: bool = False,
    ) -> list[Row]:
        """Up to `limit` rows in the order of the sort key; from an index: keys only, and never `consistent`."""
        rows: list[Row] = []
        more: dict[str, Any] = {"IndexName": index} if index else {"ConsistentRead": consistent}
        while True:
            with unavailable("table"):
                page = self.client.query(
                    TableName=self.name,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ScanIndexForward=not newest_first,
                    Limit=limit - len(rows),
                    **more,
                )
            rows += page["Items"]
            if len(rows) >= limit or "LastEvaluatedKey" not in page:
                return rows
            more["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def batch_get(self, keys: Sequence[Row]) -> list[Row]:
        """The rows that exist among at most 100 keys, in no order; eventually consistent."""
        rows: list[Row] = []
        wanted: Mapping[str, Any] = {self.name: {"Keys": keys}} if keys else {}
        for attempt in range(_BATCH_TRIES):
            if not wanted:
                return rows
            if attempt:
                self.sleep(0.05 * 2**attempt)
            with unavailable("table"):
                answer = self.client.batch_get_item(RequestItems=wanted)
            rows += answer["Responses"].get(self.name, [])
            wanted = answer.get("UnprocessedKeys", {})
        if wanted:
            raise StorageUnavailable("table: BatchGetItem leaves keys unprocessed")
        return rows


def _in_the_way(error: ClientError) -> Row:
    """The row that a condition did not hold for ({} when there is none); raises every other error."""
    if code_of(error) != "ConditionalCheckFailedException":
        raise error
    answer: dict[str, Any] = {**error.response}
    row: Row = answer.get("Item", {})
    return row


def key(pk: str, sk: str) -> Row:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def is_expired(row: Row, now: float) -> bool:
    """Whether the row's time is over; TTL may take days to sweep it."""
    return "expires_at" in row and float(row["expires_at"]["N"]) <= now
