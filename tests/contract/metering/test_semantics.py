"""Whatever is asked of the table: the meter answers as the emulators do."""

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws import Aws

CONDITIONS = (
    "attribute_not_exists(pk)",
    "attribute_not_exists(pk) OR expires_at <= :now",
    "version = :before",
    "attribute_exists(pk) AND NOT (version > :before)",
    "begins_with(sk, :start) AND version <> :before",
)
KEY_CONDITIONS = (
    ("pk = :pk", None),
    ("pk = :pk AND begins_with(sk, :start)", None),
    ("pk = :pk AND sk BETWEEN :start AND :end", None),
    ("due_shard = :shard AND next_check_at <= :now", "due"),
    ("due_shard = :shard AND next_check_at > :now", "due"),
    ("owner_day = :day AND listed_as < :end", "listing"),
)


def an_item(chance: random.Random) -> dict[str, Any]:
    item: dict[str, Any] = {
        "pk": {"S": f"task_{chance.randrange(4)}"},
        "sk": {"S": chance.choice(["state", "request", "step"])},
        "version": {"N": str(chance.randrange(3))},
        "owner_day": {"S": "dev#2026-11-20"},
        "listed_as": {"S": f"task_{chance.randrange(9)}"},
        "facts": {"M": {"url": {"S": "https://…"}, "raw": {"B": b"\x00\xff"}, "list": {"L": [{"BOOL": True}]}}},
    }
    if chance.random() < 0.5:
        item |= {"due_shard": {"S": "due#1"}, "next_check_at": {"N": repr(chance.randrange(40) / 4)}}
    if chance.random() < 0.3:
        item["expires_at"] = {"N": str(chance.randrange(9))}
    return item


def values_for(expression: str, chance: random.Random) -> dict[str, Any]:
    """Only what the expression names: DynamoDB refuses values that nobody uses."""
    known: dict[str, Any] = {
        ":now": {"N": repr(chance.randrange(40) / 4)},
        ":before": {"N": str(chance.randrange(3))},
        ":start": {"S": "s"},
        ":end": {"S": "task_5" if "listed_as" in expression else "t"},
        ":pk": {"S": f"task_{chance.randrange(4)}"},
        ":shard": {"S": "due#1"},
        ":day": {"S": "dev#2026-11-20"},
    }
    return {name: value for name, value in known.items() if name in expression}


def request(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """An operation and its keywords."""
    item = an_item(chance)
    key = {"pk": item["pk"], "sk": item["sk"]}
    kind = chance.choice(["put", "put", "delete", "update", "get", "query", "query", "batch"])
    if kind == "get":
        return "get_item", {"Key": key, "ConsistentRead": True}
    if kind == "batch":
        return "batch_get_item", {"Keys": [key, {"pk": item["pk"], "sk": {"S": "nothing"}}]}
    if kind == "query":
        expression, index = chance.choice(KEY_CONDITIONS)
        more = {"IndexName": index} if index else {}
        asked = {"KeyConditionExpression": expression, "ExpressionAttributeValues": values_for(expression, chance)}
        return "query", {**asked, "ScanIndexForward": chance.random() < 0.5, **more}
    expression = chance.choice(CONDITIONS)
    values = values_for(expression, chance)
    filled = {"ExpressionAttributeValues": values} if values else {}
    what: dict[str, Any] = {"Item": item} if kind == "put" else {"Key": key}
    if kind == "update" and chance.random() < 0.4:
        return "update_item", {
            "Key": key,
            "UpdateExpression": "REMOVE facts.#fact, due_shard SET version = version + :one",
            "ConditionExpression": "attribute_exists(facts.#fact)",
            "ExpressionAttributeNames": {"#fact": chance.choice(["url", "raw", "nothing"])},
            "ExpressionAttributeValues": {":one": {"N": "1"}},
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    if kind == "update":
        what["UpdateExpression"] = "SET version = :new REMOVE due_shard"
        filled = {"ExpressionAttributeValues": values | {":new": {"N": str(chance.randrange(3))}}}
    return f"{kind}_item", {
        **what,
        "ConditionExpression": expression,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **filled,
    }


def answer(aws: Aws, table: str, operation: str, asked: dict[str, Any]) -> Any:
    """What a caller sees of the answer; an order that the table does not promise is taken out."""
    client = aws.clients.dynamodb
    if operation == "batch_get_item":
        found = client.batch_get_item(RequestItems={table: {"Keys": asked["Keys"]}})["Responses"].get(table, [])
        return sorted(map(repr, map(_flat, found)))
    try:
        got = getattr(client, operation)(TableName=table, **asked)
    except ClientError as error:
        refused: Any = error.response
        return refused["Error"]["Code"], _flat(refused.get("Item", {}))
    if operation == "query":
        items = [_flat(one) for one in got["Items"]]
        return [_sort_key(one) for one in items], sorted(map(repr, items))
    return _flat(got.get("Item") or got.get("Attributes", {}))


def _sort_key(item: Any) -> Any:
    return item.get("next_check_at") or item.get("listed_as") or item["sk"]


def _flat(item: Any) -> Any:
    """One spelling for a number: 0.50 and 0.5 are the same."""
    return {name: {"N": float(one["N"])} if "N" in one else one for name, one in sorted(item.items())}


@pytest.mark.parametrize("seed", range(4))
def test_any_requests_in_any_order_get_the_emulators_answers(metered: Aws, emulator: Aws, seed: int) -> None:
    here, there = metered.table(), emulator.table()
    chance = random.Random(seed)

    for number in range(120):
        operation, asked = request(chance)

        told = f"request {number}: {operation} {asked}"
        assert answer(metered, here, operation, asked) == answer(emulator, there, operation, asked), told


@pytest.mark.parametrize("forward", [True, False], ids=["oldest first", "newest first"])
def test_pages_of_an_index_follow_each_other_as_the_emulators_do(metered: Aws, emulator: Aws, forward: bool) -> None:
    pages = [_pages(aws, forward=forward) for aws in (metered, emulator)]

    assert pages[0] == pages[1]
    assert sum(map(len, pages[0])) == 9


def _pages(aws: Aws, *, forward: bool) -> list[list[Any]]:
    table, client = aws.table(), aws.clients.dynamodb
    for number in range(9):
        due = {"due_shard": {"S": "due#1"}, "next_check_at": {"N": str(number * 10)}}
        client.put_item(TableName=table, Item={"pk": {"S": f"task_{number}"}, "sk": {"S": "state"}, "big": {"S": "x" * 99}} | due)
    pages: list[list[Any]] = []
    more: dict[str, Any] = {}
    while True:
        page = client.query(
            TableName=table,
            IndexName="due",
            KeyConditionExpression="due_shard = :shard",
            ExpressionAttributeValues={":shard": {"S": "due#1"}},
            ScanIndexForward=forward,
            Limit=4,
            **more,
        )
        pages.append(page["Items"])
        if "LastEvaluatedKey" not in page:
            return [one for one in pages if one]
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
