"""checkov's verdict on the template: every rule is kept but those in .checkov.yaml, and each of those is needed and explained."""

import json
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from tests.support.template import expanded
from tests.support.tools import ROOT, tool

pytestmark = pytest.mark.checkov

CONFIG = ROOT / ".checkov.yaml"
SKIPPED = set(yaml.safe_load(CONFIG.read_text())["skip-check"])


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The rules that are broken when none is left out: by the template as written, and by the expanded one with a fault in it."""
    checkov = tool(".venv-checkov/bin/checkov")
    folder = tmp_path_factory.mktemp("checkov")
    faulty = json.loads(json.dumps(expanded()))
    del faulty["Resources"]["Bucket"]["Properties"]["PublicAccessBlockConfiguration"]["BlockPublicPolicy"]
    (folder / "written.yaml").write_text((ROOT / "template.yaml").read_text())
    (folder / "faulty.json").write_text(json.dumps(faulty))
    command = [checkov, "--framework", "cloudformation", "--skip-download", "--output", "json", "--directory", folder]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 1, done.stderr
    found: dict[str, set[str]] = defaultdict(set)
    for one in json.loads(done.stdout)["results"]["failed_checks"]:
        found[Path(one["file_path"]).name].add(one["check_id"])
    return found


def test_the_template_as_written_breaks_only_what_is_left_out_with_a_reason(broken: dict[str, set[str]]) -> None:
    assert broken["written.yaml"] == SKIPPED


def test_the_expanded_template_breaks_nothing_more_and_a_fault_would_be_found(broken: dict[str, set[str]]) -> None:
    assert broken["faulty.json"] - SKIPPED == {"CKV_AWS_54"}


def test_every_rule_that_is_left_out_says_what_it_is() -> None:
    entries = [line.strip() for line in CONFIG.read_text().splitlines() if line.strip().startswith("- CKV")]

    assert len(entries) == len(SKIPPED)
    assert all("  # " in line for line in entries)
