"""What every benchmark is given: the built packages, ours and the peers', and a folder to work in."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.intrinsics import Resource
from local.template import read_template
from tests.benchmarks.child import Package
from tests.benchmarks.peers.build import build_peer, fetch_wheels
from tests.support.metered_world import BUCKET, furnish, variables
from tests.support.metering import MeteredAws
from tests.support.tools import ROOT, run
from tests.support.wire_upstream import WireUpstream

# The upstream's account is as large as it may be told to be: what is measured is the work, not the waiting for a slot.
_AMPLE = {"HIAPI_IN_FLIGHT": "1000", "HIAPI_REQUESTS_PER_MINUTE": "60000"}

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
PEER_TABLE, PEER_KEYS = "peer-tasks", "peer-idempotency"


@dataclass(frozen=True, slots=True)
class Bench:
    """`progress` is told a few words about what happens now. `peer` was installed as pip leaves it, `trimmed_peer` as ours is."""

    folder: Path
    built: Path
    peer: Path
    trimmed_peer: Path
    progress: Callable[[str], None]

    @contextmanager
    def world(
        self, *, picture_bytes_s: float | None = None, upload_bytes_s: float | None = None, latency_s: float = 0.0
    ) -> Iterator["World"]:
        """Everything around the functions, furnished."""
        with ExitStack() as stack:
            aws = stack.enter_context(MeteredAws(upload_bytes_s=upload_bytes_s))
            upstream = stack.enter_context(WireUpstream(latency_s=latency_s, picture_bytes_s=picture_bytes_s))
            furnish(aws)
            aws.add_table(PEER_TABLE, {"due": ("due_shard", "next_check_at")})
            aws.add_table(PEER_KEYS, {}, keys=("id",))
            yield World(self, aws, upstream)


@dataclass(frozen=True, slots=True)
class World:
    """An AWS with a meter and an upstream, both in this process; the functions run in others."""

    bench: Bench
    aws: MeteredAws
    upstream: WireUpstream

    def ours(self, folder: str) -> Package:
        """One of our functions, by its folder below functions/."""
        template = read_template()
        (written,) = (one for one in template.functions.values() if one.folder == folder)
        resolved = template.intrinsics(lambda id_: Resource(ref=id_)).resolve(written.environment)
        env = {name: str(value) for name, value in resolved.items()} | variables(self.aws, self.upstream) | _AMPLE
        layers = (self.bench.built / "DependenciesLayer", self.bench.built / "CommonLayer")
        return Package(name=folder, code=self.bench.built / written.id, layers=layers, env=env, handler=written.handler)

    def peer(self, *, handler: str = "app.handler", trimmed: bool = False) -> Package:
        """The peer's function; it has two handlers in one file."""
        built = self.bench.trimmed_peer if trimmed else self.bench.peer
        env = {
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "PEER_TABLE": PEER_TABLE,
            "PEER_IDEMPOTENCY_TABLE": PEER_KEYS,
            "PEER_BUCKET": BUCKET,
            "PEER_UPSTREAM": self.upstream.url,
        }
        layers = (built / "DependenciesLayer",)
        name = handler.rpartition(".")[2]
        return Package(name=name, code=built / "powertools", layers=layers, env=env, handler=handler)

    def bare(self) -> Package:
        """A function that does nothing."""
        code = self.bench.folder / "bare"
        code.mkdir(exist_ok=True)
        (code / "app.py").write_text("def handler(event, context):\n    return {}\n")
        return Package(name="bare", code=code, layers=(), env={})


def prepare(folder: Path, progress: Callable[[str], None]) -> Bench:
    """Build everything below `folder`, whatever was there before."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind counts the instructions and is not there: on Debian, apt install valgrind")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    progress("building what is deployed")
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    run("make", "build", f"ARCH={ARCHITECTURE}", f"BUILD_DIR={folder / 'built'}", env=env, timeout_s=300)
    wheels = ROOT / ".cache" / "wheels" / f"peer-{ARCHITECTURE}"
    if not (wheels / ".complete").exists():
        progress("fetching the peer's wheels")
        fetch_wheels(wheels, architecture=ARCHITECTURE)
    progress("building the peer")
    peer = build_peer(folder / "peer", architecture=ARCHITECTURE, wheels=wheels, trim=False)
    trimmed = build_peer(folder / "trimmed-peer", architecture=ARCHITECTURE, wheels=wheels, trim=True)
    return Bench(folder, folder / "built", peer, trimmed, progress)
