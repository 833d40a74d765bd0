"""LiteLLM's proxy as a peer: it lives in an environment of its own, and where that is missing the run goes on without it."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.tools import ROOT

_PROGRAM = ROOT / ".venv-bench" / "bin" / "litellm"
_REQUESTS = 400


@dataclass(frozen=True, slots=True)
class Proxy:
    """Milliseconds of processor time for each request, megabytes when it idles, requests a second."""

    cpu_ms: float
    rss_mb: float
    per_s: float


def measure_proxy(folder: Path) -> Proxy | str:
    """What the proxy takes for a request that it hands on; or why that could not be had."""
    if not _PROGRAM.exists():
        return "LiteLLM's proxy is not installed (.venv-bench, from requirements/bench.txt): its figure is missing in this run."
    command = [sys.executable, "-m", "tests.benchmarks.peers.proxy_load", _PROGRAM, folder, str(_REQUESTS)]
    done = subprocess.run([*_alone(), *command], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [str(done.returncode)]
        return f"LiteLLM's proxy did not run, its figure is missing in this run: {said[-1]}"
    return Proxy(**json.loads(done.stdout.splitlines()[-1]))


def _alone() -> list[str]:
    """The command that gives what follows a network of its own, where this machine allows it."""
    ours = ["unshare", "--map-root-user", "--net"]
    allowed = shutil.which("unshare") and subprocess.run([*ours, "true"], capture_output=True, check=False).returncode == 0
    return ours if allowed else []
