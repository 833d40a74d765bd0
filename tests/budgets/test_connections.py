"""What is made once per process is made once, and what is open stays open: a second task costs no handshake."""

import os
import subprocess
import sys

import pytest

from tests.budgets.driven import Driven
from tests.support.metered_world import variables
from tests.support.tools import ROOT

FUNCTIONS = ("api", "receive_callback", "reconcile_tasks", "work_tasks")
COUNTED = """
import ssl
import botocore.session
made = dict(sessions=0, contexts=0)
def counted(what, original):
    def make(*args, **kwargs):
        made[what] += 1
        return original(*args, **kwargs)
    return make
botocore.session.Session.__init__ = counted("sessions", botocore.session.Session.__init__)
ssl.create_default_context = counted("contexts", ssl.create_default_context)
import functions.{function}.app
from darkroom.wiring import services
services().upstream("hiapi")
services().downloads
from darkroom.adapters.upstreams.http import shared_pool
shared_pool()
print(made["sessions"], made["contexts"])
"""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_process_makes_one_botocore_session_and_one_tls_context(darkroom: Driven, function: str) -> None:
    env = os.environ | variables(darkroom.aws, darkroom.upstream) | {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}

    code = COUNTED.format(function=function)
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)

    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == ["1", "1"]


def test_the_second_task_opens_no_connection_to_anybody(cold: Driven) -> None:
    def task() -> None:
        cold.create()
        cold.call_back(cold.succeed())

    first, second = cold.used(task), cold.used(task)

    assert first.connections > 0
    assert second.connections == 0


def test_the_second_look_and_the_second_job_open_none_either(darkroom: Driven) -> None:
    def lost_callback() -> None:
        darkroom.create()
        darkroom.succeed()
        darkroom.pass_time(61)
        darkroom.tick()
        darkroom.work()

    lost_callback()

    assert darkroom.used(lost_callback).connections == 0


def test_nothing_waits_for_leave_to_send_a_body(darkroom: Driven) -> None:
    used = darkroom.used(lambda: (darkroom.create(), darkroom.call_back(darkroom.succeed())))

    assert used.uploads == 1
    assert used.aws.expects == 0


def test_thirty_megabytes_go_up_in_one_put(darkroom: Driven) -> None:
    darkroom.create()
    done = darkroom.succeed(picture_bytes=30_000_000)

    used = darkroom.used(lambda: darkroom.call_back(done))

    assert darkroom.status() == "succeeded"
    assert {name: count for name, count in used.aws.calls.items() if name.startswith("s3:")} == {"s3:PUT": 1}
    assert used.aws.expects == 0
