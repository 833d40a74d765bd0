"""botocore's client for DynamoDB, as far as our adapters call it, over a metered table in this process: no wire, no server."""

import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.support.expressions import Item
from tests.support.metered_table import ConditionFailed, MeteredTable


def nobody_watches(_item: Item) -> None:
    """No witness."""


class TableClient:
    """Calls go to one table, whatever its name; `on_write` sees each item as it is written."""

    def __init__(self, table: MeteredTable, *, on_write: Callable[[Item], None] = nobody_watches) -> None:
        self._table, self._on_write = table, on_write
        self._lock = threading.Lock()

    def get_item(self, **asked: Any) -> dict[str, Any]:
        with self._lock:
            found = self._table.get(asked["Key"], consistent=asked.get("ConsistentRead", False))
        return {"Item": found} if found else {}

    def put_item(self, **asked: Any) -> dict[str, Any]:
        self._write("PutItem", asked, lambda *how: self._table.put(asked["Item"], *how))
        self._on_write(asked["Item"])
        return {}

    def delete_item(self, **asked: Any) -> dict[str, Any]:
        self._write("DeleteItem", asked, lambda *how: self._table.delete(asked["Key"], *how))
        return {}

    def update_item(self, **asked: Any) -> dict[str, Any]:
        new = self._write("UpdateItem", asked, lambda *how: self._table.update(asked["Key"], asked["UpdateExpression"], *how))
        self._on_write(new)
        return {"Attributes": new}

    def query(self, **asked: Any) -> dict[str, Any]:
        with self._lock:
            found, last = self._table.query(
                asked["KeyConditionExpression"],
                asked["ExpressionAttributeValues"],
                asked.get("ExpressionAttributeNames", {}),
                index=asked.get("IndexName"),
                consistent=asked.get("ConsistentRead", False),
                forward=asked.get("ScanIndexForward", True),
                limit=asked.get("Limit"),
                after=asked.get("ExclusiveStartKey"),
            )
        return {"Items": found} | ({"LastEvaluatedKey": last} if last else {})

    def batch_get_item(self, **asked: Any) -> dict[str, Any]:
        ((name, wanted),) = asked["RequestItems"].items()
        with self._lock:
            found = [self._table.get(key, consistent=False) for key in wanted["Keys"]]
        return {"Responses": {name: [one for one in found if one]}, "UnprocessedKeys": {}}

    def _write(self, operation: str, asked: dict[str, Any], write: Callable[..., Any]) -> Any:
        values, names = asked.get("ExpressionAttributeValues", {}), asked.get("ExpressionAttributeNames", {})
        try:
            with self._lock:
                return write(asked.get("ConditionExpression"), values, names)
        except ConditionFailed as failed:
            told = {"Error": {"Code": "ConditionalCheckFailedException", "Message": str(failed)}}
            raise ClientError(told | ({"Item": failed.old} if failed.old else {}), operation) from failed
