"""Real services for tests: moto and MiniStack as processes of their own, and fresh tables, buckets and queues in them."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest

from darkroom.adapters.clients import Clients
from tests.support.template import source
from tests.support.tools import ROOT, tool

REGION = "us-east-1"
_START_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """An AWS that answers at `endpoint`; every test takes names of its own from it."""

    name: str
    endpoint: str
    clients: Clients

    def table(self) -> str:
        """A new table of the template's shape."""
        name = _fresh("table")
        shape = source()["Resources"]["Table"]["Properties"]
        wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        # On a busy machine an answer may be lost to its time limit; the client's second try then finds the table of its first.
        with contextlib.suppress(self.clients.dynamodb.exceptions.ResourceInUseException):
            self.clients.dynamodb.create_table(TableName=name, **{part: shape[part] for part in wanted})
        return name

    def bucket(self) -> str:
        name = _fresh("bucket")
        self.clients.s3.create_bucket(Bucket=name)
        return name

    def queue(self) -> str:
        """The URL of a new queue."""
        return self.clients.sqs.create_queue(QueueName=_fresh("queue"))["QueueUrl"]

    def secret(self, text: str) -> str:
        """The id of a new secret that holds `text`."""
        return self.clients.secretsmanager.create_secret(Name=_fresh("secret"), SecretString=text)["Name"]


def clients_at(endpoint: str) -> Clients:
    """Make clients as the functions have them; MiniStack knows one account, by these words, and checks presigned URLs."""
    return Clients(session=_session(), endpoint_url=endpoint)


@cache
def _session() -> boto3.Session:
    """Make one session for all clients: each new one reads the services' descriptions anew."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


@pytest.fixture(scope="session")
def moto() -> Iterator[Aws]:
    """The project's own embedded AWS."""
    command = [sys.executable, "-m", "local.aws", "--port", "0", "--exit-with-stdin"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            endpoint = process.stdout.readline().removeprefix("ready ").strip()
            assert endpoint, "the embedded AWS did not start"
            yield Aws(name="moto", endpoint=endpoint, clients=clients_at(endpoint))
        finally:
            _end(process)


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """MiniStack, from its own environment."""
    program = tool(".venv-ministack/bin/ministack")
    port = _free_port()
    home = tmp_path_factory.mktemp("ministack")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DARKROOM_"))}
    env |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(home), "LOG_LEVEL": "ERROR"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([program], cwd=home, env=env, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            endpoint = f"http://127.0.0.1:{port}"
            yield Aws(name="ministack", endpoint=endpoint, clients=clients_at(endpoint))
        finally:
            _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, f"it ended with status {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on port {port} after {_START_S} s")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _fresh(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(6)}"
