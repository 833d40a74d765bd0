"""Wiring: what is built while a process initialises, and what is not done yet."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from darkroom.settings import Settings
from darkroom.wiring import Services, made_once
from tests.support.tools import ROOT


@pytest.mark.parametrize("function", ["api", "receive_callback", "work_tasks", "reconcile_tasks"])
def test_an_initialised_process_has_asked_nothing_so_that_it_may_be_forked(function: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as aws:
        aws.settimeout(0.2)
        env = os.environ | {
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DARKROOM_TABLE": "t",
            "DARKROOM_BUCKET": "b",
            "DARKROOM_QUEUE_URL": "https://queue.example",
            "DARKROOM_DEAD_LETTER_QUEUE_URL": "https://dead.example",
            "DARKROOM_SECRET_ID": "s",
        }

        code = f"import functions.{function}.app"
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)

        assert run.returncode == 0, run.stderr
        with pytest.raises(TimeoutError):
            aws.accept()


def test_threads_that_ask_together_share_one_service() -> None:
    """Two memories of an upstream's faults would each stay below what shuts a model."""

    class Slow(Services):
        @made_once
        def admission(self) -> Any:
            time.sleep(0.05)
            return object()

    services = Slow(Settings(table="t", bucket="b", queue_url="q", dead_letter_queue_url="d", secret_id="s"))
    together = Barrier(8)

    def ask(_: int) -> Any:
        together.wait()
        return services.admission

    with ThreadPoolExecutor(8) as threads:
        first, *others = threads.map(ask, range(8))
    assert all(one is first for one in others)
