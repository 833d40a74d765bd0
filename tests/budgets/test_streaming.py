"""A picture passes through memory, it does not settle there: a 30 MB image fits a 256 MB function many times over."""

import os
import subprocess
import sys

import pytest

from tests.budgets.stream_once import serve
from tests.support.aws import Aws, moto
from tests.support.tools import ROOT

__all__ = ["moto"]

ALLOWED_KB = 5 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("size", [1_000_000, 31_000_000])
def test_storing_a_picture_takes_five_megabytes_at_most_however_large_it_is(moto: Aws, size: int) -> None:
    server = serve()
    bucket = moto.bucket()

    child = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.budgets.stream_once",
            str(size),
            bucket,
            moto.endpoint,
            f"http://127.0.0.1:{server.server_port}",
        ],
        cwd=ROOT,
        env=os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    server.shutdown()
    server.server_close()

    assert child.returncode == 0, child.stderr
    assert int(child.stdout) <= ALLOWED_KB
