"""What `sam build` makes is what Lambda can run, quickly: the right wheels, compiled, and nothing that is never used."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.template import resources, source
from tests.support.tools import python313, run

pytestmark = [pytest.mark.sam, pytest.mark.slow, pytest.mark.timeout(300)]

MACHINES = {"arm64": 183, "x86_64": 62}  # e_machine in an ELF header: AArch64 and x86-64
LAYERS = ("CommonLayer", "DependenciesLayer")
BUILDS = pytest.mark.parametrize("architecture", MACHINES)
Built = Callable[[str], Path]


@BUILDS
def test_every_function_is_its_one_file(built: Built, architecture: str) -> None:
    for name in resources(source(), "AWS::Serverless::Function"):
        assert [one.name for one in (built(architecture) / name).iterdir()] == ["app.py"]


@BUILDS
def test_the_package_lies_where_lambda_looks_for_it(built: Built, architecture: str) -> None:
    layer = built(architecture) / "CommonLayer"

    assert [one.name for one in layer.iterdir()] == ["python"]
    assert {one.name for one in (layer / "python").iterdir()} == {"darkroom"}
    assert (layer / "python" / "darkroom" / "domain" / "task.py").exists()


@BUILDS
def test_native_code_is_for_the_functions_processor(built: Built, architecture: str) -> None:
    machines = {
        int.from_bytes(one.read_bytes()[18:20], "little") for one in (built(architecture) / "DependenciesLayer").rglob("*.so")
    }

    assert machines == {MACHINES[architecture]}


def compiled(path: Path) -> Path:
    return path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc"


@BUILDS
def test_every_module_of_the_layers_is_compiled_and_never_checked_again(built: Built, architecture: str) -> None:
    magic = bytes.fromhex(run(python313(), "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())").strip())
    modules = [one for layer in LAYERS for one in (built(architecture) / layer).rglob("*.py")]

    assert len(modules) > 500
    for module in modules:
        head = compiled(module).read_bytes()[:8]
        # PEP 552: a flag word of 1 is "by hash, unchecked"; modification times play no part.
        assert (head[:4], int.from_bytes(head[4:], "little")) == (magic, 0b01), module


@BUILDS
def test_compiled_modules_name_no_folder_of_the_machine_that_built_them(built: Built, architecture: str) -> None:
    python = built(architecture) / "CommonLayer" / "python"

    for module in python.rglob("*.py"):
        code = compiled(module).read_bytes()
        assert str(python).encode() not in code
        assert f"/opt/python/{module.relative_to(python)}".encode() in code


@BUILDS
def test_compiled_modules_were_made_from_the_source_beside_them(built: Built, architecture: str) -> None:
    script = (
        "import importlib.util as u, sys, pathlib\n"
        "for name in sys.stdin.read().split('\\0'):\n"
        "    source, made = pathlib.Path(name), pathlib.Path(u.cache_from_source(name))\n"
        "    assert made.read_bytes()[8:16] == u.source_hash(source.read_bytes()), name\n"
    )
    modules = [str(one) for layer in LAYERS for one in (built(architecture) / layer).rglob("*.py")]

    run(python313(), "-c", script, stdin="\0".join(modules))


@BUILDS
def test_botocore_knows_only_the_services_that_we_call(built: Built, architecture: str) -> None:
    data = built(architecture) / "DependenciesLayer" / "python" / "botocore" / "data"

    assert {one.name for one in data.iterdir() if one.is_dir()} == {"dynamodb", "s3", "secretsmanager", "sqs", "sts"}
    assert (data / "endpoints.json").stat().st_size < 100_000


@BUILDS
def test_both_layers_together_are_at_most_twelve_megabytes_zipped(built: Built, architecture: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "layers.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for layer in LAYERS:
            for one in (built(architecture) / layer).rglob("*"):
                packed.write(one, one.relative_to(built(architecture)))

    assert (tmp_path / "layers.zip").stat().st_size <= 12_000_000
