"""Let LiteLLM's proxy hand requests on to an upstream that answers at once, and print what that takes: a program of its own.

    python -m tests.benchmarks.peers.proxy_load .venv-bench/bin/litellm FOLDER REQUESTS

Started in a network of its own, where that is possible, for the proxy likes to look things up; elsewhere its way out is blocked.
"""

import fcntl
import json
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.loopback import Asked, Loopback, Reply

AT_ONCE = 8
WARM = 40
_READY_S = 120
_TICKS = os.sysconf("SC_CLK_TCK")
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_PICTURE = {"created": 1_777_282_099, "data": [{"url": "https://cdn.example/0.png"}]}


def main(program: str, folder: Path, requests: int) -> None:
    """Prints `{"cpu_ms": …, "rss_mb": …, "per_s": …}`."""
    _bring_up_loopback()
    with Loopback(_draw) as upstream, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        key = "sk-" + secrets.token_hex(24)
        config = folder / "litellm.yaml"
        config.write_text(_config(upstream.url))
        with (folder / "litellm.log").open("w") as log:
            proxy = subprocess.Popen(
                [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"],
                env=_environment(key, folder),
                stdout=log,
                stderr=log,
            )
            try:
                print(json.dumps(_measure(proxy.pid, f"http://127.0.0.1:{port}", key, requests)))
            finally:
                proxy.send_signal(signal.SIGTERM)
                proxy.wait()


def _draw(asked: Asked) -> Reply:
    asked.body()
    return Reply(body=json.dumps(_PICTURE).encode(), headers={"Content-Type": "application/json"})


def _config(upstream: str) -> str:
    model = {"model": "openai/gpt-image-1", "api_base": f"{upstream}/v1", "api_key": "sk-upstream"}
    return json.dumps({"model_list": [{"model_name": "gpt-image-1", "litellm_params": model}]})


def _environment(key: str, folder: Path) -> dict[str, str]:
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _measure(pid: int, url: str, key: str, requests: int) -> dict[str, float]:
    _wait_until_ready(url)
    order = json.dumps({"model": "gpt-image-1", "prompt": "a red kite over a harbour at dawn", "n": 1, "size": "1024x1024"})

    def ask(_: int) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(f"{url}/v1/images/generations", order.encode(), headers)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert json.load(answer)["data"][0]["url"] == _PICTURE["data"][0]["url"]  # type: ignore[index]  # ours

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, range(WARM)))
        cpu, began = _cpu_s(pid), time.monotonic()
        list(pool.map(ask, range(requests)))
        took = time.monotonic() - began
    return {"cpu_ms": (_cpu_s(pid) - cpu) / requests * 1000, "rss_mb": _rss_mb(pid), "per_s": requests / took}


def _wait_until_ready(url: str) -> None:
    until = time.monotonic() + _READY_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health/liveliness", timeout=5):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _family(pid: int) -> list[int]:
    """The process and all that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _cpu_s(pid: int) -> float:
    fields = (Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split() for one in _family(pid))
    return sum(int(one[11]) + int(one[12]) for one in fields) / _TICKS


def _rss_mb(pid: int) -> float:
    lines = [line for one in _family(pid) for line in Path(f"/proc/{one}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def _bring_up_loopback() -> None:
    """In a new network even loopback is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        asked = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, asked), 16)
        if not flags & _IFF_UP:
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
