"""Conventions worth having: arrows point inwards, nothing happens on import, each function imports only what it needs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "common" / "darkroom"

# What each part may import of ours; a part may always import itself.
MAY_IMPORT = {
    "errors": set(),
    "domain": {"errors"},
    "ports": {"domain", "errors"},
    "settings": {"domain", "errors"},
    "catalogue": {"domain", "errors", "ports"},
    "observe": {"domain", "errors"},
    "usecases": {"ports", "domain", "errors"},
    "adapters": {"ports", "domain", "errors", "settings"},
    "wiring": {"adapters", "usecases", "catalogue", "ports", "domain", "errors", "settings", "observe"},
    "edge": {"wiring", "adapters", "usecases", "ports", "domain", "errors", "settings", "observe"},
    "web": {"wiring", "edge", "catalogue", "usecases", "ports", "domain", "errors", "settings", "observe"},
}
OUTSIDE = {"boto3", "botocore", "http", "httpcore", "httpx", "urllib3"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} if node.module != "darkroom" else {f"darkroom.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_inwards(path: Path) -> None:
    part = part_of(path)

    ours = {name.split(".")[1] for name in imported(path) if name.startswith("darkroom.")}

    assert ours <= MAY_IMPORT[part] | {part, "__version__"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_adapters_speak_to_the_network(path: Path) -> None:
    if part_of(path) != "adapters":
        assert not {name.split(".")[0] for name in imported(path)} & OUTSIDE


@pytest.mark.parametrize("function", ["api", "receive_callback", "work_tasks", "reconcile_tasks"])
def test_a_handler_is_one_short_file_that_only_wires(function: str) -> None:
    files = [path for path in (ROOT / "functions" / function).rglob("*") if path.is_file() and "__pycache__" not in path.parts]

    assert [path.name for path in files] == ["app.py"]
    assert len(files[0].read_text().splitlines()) <= 50


FORBIDDEN = {
    "receive_callback": {"pydantic", "asyncio", "jsonschema", "httpx", "aws_xray_sdk", "awscrt"},
    "reconcile_tasks": {"pydantic", "asyncio", "jsonschema", "httpx", "aws_xray_sdk", "awscrt"},
    "work_tasks": {"pydantic", "asyncio", "jsonschema", "httpx", "aws_xray_sdk", "awscrt"},
    "api": {"httpx", "aws_xray_sdk", "awscrt"},
}


@pytest.mark.parametrize("function", sorted(FORBIDDEN))
def test_importing_a_handler_loads_no_more_than_it_needs_and_does_nothing(function: str) -> None:
    code = f"import sys, functions.{function}.app as app\nprint(*sorted(sys.modules))\nassert callable(app.handler)"

    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, timeout=60)

    assert run.returncode == 0, run.stderr
    assert not FORBIDDEN[function] & set(run.stdout.split())


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_aws_is_spoken_to_through_plain_clients(path: Path) -> None:
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert "resource" not in called


def test_no_test_fakes_with_mock() -> None:
    guilty = [path for path in (ROOT / "tests").rglob("*.py") if "unittest.mock" in imported(path) or "mock" in imported(path)]

    assert guilty == []


def test_an_address_that_somebody_else_wrote_is_taken_apart_in_one_place() -> None:
    taking = {
        str(path.relative_to(PACKAGE)) for path in modules() if "urlsplit" in path.read_text() or "urlparse" in path.read_text()
    }

    # What settings hold the deployer wrote.
    assert taking == {"domain/addresses.py", "settings.py"}
