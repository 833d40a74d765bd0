"""One Lambda execution environment on this machine: AWS's own runtime client against a Runtime API of ours.

The protocol is the public one of custom runtimes: the client asks for the next invocation and posts its answer or its error.
"""

import itertools
import json
import queue
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

API = "/2018-06-01/runtime"
_ENDS_THE_PROCESS = ("Sandbox.Timedout", "Runtime.ExitError")


@dataclass(frozen=True, slots=True)
class Answered:
    """The handler returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised, could not be imported (`during_init`), ran out of time or took its process down."""

    kind: str
    message: str = ""
    during_init: bool = False


Outcome = Answered | Failed


@dataclass(frozen=True, slots=True)
class _Invocation:
    request_id: str
    event: bytes
    deadline_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What Lambda would be told: `code` and `layers` are built folders, `env` the function's own variables."""

    name: str
    code: Path
    layers: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    handler: str = "app.handler"
    timeout_s: float = 30
    memory_mb: int = 512

    def environment(self, runtime_api: str) -> dict[str, str]:
        """All variables of the process; nothing of ours leaks into it."""
        return {
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "LAMBDA_TASK_ROOT": str(self.code),
            "_HANDLER": self.handler,
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            # Both folders are read-only in Lambda: a stale or missing .pyc stays so.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": ":".join(str(one) for one in (self.code, *(layer / "python" for layer in self.layers))),
            "TZ": ":UTC",
            **self.env,
        }


class LambdaEnvironment:
    """A process that serves one invocation at a time and stays warm between them; close it, or use it with `with`."""

    def __init__(self, python: Path, function: Function) -> None:
        """`python` has awslambdaric installed. Nothing is started before the first invocation."""
        self._python, self._function = python, function
        self._ids = itertools.count(1)
        self._sandbox: _Sandbox | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.close()

    def invoke(self, event: Any) -> Outcome:
        """Run the handler once; starts a process if none is warm. After the time-out the process is killed."""
        if self._sandbox is None:
            self._sandbox = _Sandbox(self._python, self._function)
        outcome = self._sandbox.invoke(f"00000000-0000-4000-8000-{next(self._ids):012d}", json.dumps(event).encode())
        if isinstance(outcome, Failed) and (outcome.during_init or outcome.kind in _ENDS_THE_PROCESS):
            self.close()
        return outcome

    @property
    def warm(self) -> bool:
        """Whether a process is there to serve the next invocation."""
        return self._sandbox is not None

    @property
    def log(self) -> str:
        """What the warm process has written so far."""
        return self._sandbox.log if self._sandbox else ""

    def close(self) -> None:
        """End the process, if there is one."""
        if self._sandbox is not None:
            self._sandbox.close()
        self._sandbox = None


class _Sandbox:
    """One process from its cold start to its end, with a Runtime API of its own."""

    def __init__(self, python: Path, function: Function) -> None:
        self._timeout_s = function.timeout_s
        self._server = _RuntimeApi()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._process = subprocess.Popen(
            [python, "-m", "awslambdaric", function.handler],
            cwd=function.code,
            env=function.environment("{}:{}".format(*self._server.server_address)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log = ""
        self._reader = threading.Thread(target=self._keep_log, daemon=True)
        self._reader.start()

    def invoke(self, request_id: str, event: bytes) -> Outcome:
        deadline = time.time() + self._timeout_s
        self._server.invocations.put(_Invocation(request_id, event, int(deadline * 1000)))
        while time.time() < deadline:
            ended = self._process.poll() is not None
            try:
                return self._server.outcomes.get(timeout=0.02)
            except queue.Empty:
                if ended:
                    return Failed("Runtime.ExitError", f"the process ended with {self._process.returncode}")
        return Failed("Sandbox.Timedout", f"no answer within {self._timeout_s:g} s")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        # The killed process may have left a request for its next invocation behind.
        self._server.invocations.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _keep_log(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.log += line


class _RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.invocations: queue.Queue[_Invocation | None] = queue.Queue()
        self.outcomes: queue.Queue[Outcome] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet and at once; otherwise Nagle and delayed acknowledgement add 40 ms each way.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _RuntimeApi

    def do_GET(self) -> None:
        invocation = self.server.invocations.get()
        if invocation is None:
            self.close_connection = True
            return
        self.send_response(200)
        # The client is native code and dies of a missing content type.
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(invocation.event)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", invocation.request_id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:local")
        self.send_header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
        self.end_headers()
        self.wfile.write(invocation.event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()
        self.server.outcomes.put(self._outcome(json.loads(body or b"null")))

    def _outcome(self, said: Any) -> Outcome:
        if self.path.startswith(f"{API}/invocation/") and self.path.endswith("/response"):
            return Answered(said)
        return Failed(said.get("errorType", ""), said.get("errorMessage", ""), during_init=self.path == f"{API}/init/error")

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the tests say what they see."""
