"""The simulator as a process of its own: one line when ready, a prompt end however it is ended."""

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

COMMAND = [sys.executable, "-m", "local.simulator", "--port", "0", "--time-scale", "200", "--latency", "0.1"]
PATIENCE_S = 30


@pytest.fixture
def start():
    started = []

    def starter(*options):
        process = subprocess.Popen(
            [*COMMAND, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield starter
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def ready(process):
    word, url = process.stdout.readline().split()
    assert word == "ready"
    return url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_although_connections_are_open(start, number):
    process = start("--api-key", "my-key")
    url = ready(process)
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer my-key"}, trust_env=False) as client:
        client.post("/v1/tasks", json={"model": "z-image", "input": {"prompt": "[sim:hang]"}})

        began = time.monotonic()
        process.send_signal(number)
        output, log = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert time.monotonic() - began < 8
    assert output == ""
    assert '"POST /v1/tasks HTTP/1.1" 200' in log
    assert "Traceback" not in log


def test_it_ends_with_its_standard_input_when_asked_to(start):
    process = start("--exit-with-stdin")
    ready(process)

    process.stdin.close()

    assert process.wait(timeout=PATIENCE_S) == 0


def test_without_being_asked_to_it_outlives_its_standard_input(start):
    process = start()
    url = ready(process)

    process.stdin.close()
    time.sleep(0.2)

    assert httpx.get(f"{url}/_sim", trust_env=False).status_code == 200
    assert process.poll() is None


def test_a_taken_port_is_said_in_one_line(start):
    port = ready(start()).rsplit(":", 1)[1]

    second = subprocess.run([*COMMAND[:3], "--port", port], capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.startswith(f"cannot listen on 127.0.0.1:{port}")
    assert second.stderr.count(os.linesep) == 1
