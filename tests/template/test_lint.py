"""The linters' verdict on the template: as written and as CloudFormation gets it, because each finds what the other misses."""

import json
import sys
from pathlib import Path

import pytest

from tests.support.template import expanded
from tests.support.tools import run

LINT = (Path(sys.executable).with_name("cfn-lint"), "--regions", "us-east-1", "--")


def test_the_template_as_written_passes_cfn_lint() -> None:
    run(*LINT, "template.yaml")


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_the_expanded_template_passes_cfn_lint(architecture: str, tmp_path: Path) -> None:
    path = tmp_path / "expanded.json"
    path.write_text(json.dumps(expanded(architecture)))

    run(*LINT, path)


def test_a_fault_that_shows_only_after_expansion_is_found(tmp_path: Path) -> None:
    broken = json.loads(json.dumps(expanded()))
    broken["Resources"]["WorkTasksFunctionTasks"]["Properties"]["BatchSzie"] = 5
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken))

    with pytest.raises(AssertionError, match="E3002"):
        run(*LINT, path)
