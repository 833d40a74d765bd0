"""The embedded AWS as a process: it says where it is, ends when told, and neither loses writes nor grows."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.support.aws import Aws, clients_at
from tests.support.tools import ROOT


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], Aws]]:
    command = [sys.executable, "-m", "local.aws", *options]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        endpoint = process.stdout.readline().removeprefix("ready ").strip()
        try:
            yield process, Aws(name="moto", endpoint=endpoint, clients=clients_at(endpoint))
        finally:
            process.kill()


@pytest.mark.parametrize("options", [(), ("--exit-with-stdin",)])
def test_it_says_where_it_is_and_ends_when_told(options: tuple[str, ...]) -> None:
    with started(*options) as (process, aws):
        assert aws.endpoint.startswith("http://127.0.0.1:")
        # A connection that stays open must not hold it.
        aws.clients.dynamodb.list_tables()
        began = time.monotonic()

        process.terminate()

        assert process.wait(20) == 0
        assert time.monotonic() - began < 10
        assert process.stdout.read() == ""


def test_it_ends_with_whoever_started_it() -> None:
    with started("--exit-with-stdin") as (process, _):
        process.stdin.close()

        assert process.wait(20) == 0


def test_a_write_survives_other_peoples_failing_transactions(moto: Aws) -> None:
    table, dynamodb = moto.table(), moto.clients.dynamodb
    key = {"pk": {"S": "counter"}, "sk": {"S": "state"}}
    refused = {"ConditionCheck": {"TableName": table, "Key": key, "ConditionExpression": "attribute_exists(nothing)"}}

    def count(_: int) -> None:
        dynamodb.update_item(
            TableName=table, Key=key, UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}}
        )

    def fail(_: int) -> None:
        with suppress(ClientError):
            dynamodb.transact_write_items(TransactItems=[refused])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: (count if number % 2 else fail)(number), range(120)))

    assert dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["n"] == {"N": "60"}


def test_a_slow_upload_holds_up_nobody(moto: Aws) -> None:
    host, _, port = moto.endpoint.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(b"PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf of it")

        assert moto.clients.dynamodb.list_tables()["TableNames"] is not None


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads a process's memory from /proc")
def test_it_does_not_grow_with_every_transaction() -> None:
    with started() as (process, aws):
        table, dynamodb = aws.table(), aws.clients.dynamodb
        for number in range(100):
            dynamodb.put_item(
                TableName=table, Item={"pk": {"S": f"task {number}"}, "sk": {"S": "state"}, "text": {"S": "x" * 500}}
            )
        put = {"Put": {"TableName": table, "Item": {"pk": {"S": "one"}, "sk": {"S": "state"}}}}
        for _ in range(20):
            dynamodb.transact_write_items(TransactItems=[put])
        before = _resident_bytes(process.pid)

        for _ in range(150):
            dynamodb.transact_write_items(TransactItems=[put])

        # With moto's own list of everything it ever made, each of them keeps a copy of the table.
        assert _resident_bytes(process.pid) - before < 8_000_000


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
