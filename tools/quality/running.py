"""Measure what has to run for it: files that a warm invocation executes, and files that the layer's build changes."""

import hashlib
import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

_SCRIPT = re.compile(r'^\t\$\(PYTHON\) \.\./(\w+\.py) "\$\(ARTIFACTS_DIR\)/python(/\w+)?"', re.MULTILINE)


def executed(act: Callable[[], Any], package: Path) -> set[Path]:
    """Name the files below `package` of which `act` executes a function, in its thread and in those it starts."""
    seen: set[str] = set()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            seen.add(frame.f_code.co_filename)

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return {path for path in map(Path, seen) if path.is_relative_to(package)}


def warm_invocations(package: Path) -> dict[str, int]:
    """Count the files of our package that the handlers execute for one event, in an environment that has served before.

    The create is one order with a short prompt. The callback is its success, with the picture fetched and stored. The poll is a
    sweep that asks about one task, which is still being generated.
    """
    # From the import on: the logger keeps the output that there is when it is made.
    with redirect_stdout(io.StringIO()):
        return _warm_invocations(package)


def _warm_invocations(package: Path) -> dict[str, int]:
    from tests.budgets.driven import driven

    with driven(setattr, os.environ.__setitem__) as pipeline:
        pipeline.warm_up()
        create = executed(pipeline.create, package)
        task = pipeline.succeed()
        callback = executed(lambda: pipeline.call_back(task), package)
        pipeline.create()
        pipeline.pass_time(70)
        before = pipeline.upstream.seen["GET"]
        poll = executed(pipeline.tick, package)
        if pipeline.status() != "running" or pipeline.upstream.seen["GET"] != before + 1:
            raise SystemExit("the sweep did not poll exactly one running task: what was measured is no poll")
    return {"create": len(create), "callback": len(callback), "poll": len(poll)}


def rewritten_by_the_build(dependencies: Path) -> int:
    """Count the files that the layer's scripts change or add in a copy of the locked packages; deleted ones do not count."""
    scripts = _SCRIPT.findall((dependencies / "Makefile").read_text())
    if not scripts:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy_packages(dependencies / "requirements.txt", copy)
        before = _hashes(copy)
        for script, place in scripts:
            subprocess.run([sys.executable, dependencies / script, f"{copy}{place}"], check=True)  # noqa: S603  (our own scripts)
        return sum(before.get(path) != digest for path, digest in _hashes(copy).items())


def _copy_packages(lock: Path, into: Path) -> None:
    for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE):
        for file in importlib.metadata.files(name) or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = into / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)


def _hashes(folder: Path) -> dict[Path, bytes]:
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*") if path.is_file()}
