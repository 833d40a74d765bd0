"""Run built handlers in one process and answer questions about it: a program of its own, which imports nothing but them.

    python serve.py api=FOLDER/app.py:handler receive_callback=FOLDER/app.py:handler

Each line of standard input is a question in JSON, each line of standard output its answer; what the handlers print is kept aside.
With BENCHMARK_ADMISSION=none in its environment, every task has a slot at once and hands nothing on.
"""

import importlib.util
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

Handler = Callable[[Any, Any], Any]


class Context:
    """What Lambda tells a handler about an invocation."""

    function_name = "darkroom"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:darkroom"
    aws_request_id = "8ac11e76-5c0c-4dc6-8f72-2d0e7e6f9d11"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 290_000


def load(where: str, name: str) -> Handler:
    """The handler at `path:attribute`; every function's module is called app."""
    path, _, attribute = where.rpartition(":")
    spec = importlib.util.spec_from_file_location(f"app_of_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = getattr(module, attribute)
    return handler


def admit_everybody() -> None:
    """Before the handlers import them: what is left of a task is its cost without slots and rates."""
    from darkroom.domain.admission import Slot
    from darkroom.usecases import admit_task

    admission: Any = admit_task
    admission.take_slot = lambda *_, **__: Slot(at=0.0)
    admission.hand_on = lambda *_, **__: None


def peak_kb() -> int:
    """The largest resident size since it was last forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kb()


class Items:
    """Processor time of this process by what it went to: each call to AWS by operation and row, and requests to the upstream.

    What a call makes other calls for is a part of it, told as `outer › inner` and counted in both.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open = threading.local()

    def watch(self) -> None:
        """From now on."""
        import botocore.client

        from darkroom.adapters.upstreams.connections import Pool
        from darkroom.adapters.upstreams.hiapi import HiApi

        aws: Any = botocore.client.BaseClient
        wire: Any = Pool
        upstream: Any = HiApi
        aws._make_api_call = self._timed(aws._make_api_call, call_to_aws)
        wire.send = self._timed(wire.send, lambda asked, **_: f"{asked.method} on the wire")
        upstream.submit = self._timed(upstream.submit, lambda *_, **__: "upstream POST")
        upstream.look = self._timed(upstream.look, lambda *_, **__: "upstream GET")

    def _timed(self, work: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """`work`, a method whose arguments say what it is."""

        def call(this: Any, *args: Any, **kwargs: Any) -> Any:
            outer = getattr(self._open, "name", "")
            self._open.name = name(*args, **kwargs)
            item = f"{outer} › {self._open.name}" if outer else self._open.name
            began = time.thread_time()
            try:
                return work(this, *args, **kwargs)
            finally:
                self.seconds[item] += time.thread_time() - began
                self._open.name = outer

        return call


def call_to_aws(operation: str, asked: Any) -> str:
    """The operation and the kind of row that it is about; of a task's row, its phase."""
    row = asked.get("Item") or asked.get("Key") or {}
    if not isinstance(row, dict):
        return operation
    if str(row.get("pk", {}).get("S", "")).startswith("account#"):
        return f"{operation}, account"
    kind = row.get("sk", {}).get("S", "")
    if kind == "state":
        kind = f"task {row['phase']['S']}" if "phase" in row else "task"
    return f"{operation}, {kind}" if kind else _query(operation, asked)


def _query(operation: str, asked: Any) -> str:
    first = str(next(iter(asked.get("ExpressionAttributeValues", {}).values()), {}).get("S", ""))
    return f"{operation}, account" if first.startswith("account#") else operation


def serve(handlers: dict[str, Handler], answers: Any) -> None:
    """Answer until standard input ends."""
    items = Items()
    asked: dict[str, Callable[[], Any]] = {
        "peak": peak_kb,
        "forget_peak": forget_peak,
        "cpu": time.process_time,
        "watch": items.watch,
        "items": lambda: items.seconds,
        "modules": lambda: sorted(sys.modules),
    }
    for line in sys.stdin:
        question = json.loads(line)
        ask = asked.get(question.get("ask"))
        value = ask() if ask else handlers[question["to"]](question["event"], Context())
        answers.write(json.dumps(value) + "\n")
        answers.flush()


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = open(os.environ.get("BENCHMARK_LOG", os.devnull), "w")  # noqa: SIM115  (open to the end)
    if os.environ.get("BENCHMARK_ADMISSION") == "none":
        admit_everybody()
    handlers = {name: load(where, name) for name, _, where in (one.partition("=") for one in sys.argv[1:])}
    answers.write('"ready"\n')
    answers.flush()
    serve(handlers, answers)
    sys.stdout.flush()
    # Lambda never tears a process down, so what that costs is not counted.
    os._exit(0)


if __name__ == "__main__":
    main()
