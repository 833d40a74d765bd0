"""`darkroom up` as a process: what it prints, how it starts, and that nothing of it is left behind."""

import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.pipeline.running import KEY, Up, darkroom, descendants, is_alive, wait_for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it_with_status_0_within_ten_seconds(number: int) -> None:
    with Up() as up:
        children = descendants(up.process.pid)
        up.ask("a picture that is still being made when the stack ends [sim:latency seconds=60]")

        status, seconds = up.end(number)

        assert status == 0
        assert seconds < 10
        assert children
        assert not [pid for pid in children if is_alive(pid)]


def test_standard_output_holds_the_ready_line_and_nothing_else() -> None:
    with Up() as up:
        up.finish(up.ask("a picture whose making is logged"))

        up.end(signal.SIGTERM)

        assert up.out == [f"ready {up.url}"]
        assert up.url.startswith("http://127.0.0.1:")


def test_a_stack_that_logs_a_prompt_is_noticed_in_every_test(tmp_path: Path) -> None:
    log = tmp_path / "log"

    with Up("--log", str(log)) as up:
        up.finish(up.ask("a picture that is nobody's business"))
    with log.open("a") as more:
        more.write('api {"message": "created", "input": "a picture that is nobody\'s business"}\n')

    with pytest.raises(AssertionError, match="prompt"):
        up.has_kept_its_secrets()


def test_a_killed_stack_leaves_no_process_behind() -> None:
    with Up() as up:
        up.finish(up.ask("a picture that starts every function"))
        children = descendants(up.process.pid)
        assert len(children) >= 5

        up.kill()

        wait_for(lambda: not [pid for pid in children if is_alive(pid)], "the end of every child", timeout_s=10)


def test_standard_error_tells_how_to_go_on(up: Up) -> None:
    told = "\n".join(up.err)

    assert up.url in told
    assert KEY in told
    assert "curl " in told
    assert up.about["simulator_url"] in told


def test_the_curl_line_that_is_printed_works_as_it_stands(up: Up) -> None:
    line = next(line.strip() for line in up.err if line.strip().startswith("curl "))

    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=True)

    assert '"status":"succeeded"' in done.stdout


def test_a_generated_key_opens_the_api_when_none_is_given() -> None:
    with Up(DARKROOM_API_KEY="") as up:
        key = next(line.split()[1] for line in up.err if line.split()[:1] == ["key"])

        answer = httpx.get(f"{up.url}/v1/admin/keys", headers={"Authorization": f"Bearer {key}"})

        assert len(key) >= 16
        assert answer.status_code == 200
        assert [found["owner"] for found in answer.json()["data"]] == ["dev"]


@pytest.mark.parametrize(
    ("arguments", "env", "named"),
    [
        (["--api-key", "too-short"], {}, "16"),
        ([], {"DARKROOM_API_KEY": "too-short"}, "DARKROOM_API_KEY"),
        (["--no-simulator"], {}, "HIAPI_API_KEY"),
        (["--no-simulator", "--upstream-url", "http://127.0.0.1:9"], {}, "--no-simulator"),
        (["--upstream-url", "http://upstream.example"], {"HIAPI_API_KEY": "sk-1"}, "HIAPI_BASE_URL"),
        ([], {"DARKROOM_FIRST_CHECK_S": "soon"}, "DARKROOM_FIRST_CHECK_S"),
        ([], {"DARKROOM_PUBLIC_URL": "ftp://here"}, "DARKROOM_PUBLIC_URL"),
        (["--port", "70000"], {}, "--port"),
        (["--unknown"], {}, "--unknown"),
    ],
)
def test_wrong_usage_is_named_in_one_complaint_and_ends_with_status_2(
    arguments: list[str], env: dict[str, str], named: str
) -> None:
    done = darkroom("up", "--port", "0", *arguments, **env)

    assert done.status == 2
    assert done.out == ""
    assert named in done.err
    assert "Traceback" not in done.err


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = darkroom("up", "--port", str(port))

    assert done.status == 1
    assert f"127.0.0.1:{port}" in done.err
    assert "Traceback" not in done.err


def test_the_swagger_page_needs_nothing_from_elsewhere(up: Up) -> None:
    page = httpx.get(f"{up.url}/docs")
    parts = [httpx.get(f"{up.url}{path}") for path in ("/docs/swagger-ui.css", "/docs/swagger-ui.js", "/openapi.json")]

    assert page.status_code == 200
    assert "http" not in page.text.split("<body>")[1]
    assert [part.status_code for part in parts] == [200, 200, 200]
