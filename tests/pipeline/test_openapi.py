"""The committed OpenAPI document, attacked through the local gateway."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.pipeline.running import KEY, Up, environment
from tests.support.sampling import LONG
from tests.support.tools import ROOT

DOCUMENT = ROOT / "layers" / "common" / "darkroom" / "web" / "openapi.json"
# Each combination of what a field may be is tried in `make chaos`.
PHASES = "examples,coverage,fuzzing" if LONG else "examples,fuzzing"
CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_generated_request_gets_a_5xx_or_an_answer_that_the_document_does_not_know(tmp_path: Path) -> None:
    # Waiting for an end that a generated request prefers would take all day.
    with Up(DARKROOM_WAIT_CAP_S="0.1") as up:
        attack = subprocess.run(
            [
                *(Path(sys.executable).with_name("schemathesis"), "run", DOCUMENT, "--url", up.url),
                *("--header", f"Authorization: Bearer {KEY}", "--phases", PHASES),
                *("--checks", CHECKS, "--max-examples", "5" if LONG else "3", "--generation-deterministic"),
                *("--no-color", "--warnings", "off"),
            ],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        health = httpx.get(f"{up.url}/healthz")

    assert attack.returncode == 0, attack.stdout[-6000:]
    assert health.status_code == 200


def test_the_api_serves_the_committed_document(up: Up) -> None:
    served = httpx.get(f"{up.url}/openapi.json")

    assert served.text == DOCUMENT.read_text("utf-8")
