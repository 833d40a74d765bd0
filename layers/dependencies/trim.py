"""Cut an installed folder of packages down to what the deployed functions can reach; used by the Makefile beside it.

A cold start reads the disk: botocore describes four hundred services and is asked for five.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

SERVICES = frozenset({"dynamodb", "s3", "secretsmanager", "sqs", "sts"})


def trim(packages: Path) -> None:
    """Remove what is never imported in Lambda; `packages` is the folder that holds `botocore/` and the others."""
    for unwanted in list(_unwanted(packages)):
        if unwanted.is_dir():
            shutil.rmtree(unwanted)
        else:
            unwanted.unlink(missing_ok=True)
    _trim_endpoints(packages / "botocore" / "data" / "endpoints.json")


def _unwanted(packages: Path) -> Iterator[Path]:
    yield from packages.glob("*.dist-info")
    yield packages / "bin"
    yield from packages.glob("*/tests")
    yield from packages.rglob("*.pyi")
    # `boto3.resource` and the built-in manual pages; we use clients only.
    yield from (packages / "boto3" / name for name in ("data", "examples"))
    yield from packages.glob("botocore/data/*/*/examples-1.json")
    # One megabyte of JavaScript for a page that is never served from Lambda.
    yield packages / "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui-bundle.min.js"
    for service in packages.glob("botocore/data/*/"):
        if service.name not in SERVICES:
            yield service


def _trim_endpoints(path: Path) -> None:
    # Every partition stays, with its regions and defaults: only the list of services is shortened.
    known = json.loads(path.read_text())
    for partition in known["partitions"]:
        partition["services"] = {k: v for k, v in partition["services"].items() if k in SERVICES}
    path.write_text(json.dumps(known, separators=(",", ":")))


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
