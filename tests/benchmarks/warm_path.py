"""Warm path: what one task costs a processor that has seen others before, from the order to the stored picture."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.benchmarks.bench import Bench, World
from tests.benchmarks.child import Child, cachegrind, instructions
from tests.benchmarks.figures import Figure, Section
from tests.benchmarks.orders import Orders
from tests.benchmarks.peers.litellm import Proxy, measure_proxy
from tests.support.metered_world import TABLE

GOAL_M, GOAL_WITH_ADMISSION_M = 36.0, 45.0
_FLOOR_M = 4.1
_FEW, _MANY, _WARM = 5, 30, 5
_CPU_TASKS = 200
_M = 1e6


def warm_path(bench: Bench) -> Section:
    """Instructions by difference, processor time and connections; ours, the peer's."""
    bench.progress("warm path: instructions")
    with ExitStack() as stack:
        world, other, free, keyed = (stack.enter_context(bench.world()) for _ in range(4))
        everybody = (
            Orders.of_ours(world),
            Orders.of_peer(other),
            Orders.of_ours_without_admission(free),
            Orders.of_ours(keyed, keyed=True),
        )
        with ThreadPoolExecutor(2) as pool:
            ours, peer, unlimited, with_key = pool.map(per_task, everybody)
        check_that_no_slot_was_asked_for(free)
    bench.progress("warm path: processor time and connections")
    with bench.world() as world:
        cpu = {name: cpu_ms(orders) for name, orders in _everybody(world).items()}
        itemised = _itemised(Orders.of_ours(world))
        connections, requests = _second_task(Orders.of_ours(world))
        peer_connections, peer_requests = _second_task(Orders.of_peer(world))
    bench.progress("warm path: LiteLLM's proxy")
    proxy = measure_proxy(bench.folder)
    create = ours["create"]
    whole, whole_peer = sum(ours.values()), sum(peer.values())
    return Section(
        title="Warm path",
        about=(
            "One task, order and callback with a picture of 100 KB, both handlers in one process on Lambda's Python with the "
            f"built layers. Instructions by difference, N = {_MANY} less N = {_FEW}. The peer has Powertools' idempotency on "
            "both handlers; it keeps no list of tasks, has no index for it, no second look at anything and no limits to keep. "
            "Without slots and rates: every task has a slot at once and hands nothing on. LiteLLM's proxy is measured in another "
            "way: as a server under load before a stub of its own upstream, eight requests at a time over HTTP, in the processor "
            "time of all its processes as the "
            "kernel counts it, where a handler is called with its event, one after the other, and its server is Lambda's."
        ),
        figures=[
            _instructions("M instructions per task, without slots and rates", sum(unlimited.values()), whole_peer, GOAL_M),
            _instructions("M instructions per task, with them", whole, whole_peer, GOAL_WITH_ADMISSION_M),
            Figure(
                name="M instructions per task, with them and an Idempotency-Key",
                ours=sum(with_key.values()),
                peer=whole_peer,
                floor=_FLOOR_M,
                digits=1,
            ),
            Figure(name="… of which the order, with slots and rates alone", ours=create, peer=peer["create"], digits=1),
            Figure(name="… of which the callback", ours=whole - create, peer=whole_peer - peer["create"], digits=1),
            Figure(name="CPU per task", unit="ms", ours=sum(cpu["ours"]), peer=sum(cpu["peer"])),
            *_beside_proxy(sum(cpu["ours"]), proxy),
            Figure(name="… of which the order", unit="ms", ours=cpu["ours"][0], peer=cpu["peer"][0]),
            Figure(name="… of which the callback", unit="ms", ours=cpu["ours"][1], peer=cpu["peer"][1]),
            Figure(name="new connections, second task", ours=connections, peer=peer_connections, floor=0, goal=0, digits=0),
            Figure(name="requests to AWS per task", ours=requests, peer=peer_requests, digits=0),
        ],
        tables=[itemised],
        notes=[_about_proxy(proxy)],
        unmeasured=["LiteLLM's proxy"] if isinstance(proxy, str) else [],
    )


def _instructions(name: str, ours: float, peer: float, goal: float) -> Figure:
    return Figure(name=name, ours=ours, peer=peer, floor=_FLOOR_M, goal=goal, digits=2)


def check_that_no_slot_was_asked_for(world: World) -> None:
    """Otherwise the figure without slots and rates would say too much, or nothing."""
    asked = [pk for pk, _ in world.aws.tables[TABLE].items if pk.startswith("account#")]
    assert not asked, f"admission was to be left out and wrote {asked}"


def _beside_proxy(cpu_ms: float, proxy: Proxy | str) -> list[Figure]:
    if isinstance(proxy, str):
        return []
    return [Figure(name="CPU per task, LiteLLM's proxy as the peer", unit="ms", ours=cpu_ms, peer=proxy.cpu_ms)]


def _about_proxy(proxy: Proxy | str) -> str:
    if isinstance(proxy, str):
        return proxy
    return (
        f"LiteLLM's proxy hands a request on to an upstream that answers at once, {proxy.per_s:.0f} a second, with "
        f"{proxy.rss_mb:.0f} MB resident. It remembers no task and stores no picture: what it spends its time on is less."
    )


def _everybody(world: World) -> dict[str, Orders]:
    return {"ours": Orders.of_ours(world), "peer": Orders.of_peer(world)}


def per_task(orders: Orders) -> dict[str, float]:
    """Millions of instructions of the order and of the callback; counted once per run, whoever asks."""
    known = orders.world.bench.folder / f"warm-{orders.name}.json"
    if not known.exists():
        known.write_text(json.dumps(_count(orders)))
    work: dict[str, float] = json.loads(known.read_text())
    return work


def _count(orders: Orders) -> dict[str, float]:
    """By difference between runs; what the events' way into the process costs is taken off."""
    more = _MANY - _FEW
    few, many = _run(orders, _FEW), _run(orders, _MANY)
    created = _run(orders, _FEW, orders_only=more)
    idle = _idle(orders, _MANY) - _idle(orders, _FEW)
    create = (created - few - idle / 2) / more
    return {"create": create / _M, "callback": ((many - few - idle) / more - create) / _M}


def _run(orders: Orders, tasks: int, *, orders_only: int = 0) -> int:
    """Instructions of a process that sees `tasks` whole tasks, and orders alone."""
    file = orders.world.bench.folder / f"warm-{orders.name}-{tasks}-{orders_only}"
    with Child(orders.packages, tool=cachegrind(file)) as child:
        orders.run(child, tasks)
        for _ in range(orders_only):
            orders.create(child)
    return instructions(file)


def _idle(orders: Orders, tasks: int) -> int:
    """Instructions of a process that is given the events of so many tasks and does nothing with them."""
    bare, file = orders.world.bare(), orders.world.bench.folder / f"warm-{orders.name}-bare-{tasks}"
    with Child([*orders.packages[:1], bare]) as posting:
        orders.create(posting)
    with Child([bare], tool=cachegrind(file)) as child:
        for _ in range(tasks):
            orders.create(child, to=bare.name)
            orders.finish(child, to=bare.name)
    return instructions(file)


def cpu_ms(orders: Orders) -> tuple[float, float]:
    """Milliseconds of processor time of an order and of a callback."""
    spent = [0.0, 0.0]
    with Child(orders.packages) as child:
        orders.run(child, _WARM)
        for _ in range(_CPU_TASKS):
            began = child.cpu_s()
            orders.create(child)
            between = child.cpu_s()
            orders.finish(child)
            spent[0] += between - began
            spent[1] += child.cpu_s() - between
    return spent[0] / _CPU_TASKS * 1000, spent[1] / _CPU_TASKS * 1000


def _itemised(orders: Orders) -> list[list[str]]:
    """Where the processor time of a task goes: each call by its operation and row. `outer › inner` is a part of `outer`."""
    with Child(orders.packages) as child:
        orders.run(child, _WARM)
        child.watch()
        began = child.cpu_s()
        orders.run(child, _CPU_TASKS)
        whole, items = child.cpu_s() - began, child.items()
    outer = sum(one for name, one in items.items() if "›" not in name)
    told = {"our own code, logs, metrics, routing": whole - outer, **dict(sorted(items.items()))}
    rows = [["CPU of one task went to", "ms", "share"]]
    return rows + [[name, f"{one / _CPU_TASKS * 1000:.2f}", f"{one / whole:.0%}"] for name, one in told.items()]


def _second_task(orders: Orders) -> tuple[int, int]:
    """Connections that the second task opens, anywhere, and its requests to AWS."""
    world = orders.world
    with Child(orders.packages) as child:
        orders.run(child, 1)
        meter, connections = world.aws.meter, world.upstream.connections
        orders.run(child, 1)
        used = world.aws.meter - meter
    return used.connections + world.upstream.connections - connections, sum(used.calls.values())
