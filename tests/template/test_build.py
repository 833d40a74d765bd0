"""What `sam build` makes is what Lambda can run, quickly: the right wheels, compiled, and nothing that is never used."""

import ast
import json
import os
import runpy
import sys
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from botocore import xform_name

from local.template import read_template
from tests.benchmarks.bench import ARCHITECTURE, Bench
from tests.benchmarks.child import Child
from tests.benchmarks.orders import PICTURE_BYTES, Orders
from tests.benchmarks.reconciling import overdue
from tests.support.metered_world import QUEUE, TABLE
from tests.support.template import resources, source
from tests.support.tools import ROOT, missing, python313, run

pytestmark = [pytest.mark.sam, pytest.mark.slow, pytest.mark.timeout(300)]

MACHINES = {"arm64": 183, "x86_64": 62}  # e_machine in an ELF header: AArch64 and x86-64
LAYERS = ("CommonLayer", "DependenciesLayer")
BUILDS = pytest.mark.parametrize("architecture", MACHINES)
ADAPTERS = ROOT / "layers" / "common" / "darkroom" / "adapters"
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
    assert (layer / "python" / "darkroom" / "py.typed").exists()


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


@cache
def trimming() -> Any:
    """The build's own script; it is no part of a package."""
    return runpy.run_path(str(ROOT / "layers" / "dependencies" / "trim.py"))


def asked_of_aws() -> set[tuple[str, str]]:
    """Every operation that our adapters name, as the clients' method: `client.get_item(…)`."""
    methods = {xform_name(name): (service, name) for service, names in trimming()["OPERATIONS"].items() for name in names}
    asked = {node.attr for path in ADAPTERS.glob("*.py") for node in ast.walk(ast.parse(path.read_text())) if of_a_client(node)}
    unknown = asked - methods.keys() - {"meta", "generate_presigned_url"}
    assert not unknown, f"name them in OPERATIONS of layers/dependencies/trim.py: {unknown}"
    return {methods[one] for one in asked & methods.keys()}


def of_a_client(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Whether this is `client.something`, whatever holds the client."""
    return isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2].lstrip("_") == "client"


def test_the_layer_keeps_every_operation_that_an_adapter_asks_for() -> None:
    assert {("dynamodb", "PutItem"), ("s3", "PutObject"), ("sqs", "SendMessage")} <= asked_of_aws()


@BUILDS
def test_what_is_left_of_botocore_says_and_asks_the_same_as_the_whole(built: Built, architecture: str) -> None:
    operations = {service: sorted(names) for service, names in trimming()["OPERATIONS"].items()}
    asked = (json.dumps(operations), "us-east-1", "eu-central-1", "ap-southeast-4", "cn-north-1", "us-gov-west-1")
    program = ROOT / "tests" / "template" / "trimmed_clients.py"
    layer = built(architecture) / "DependenciesLayer" / "python"

    whole = run(sys.executable, program, *asked, env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true"})
    left = run(python313(), "-s", program, *asked, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(layer)})

    assert json.loads(left) == json.loads(whole)


NAMES = """
import importlib, json, sys
told = {}
for package in sys.argv[1:]:
    module = importlib.import_module(package)
    found = ((name, getattr(module, name)) for name in module.__all__)
    told[package] = {name: f"{one.__module__}.{one.__qualname__}" for name, one in found}
    assert not hasattr(module, "no_such_name")
print(json.dumps(told))
"""


def test_a_package_whose_imports_are_put_off_offers_the_same_names(built: Built) -> None:
    packages = [package.replace("/", ".") for package in trimming()["PUT_OFF"]]
    layer = built(ARCHITECTURE) / "DependenciesLayer" / "python"

    whole = run(sys.executable, "-c", NAMES, *packages)
    left = run(python313(), "-s", "-c", NAMES, *packages, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(layer)})

    assert json.loads(left) == json.loads(whole)
    assert sum(map(len, json.loads(left).values())) > 60


@pytest.mark.parametrize(
    "line",
    ["import os", "switch_on()", "from .a import b as c", "if True: from .a import b", "from .a import *", "from . import a"],
)
def test_imports_are_not_put_off_where_a_package_does_more_than_importing(tmp_path: Path, line: str) -> None:
    init = tmp_path / "__init__.py"
    init.write_text(f'"""Text."""\nfrom .a import b\n{line}\n__all__ = ["b"]\n')

    with pytest.raises(SystemExit, match="line 3 does more than import names"):
        trimming()["put_off"](init)


NEVER = {"aws_xray_sdk", "awscrt", "boto3", "anyio", "httpx"}
NO_MODELS = NEVER | {"asyncio", "pydantic", "jsonschema"}
DENIED = {
    "api": NEVER | {"asyncio"},
    "receive_callback": NO_MODELS,
    "reconcile_tasks": NO_MODELS,
    "work_tasks": NO_MODELS,
}
SETTINGS = ("TABLE", "BUCKET", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "SECRET_ID")


@pytest.mark.parametrize("folder", DENIED)
def test_an_initialised_function_has_loaded_no_more_than_it_needs(built: Built, folder: str) -> None:
    if sys.platform != "linux":
        missing("the built layers hold code for Linux")
    base = built(ARCHITECTURE)
    (function,) = (one for one in read_template().functions.values() if one.folder == folder)
    places = (base / function.id, *(base / layer / "python" for layer in LAYERS))
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ":".join(map(str, places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_DEFAULT_REGION": "us-east-1",
        **{f"DARKROOM_{name}": "https://queue.example/tasks" for name in SETTINGS},
    }

    loaded = run(python313(), "-s", "-c", "import app, sys; print(*sys.modules)", env=env).split()

    assert not DENIED[folder] & set(loaded)


@pytest.fixture(scope="module")
def loaded(built: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The modules of each function that has answered: an order, its callback, a sweep that finds a picture, the job for it."""
    if sys.platform != "linux":
        missing("the built layers hold code for Linux")
    nowhere = tmp_path_factory.mktemp("bench")
    bench = Bench(nowhere, built(ARCHITECTURE), nowhere, nowhere, print)
    with bench.world() as world, ExitStack() as stack:
        orders = Orders.of_ours(world)
        children = {folder: stack.enter_context(Child([world.ours(folder)])) for folder in DENIED}
        orders.create(children["api"])
        assert orders.finish(children["receive_callback"])["statusCode"] == 200
        world.aws.tables[TABLE].load(overdue(world, 1))
        world.upstream.succeed(world.upstream.last, picture_bytes=PICTURE_BYTES)
        assert children["reconcile_tasks"].call("reconcile_tasks", {})["looked_at"] == 1
        job = {"messageId": "1", "body": world.aws.queues[QUEUE].pop(), "attributes": {}}
        assert children["work_tasks"].call("work_tasks", {"Records": [job]}) == {"batchItemFailures": []}
        assert len(world.aws.objects) == 2
        return {folder: set(child.modules()) for folder, child in children.items()}


@pytest.mark.parametrize("folder", DENIED)
def test_a_function_that_has_answered_has_loaded_no_more_than_it_needs(loaded: dict[str, set[str]], folder: str) -> None:
    assert not DENIED[folder] & loaded[folder]


@BUILDS
def test_both_layers_together_are_at_most_twelve_megabytes_zipped(built: Built, architecture: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "layers.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for layer in LAYERS:
            for one in (built(architecture) / layer).rglob("*"):
                packed.write(one, one.relative_to(built(architecture)))

    assert (tmp_path / "layers.zip").stat().st_size <= 12_000_000
