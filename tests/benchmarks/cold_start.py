"""Cold start: from exec to the first request for work, through AWS's own runtime client, on what `sam build` made."""

import random
import signal
import socket
import subprocess
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from tests.benchmarks.bench import Bench, World
from tests.benchmarks.child import Child, Package, cachegrind, instructions
from tests.benchmarks.figures import Figure, Section
from tests.benchmarks.orders import Orders
from tests.support.tools import lambda_python

GOALS = {"receive_callback": 0.50, "api": 0.70, "reconcile_tasks": 0.55, "work_tasks": 0.55}
_ROUNDS = 7
_M = 1e6
HEAD = [
    "INIT",
    "M instr.",
    "above bare / peer",
    "all / peer",
    "above bare / trimmed peer",
    "all / trimmed peer",
    "wall ms",
    "wall / bare",
    "wall / peer",
]


def cold_start(bench: Bench) -> Section:
    """INIT of every function, and of a handler with all of Powertools."""
    with bench.world() as world:
        packages = [*(world.ours(folder) for folder in GOALS), world.peer(), world.bare()]
        trimmed = world.peer(trimmed=True)
        bench.progress("cold start: instructions")
        with ThreadPoolExecutor(2) as pool:
            counts = list(pool.map(lambda one: init_instructions(bench, one[0], one[1]), enumerate([*packages, trimmed])))
        bench.progress("cold start: wall clock")
        walls = init_walls(packages)
        bench.progress("cold start: the first answer")
        first = _first_answers(world)
    counted = {one.name: count for one, count in zip(packages, counts, strict=False)}
    zipped = Figure(
        name="both layers, zipped",
        unit="MB",
        ours=zipped_mb(bench.folder, [bench.built / layer for layer in ("CommonLayer", "DependenciesLayer")]),
        peer=zipped_mb(bench.folder, [bench.peer / "DependenciesLayer"]),
        goal=12,
        digits=1,
    )
    return _section(counted, counts[-1], walls, first, zipped)


def init_instructions(bench: Bench, number: int, package: Package) -> int:
    """Instructions from exec to the first GET …/next; repeats agree to four digits."""
    file = bench.folder / f"init-{number}"
    _initialise(package, cachegrind(file))
    return instructions(file)


def init_walls(packages: Sequence[Package]) -> dict[str, float]:
    """Median milliseconds; the order changes from round to round, so that a busy moment hits everybody."""
    seen: dict[str, list[float]] = {one.name: [] for one in packages}
    chance = random.Random(0)
    for _ in range(_ROUNDS):
        for one in chance.sample(packages, len(packages)):
            seen[one.name].append(_initialise(one, ()) * 1000)
    return {name: median(values) for name, values in seen.items()}


def _initialise(package: Package, tool: Sequence[str]) -> float:
    """Seconds until the runtime client asks for its first invocation; it is ended then, before it can tear anything down."""
    with socket.create_server(("127.0.0.1", 0)) as api:
        api.settimeout(400)
        function = package.function()
        env = function.environment("{}:{}".format(*api.getsockname()))
        command = [*tool, str(lambda_python()), "-m", "awslambdaric", function.handler]
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=function.code, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        connection, _ = api.accept()
        with connection:
            asked = connection.recv(4096)
            took = time.perf_counter() - began
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate()
    assert b"/invocation/next" in asked, f"{package.name} did not come up:\n{asked.decode()}\n{said.decode()}"
    return took


def zipped_mb(folder: Path, layers: Sequence[Path]) -> float:
    """Megabytes of the layers together as one archive."""
    file = folder / "layers.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for layer in layers:
            for one in layer.rglob("*"):
                packed.write(one, one.relative_to(layer.parent))
    return file.stat().st_size / 1e6


def _first_answers(world: World) -> dict[str, float]:
    """Instructions of loading and of the first order's answer together: what is put off until then is not saved."""
    told = {}
    for name, orders in (("api", Orders.of_ours(world)), ("peer", Orders.of_peer(world))):
        file = world.bench.folder / f"first-{name}"
        with Child(orders.packages[:1], tool=cachegrind(file)) as child:
            orders.create(child)
        told[name] = instructions(file) / _M
    return told


def _section(counted: dict[str, int], trimmed: int, walls: dict[str, float], first: dict[str, float], zipped: Figure) -> Section:
    peer, bare = counted["handler"], counted["bare"]
    figures = [
        figure
        for name, goal in GOALS.items()
        for figure in (
            _ratio(f"{name}, INIT above a function that does nothing / peer", counted[name] - bare, peer - bare, goal=goal),
            _ratio(f"{name}, all of INIT / peer", counted[name], peer, floor=bare / peer, goal=goal),
            _ratio(f"{name}, INIT above a function that does nothing / trimmed peer", counted[name] - bare, trimmed - bare),
        )
    ]
    names = {"handler": "full Powertools", "bare": "a function that does nothing"}
    rows = [HEAD]
    for name, count in counted.items():
        above = count - bare
        ratios = (above / (peer - bare), count / peer, above / (trimmed - bare), count / trimmed)
        wall = walls[name]
        rows.append(
            [
                names.get(name, name),
                f"{count / _M:,.1f}",
                *(f"{ratio:.3f}" for ratio in ratios),
                f"{wall:.0f}",
                f"{wall / walls['bare']:.1f}",
                f"{wall / walls['handler']:.2f}",
            ]
        )
    return Section(
        title="Cold start",
        about=(
            "Instructions from exec to the first request for work, through awslambdaric, on the artefacts of `sam build` "
            "(valgrind's cachegrind, PYTHONHASHSEED=0: repeats agree to four digits). The peer is one handler with Logger, "
            "Metrics, Tracer, resolver with validation, parser, idempotency and a boto3 resource; its layer is made by our own "
            "recipe, compiled alike, with its packages as pip installs them. The goals were set for what the code adds, so the "
            "first figure of each function is the one that they judge: what Python and the runtime client need before they "
            "come to us, a function that does nothing, is taken off both sides. The second one takes nothing off, and must keep "
            "to the same goal. Against the *trimmed peer*, cut down as our layer is, see the table: much of the difference is "
            "the trimming, which anybody may do. Nobody opens a connection during INIT: the first request does, which is why "
            "the first answer is told too."
        ),
        figures=[*figures, _ratio("api, INIT and the first answer / peer", first["api"], first["peer"]), zipped],
        tables=[rows],
        notes=[f"The trimmed peer needs {trimmed / _M:,.1f} M instructions. Wall clock is told, never judged."],
    )


def _ratio(name: str, ours: float, peer: float, *, floor: float = 0.0, goal: float | None = None) -> Figure:
    return Figure(name=name, ours=ours / peer, peer=1.0, floor=floor, goal=goal, digits=4)
