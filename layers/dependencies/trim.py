"""Cut an installed folder of packages down to what the deployed functions can reach; used by the Makefile beside it.

A cold start reads the disk: botocore describes four hundred services and is asked for five, S3 a hundred operations for four.
"""

import ast
import gzip
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPERATIONS = {
    "dynamodb": {"BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"},
    # A bucket that has moved is looked for with HeadBucket, by botocore itself.
    "s3": {"DeleteObject", "GetObject", "HeadBucket", "HeadObject", "PutObject"},
    "secretsmanager": {"GetSecretValue"},
    "sqs": {"DeleteMessage", "ReceiveMessage", "SendMessage", "SendMessageBatch"},
    "sts": {"AssumeRole", "AssumeRoleWithWebIdentity"},
}
"""What the functions may ask AWS for; a client has no other methods."""

PUT_OFF = ("aws_lambda_powertools/event_handler", "aws_lambda_powertools/utilities/data_classes")
"""Packages that load all they have when one thing of theirs is wanted: forty kinds of events, asyncio for one of them."""

_WHEN_ASKED_FOR = """

def __getattr__(name):
    try:
        place = _PLACES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    from importlib import import_module

    found = globals()[name] = getattr(import_module(place, __name__), name)
    return found
"""

_NO_HELP = '''"""Texts for `help()`, which nobody reads in Lambda: what writes them takes long to load."""


class ClientMethodDocstring(str):
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)


PaginatorDocstring = WaiterDocstring = ClientMethodDocstring
'''


def trim(packages: Path) -> None:
    """Remove what is never used in Lambda; `packages` is the folder that holds `botocore/` and the others."""
    for unwanted in list(_unwanted(packages)):
        if unwanted.is_dir():
            shutil.rmtree(unwanted)
        else:
            unwanted.unlink(missing_ok=True)
    (packages / "botocore" / "docs" / "docstring.py").write_text(_NO_HELP)
    (packages / "botocore" / "docs" / "__init__.py").write_text("")
    for package in PUT_OFF:
        put_off(packages / package / "__init__.py")
    _trim_endpoints(packages / "botocore" / "data" / "endpoints.json")
    for service, operations in OPERATIONS.items():
        for model in (packages / "botocore" / "data" / service).glob("*/service-2.json.gz"):
            _trim_model(model, operations)


def put_off(init: Path) -> None:
    """Write a package's `__init__.py` anew, so that each name is imported when it is first asked for (PEP 562).

    A name that a module of the package has too stays as it is: importing that module would hide it. Raises SystemExit where more
    is done than importing names.
    """
    places, kept = {}, []
    for node in ast.parse(init.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and not any(one.asname or one.name == "*" for one in node.names):
            own = {one.name for one in node.names if _is_module(init.parent, one.name)}
            kept += [node] if own else []
            module = "." * node.level + node.module
            places |= {one.name: module for one in node.names if not own}
        elif isinstance(node, ast.Expr | ast.Assign) and not any(isinstance(one, ast.Call) for one in ast.walk(node)):
            kept.append(node)
        else:
            raise SystemExit(f"{init}: line {node.lineno} does more than import names")
    init.write_text(f"{ast.unparse(ast.Module(kept, []))}\n_PLACES = {places!r}\n{_WHEN_ASKED_FOR}")


def _is_module(package: Path, name: str) -> bool:
    return (package / f"{name}.py").exists() or (package / name).is_dir()


def _unwanted(packages: Path) -> Iterator[Path]:
    yield from packages.glob("*.dist-info")
    yield packages / "bin"
    yield from packages.glob("*/tests")
    yield from packages.rglob("*.pyi")
    yield from packages.glob("botocore/data/*/*/examples-1.json")
    # Only two of its modules are asked for, and one of these is written anew.
    yield from (one for one in packages.glob("botocore/docs/*") if one.stem not in ("__init__", "docstring", "utils"))
    # One megabyte of JavaScript for a page that is never served from Lambda.
    yield packages / "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui-bundle.min.js"
    for service in packages.glob("botocore/data/*/"):
        if service.name not in OPERATIONS:
            yield service


def _trim_endpoints(path: Path) -> None:
    # Every partition stays, with its regions and defaults: only the list of services is shortened.
    known = json.loads(path.read_text())
    for partition in known["partitions"]:
        partition["services"] = {k: v for k, v in partition["services"].items() if k in OPERATIONS}
    path.write_text(json.dumps(known, separators=(",", ":")))


def _trim_model(path: Path, operations: set[str]) -> None:
    """Keep `operations` and the shapes that they reach, without a word of documentation; unpacked, for that is read faster."""
    model = json.loads(gzip.decompress(path.read_bytes()))
    model["operations"] = {name: model["operations"][name] for name in sorted(operations & model["operations"].keys())}
    reached: set[str] = set()
    ahead = set(_shapes_named_in(model["operations"]))
    while ahead:
        reached |= ahead
        ahead = {name for one in ahead for name in _shapes_named_in(model["shapes"][one])} - reached
    model["shapes"] = {name: shape for name, shape in model["shapes"].items() if name in reached}
    path.with_suffix("").write_text(json.dumps(_silent(model), separators=(",", ":")))
    path.unlink()


def _shapes_named_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        value = list(value.values())
    for one in value if isinstance(value, list) else ():
        yield from _shapes_named_in(one)


def _silent(value: Any) -> Any:
    if isinstance(value, list):
        return [_silent(one) for one in value]
    if not isinstance(value, dict):
        return value
    # Emptied, not removed: botocore asks for some. A member may be called `documentation` too; it is no text.
    return {name: "" if name == "documentation" and isinstance(one, str) else _silent(one) for name, one in value.items()}


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
