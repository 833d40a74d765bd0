"""SAM's own verdict on the template, as `sam deploy` would give it."""

import os

import pytest

from tests.support.tools import ROOT, run, tool

pytestmark = pytest.mark.sam


def test_sam_finds_the_template_valid() -> None:
    sam = tool(".venv-sam/bin/sam")
    env = os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}

    said = run(sam, "validate", "--lint", "--template", ROOT / "template.yaml", env=env)

    assert "is a valid SAM Template" in said
