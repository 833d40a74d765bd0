"""Build the peers' layer and function by the recipe of our own layers: the same wheels, the same compilation, the same shape."""

import shutil
import zipfile
from pathlib import Path

from tests.support.tools import ROOT, python313, run

_OURS = ROOT / "layers" / "dependencies"
_LOCKED = ROOT / "requirements" / "peer.txt"
_HERE = Path(__file__).parent


def build_peer(folder: Path, *, architecture: str, wheels: Path, trim: bool) -> Path:
    """The folder with `DependenciesLayer` and `powertools`. `trim`: cut down like ours, which pip would not do."""
    recipe = folder / "recipe"
    shutil.copytree(_OURS, recipe)
    shutil.copy(_LOCKED, recipe / "requirements.txt")
    # The peer has no certifi whose roots could be laid out.
    for script in ("roots.py",) if trim else ("roots.py", "trim.py"):
        (recipe / script).write_text('"""Everything stays."""\n')
    layer = folder / "DependenciesLayer"
    run(
        "make",
        *("-C", str(recipe / architecture), "-f", "../Makefile", "build-DependenciesLayer"),
        *(f"ARTIFACTS_DIR={layer}", f"DARKROOM_WHEELS={wheels}", f"PYTHON={python313()}"),
        timeout_s=300,
    )
    if trim:
        _give_back_resources(layer / "python", wheels)
    shutil.copytree(_HERE / "powertools", folder / "powertools", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def fetch_wheels(folder: Path, *, architecture: str) -> None:
    """Download the peer's wheels; their hashes stand in requirements/peer.txt."""
    platform = (_OURS / architecture / "platform.mk").read_text().rpartition(":= ")[2].strip()
    locked = ["-qq", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", str(_LOCKED)]
    target = ["--only-binary=:all:", "--implementation", "cp", "--python-version", "3.13", "--platform", platform]
    run(python313(), "-m", "pip", "download", *locked, *target, "--dest", folder, timeout_s=300)
    (folder / ".complete").touch()


def _give_back_resources(packages: Path, wheels: Path) -> None:
    """`boto3.resource` reads files that we never do, wants all of DynamoDB's model, and what writes help texts."""
    for trimmed in packages.glob("botocore/data/dynamodb/2012*/service-2.json"):
        trimmed.unlink()
    wanted = {"boto3": ("boto3/data/dynamodb/",), "botocore": ("botocore/data/dynamodb/2012", "botocore/docs/")}
    for package, inside in wanted.items():
        (wheel,) = wheels.glob(f"{package}-*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(packages, [name for name in packed.namelist() if name.startswith(inside)])
    compiled = ("-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")
    run(python313(), *compiled, packages / "botocore" / "docs", timeout_s=120)
