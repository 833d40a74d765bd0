"""Streaming: what a picture takes of memory and time on its way from the upstream into the bucket."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.benchmarks.bench import Bench, World
from tests.benchmarks.child import Child, Package
from tests.benchmarks.figures import Figure, Plot, Section
from tests.benchmarks.orders import Orders
from tests.benchmarks.svg import lines

_MB = 1_000_000
SIZES_MB = (1, 30, 100, 300)
_SOAK, _SOAK_MB = 60, 10
_LINK_MB_S, _LINK_MB = 20, 60
_FUNCTION_MB = 256


def streaming(bench: Bench) -> Section:
    """Peak memory by size, a long warm life, two slow links."""
    with bench.world() as world:
        ours, peer = _large(Orders.of_ours(world)), Orders.of_peer(world)
        peaks = {size: _peak(world, ours, size) for size in SIZES_MB}
        peer_peaks = {size: _peak(world, peer, size) for size in SIZES_MB}
        bench.progress(f"streaming: {_SOAK} pictures in one process")
        growth = _soak(ours)
        uploads, expects = _uploads(world, ours)
    bench.progress("streaming: two slow links")
    wall, peer_wall = (_throttled(bench, of) for of in (Orders.of_ours, Orders.of_peer))
    above, whole = peaks[300]
    slower = _LINK_MB / _LINK_MB_S
    return Section(
        title="Streaming a picture",
        about=(
            "Through the callback handler, each size in a process of its own that has stored a picture of 1 MB before; peak "
            "resident memory from /proc. The peer keeps each picture in memory while it stores it. The floor of the whole "
            f"peak is our process before the picture. The slow links carry {_LINK_MB_S} MB/s each, the picture has {_LINK_MB} MB."
        ),
        figures=[
            *(_growth(size, above, peer_peaks[size][0]) for size, (above, _) in peaks.items()),
            Figure(
                name="whole peak, 300 MB / 1 MB",
                ours=peaks[300][1] / peaks[1][1],
                peer=peer_peaks[300][1] / peer_peaks[1][1],
                floor=1.0,
                goal=1.05,
                digits=3,
            ),
            Figure(
                name="whole peak, 300 MB",
                unit="MB",
                ours=whole / 1000,
                peer=peer_peaks[300][1] / 1000,
                floor=(whole - above) / 1000,
                goal=_FUNCTION_MB,
                digits=0,
            ),
            Figure(
                name=f"growth over {_SOAK} pictures of {_SOAK_MB} MB", unit="MB", ours=growth / 1000, floor=0, goal=2, digits=1
            ),
            Figure(name=f"uploads for {SIZES_MB[-1]} MB", ours=uploads, floor=1, goal=1, digits=0),
            Figure(name="waits for `100 Continue`", ours=expects, floor=0, goal=0, digits=0),
            Figure(name="time / the slower link's", ours=wall / slower, peer=peer_wall / slower, floor=1, goal=1.1),
        ],
        plots=[
            Plot(
                file="streaming.svg",
                title="Peak memory above start over the picture's size",
                svg=lines(
                    "Peak memory above start",
                    {
                        "ours": [(size, above / 1000) for size, (above, _) in peaks.items()],
                        "peer": [(size, above / 1000) for size, (above, _) in peer_peaks.items()],
                    },
                    x="picture, MB",
                    y="MB",
                ),
            )
        ],
    )


def _growth(size: int, above_kb: int, peer_kb: int) -> Figure:
    mb = {"ours": above_kb / 1000, "peer": peer_kb / 1000}
    return Figure(name=f"peak above start, {size} MB", unit="MB", floor=0, goal=5, digits=1, **mb)


def _large(orders: Orders) -> Orders:
    """The same with a deployment that takes pictures of up to a gigabyte."""
    packages: Sequence[Package] = [one.with_env(DARKROOM_MAX_IMAGE_BYTES=str(1024 * _MB)) for one in orders.packages]
    return replace(orders, packages=packages)


def _peak(world: World, orders: Orders, size_mb: int) -> tuple[int, int]:
    """Peak in KB: above what the process had before, and in all."""
    world.bench.progress(f"streaming: {size_mb} MB")
    with Child(orders.packages) as child:
        _store(child, orders, 1)
        before = child.forget_peak()
        _store(child, orders, size_mb)
        peak = child.peak_kb()
    # What lies below the start is memory that the first picture had left over.
    return max(0, peak - before), peak


def _soak(orders: Orders) -> int:
    """KB by which the peak of so many pictures lies above what the process had after a first one."""
    with Child(orders.packages) as child:
        _store(child, orders, _SOAK_MB)
        before = child.forget_peak()
        for _ in range(_SOAK):
            _store(child, orders, _SOAK_MB)
        return child.peak_kb() - before


def _uploads(world: World, orders: Orders) -> tuple[int, int]:
    with Child(orders.packages) as child:
        _store(child, orders, 1)
        before = world.aws.meter
        _store(child, orders, SIZES_MB[-1])
        used = world.aws.meter - before
    return used.calls["s3:PUT"], used.expects


def _throttled(bench: Bench, of: Callable[[World], Orders]) -> float:
    """Seconds that the callback takes when download and upload are slow."""
    rate = _LINK_MB_S * _MB
    with bench.world(picture_bytes_s=rate, upload_bytes_s=rate) as world:
        orders = _large(of(world))
        with Child(orders.packages) as child:
            _store(child, orders, 1)
            orders.create(child)
            began = time.monotonic()
            orders.finish(child, picture_bytes=_LINK_MB * _MB)
            took = time.monotonic() - began
        _check(world, _LINK_MB)
    return took


def _store(child: Child, orders: Orders, size_mb: int) -> None:
    orders.create(child)
    orders.finish(child, picture_bytes=size_mb * _MB)
    _check(orders.world, size_mb)


def _check(world: World, size_mb: int) -> None:
    """It is there, whole; what was stored before is forgotten."""
    (stored,) = world.aws.objects.values()
    assert stored.size == size_mb * _MB
    world.aws.objects.clear()
