"""What a repository owes the people who work in it: each page listed, one version, files that parse."""

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from darkroom import __version__
from darkroom.adapters.upstreams.http import USER_AGENT
from darkroom.web.openapi import document
from tests.support.tools import ROOT

DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
PAGES = sorted({*DOCS.rglob("*.md")} - {*DECISIONS, DOCS / "README.md"})
FORMS = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / ".pre-commit-config.yaml"]
_DECISION = re.compile(r"# (?P<number>\d+)\. (?P<title>.+)\n\n\* Status: (?P<status>.+)\n\* Date: (?P<date>\S+)\n\n")
_STATUS = re.compile(r"accepted|superseded(?: in part)? by \[(\d+)\]\((\d{4}-[\w-]+\.md)\)")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


# -- decisions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", DECISIONS, ids=named)
def test_a_decision_tells_its_number_its_status_and_its_date(page: Path) -> None:
    head = _DECISION.match(page.read_text())

    assert head, f"{page.name}: begin with `# 7. Title`, an empty line, `* Status: accepted`, `* Date: 2026-01-31`, an empty line"
    assert int(head["number"]) == int(page.name[:4])
    assert date.fromisoformat(head["date"])
    status = _STATUS.fullmatch(head["status"])
    assert status, f"{page.name}: a status is `accepted`, or `superseded by [7](0007-….md)`, or `superseded in part by` that"
    assert status[1] is None or (page.with_name(status[2]).exists() and int(status[1]) == int(status[2][:4]))


def test_no_two_decisions_have_one_number() -> None:
    numbers = [page.name[:4] for page in DECISIONS]

    assert len(numbers) == len(set(numbers))


def test_every_decision_is_in_the_index_as_it_says_itself() -> None:
    heads = [(page.name, _DECISION.match(page.read_text())) for page in DECISIONS]
    rows = [
        f"| [{int(head['number'])}]({name}) | {head['title']} | {head['status']} | {head['date']} |"
        for name, head in heads
        if head
    ]

    index = [line for line in (DOCS / "decisions" / "README.md").read_text().splitlines() if line.startswith("| [")]

    assert index == rows, "the rows of docs/decisions/README.md should be:\n" + "\n".join(rows)


# -- pages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_page_has_one_line_in_the_index_of_the_docs(page: Path) -> None:
    lines = [line for line in (DOCS / "README.md").read_text().splitlines() if f"]({page.relative_to(DOCS)})" in line]

    assert len(lines) == 1, f"docs/README.md should list {page.relative_to(DOCS)} once"


# -- one version ---------------------------------------------------------------------------------------


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"] == {"path": "layers/common/darkroom/__init__.py"}


def test_nothing_but_the_package_writes_the_version_down() -> None:
    said = re.compile(rf"[\"'/]{re.escape(__version__)}\b(?!\.)")
    sources = [one for folder in ("layers/common", "local", "functions", "tools") for one in (ROOT / folder).rglob("*.py")]

    places = [named(one) for one in [*sources, ROOT / "pyproject.toml", ROOT / "template.yaml"] if said.search(one.read_text())]

    assert places == ["layers/common/darkroom/__init__.py"]


def test_the_document_and_our_requests_state_the_version() -> None:
    committed = json.loads((ROOT / "layers" / "common" / "darkroom" / "web" / "openapi.json").read_text())

    assert document()["info"]["version"] == committed["info"]["version"] == __version__
    assert f"darkroom/{__version__}" == USER_AGENT


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "layers" / "common" / "darkroom" / "py.typed").exists()


# -- files that others' programs read ------------------------------------------------------------------


@pytest.mark.parametrize("path", FORMS, ids=named)
def test_a_form_or_a_workflow_parses(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def forms() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        if path.name != "config.yml":
            yield path.name, yaml.safe_load(path.read_text())


def test_an_issue_form_has_what_makes_it_one() -> None:
    for name, form in forms():
        assert {"name", "description", "body"} <= form.keys(), name
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        assert len({field["id"] for field in fields}) == len(fields), name
        assert all(field["attributes"]["label"] for field in fields), name
    assert list(forms())


def test_each_step_of_a_workflow_runs_a_verb_that_there_is() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))

    assert set(re.findall(r"run: make ([a-z-]+)", text)) <= verbs()


CODE = re.findall(r"```\n(.*?)```|`([^`\n]+)`", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
WORDS = {word for pair in CODE for word in "\n".join(pair).split()}
PATHS = sorted(word for word in WORDS if re.fullmatch(r"[.\w-]+(?:/[\w.-]+)+|[\w-]+\.(?:md|py|yaml|toml)", word))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_contributors_are_told_is_there(path: str) -> None:
    # What pip installs is there in any environment, not only in the one made here.
    assert (ROOT / path).exists() or path.startswith(".venv/bin/")


def test_a_verb_that_contributors_are_told_is_there() -> None:
    told = {verb for pair in CODE for verb in re.findall(r"^make ([a-z-]+)", "\n".join(pair), re.MULTILINE)}

    assert {"demo", "lint", "format", "test", "test-fast", "openapi", "record", "quality"} <= told <= verbs()


def test_contributors_are_told_many_paths() -> None:
    assert {"layers/common/darkroom/web/endpoints.py", "template.yaml", "tests/support/memory.py"} <= set(PATHS)


def verbs() -> set[str]:
    """The verbs that `make help` lists."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
