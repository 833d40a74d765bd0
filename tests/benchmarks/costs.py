"""What a million tasks cost: every unit measured, put at list prices, beside the other ways to wait for an image."""

import re
from collections.abc import Mapping

from local.template import read_template
from tests.benchmarks.bench import Bench
from tests.benchmarks.child import Child
from tests.benchmarks.figures import Figure, Plot, Section
from tests.benchmarks.in_process import pipeline
from tests.benchmarks.orders import Orders
from tests.benchmarks.prices import DATE, PER_UNIT, SOURCES, WAITS, Usage, gb_seconds
from tests.benchmarks.svg import bars
from tests.benchmarks.variants import IDEMPOTENT, VARIANTS
from tests.benchmarks.warm_path import check_that_no_slot_was_asked_for, per_task
from tests.budgets.scenarios import SCENARIOS, Cost, Scenario, measure

GOAL, GOAL_WITH_KEY = 14.0, 16.0
"""Without admission and key; with both."""

_TASKS = 20
_CALLBACK_ROUTE = "POST /v1/callbacks/{upstream}/{task_id}/{token}"
_LIKELY = {
    "requestId": "JKJaXmPLvHcESHA=",
    "identity.sourceIp": "203.0.113.117",
    "httpMethod": "POST",
    # An order's is short; the callback's is added in half, for there are as many.
    "routeKey": "$default",
    "status": "202",
    "responseLatency": "318",
    "responseLength": "912",
    "error.responseType": "-",
}


def costs(bench: Bench) -> Section:
    """Units of each scenario, dollars of the happy path and of its rivals."""
    bench.progress("cost: units of every scenario")
    measured = {one.name: _alone(one.name) for one in SCENARIOS}
    bench.progress("cost: instructions and log bytes")
    with bench.world() as world:
        ours = _usage(Orders.of_ours(world), measured["happy path"])
        with_key = _usage(Orders.of_ours(world, keyed=True), measured["with an Idempotency-Key"])
        peer = _usage(Orders.of_peer(world), None)
    # In a table of its own: nobody's row of an account stands in it.
    with bench.world() as world:
        unlimited = _usage(Orders.of_ours_without_admission(world), None).dollars_per_million()
        check_that_no_slot_was_asked_for(world)
    everybody = {"Darkroom": ours, "Darkroom, with an Idempotency-Key": with_key, IDEMPOTENT: peer, **VARIANTS}
    dollars = {name: usage.dollars_per_million() for name, usage in everybody.items()}
    floor = dollars["the least there can be"]
    return Section(
        title="Cost per task",
        about=(
            f"Units are exact, from a metering double of the services; dollars are us-east-1 list prices of {DATE}, for a "
            f"million tasks. Assumed alike for everybody: {WAITS.table_call * 1000:g} ms for a call to the table, "
            f"{WAITS.upstream_post * 1000:g} ms for the upstream's POST, {WAITS.two_megabytes_in_and_out * 1000:g} ms to bring a "
            "picture of 2 MB home, 30 s of generation, no reads of the status. Memory sizes are the template's, instructions and "
            "log bytes measured; access logs are in.\n\n"
            "The goals of the units are the budget that was set before the project began: 7 write units for a task, one more "
            "with a key and one with a long request, 2 for the slot or 4 for one that is waited for, 3 for a look; 1 read unit, "
            "and a half for a caller's key that is not in the cache. One unit holds any long request of some 1,400 characters. "
            "What the budget does not speak of has no goal: the reads of a task in an account that is crowded are among that, "
            "2 to 7 units ([decision 14](decisions/0014-what-limits-and-safety-cost.md) says what for). "
            "tests/budgets keeps the numbers themselves, exactly."
        ),
        figures=[
            Figure(
                name="dollars without slots and rates",
                unit="$/M",
                ours=unlimited,
                peer=dollars[IDEMPOTENT],
                floor=floor,
                goal=GOAL,
            ),
            Figure(name="dollars with them", unit="$/M", ours=dollars["Darkroom"], peer=dollars[IDEMPOTENT], floor=floor),
            Figure(
                name="dollars with them and an Idempotency-Key",
                unit="$/M",
                ours=dollars["Darkroom, with an Idempotency-Key"],
                peer=dollars[IDEMPOTENT],
                floor=floor,
                goal=GOAL_WITH_KEY,
            ),
            *(figure for one in SCENARIOS for figure in _units(one, measured[one.name], peer)),
        ],
        tables=[_scenarios(measured), _bills(everybody), _prices()],
        notes=[
            "Darkroom's units and those of the handlers with Powertools are measured in this run. The others' are what their "
            "design takes at the least, counted from its writes, states and operations (tests/benchmarks/variants.py), with "
            f"handlers as lean as ours. Prices: AWS Price List of {DATE}, us-east-1, without free tiers; "
            "aws.amazon.com/step-functions/pricing and aws.amazon.com/lambda/pricing for states and durable operations."
        ],
        plots=[
            Plot(
                file="cost.svg",
                title="Dollars per million tasks",
                svg=bars("Dollars per million tasks", dollars, unit="$", marked=[one for one in dollars if "Darkroom" in one]),
            )
        ],
    )


def _units(scenario: Scenario, cost: Cost, peer: Usage) -> list[Figure]:
    """Beside what the budget grants, not beside what tests/budgets finds today: that one is always met."""
    granted, least = scenario.granted, VARIANTS["the least there can be"]
    # The peer and the least there can be only ever make a picture without any trouble.
    writes = {"peer": peer.write_units, "floor": least.write_units} if scenario.name == "happy path" else {}
    reads = {"peer": peer.read_units, "floor": least.read_units} if scenario.name == "happy path" else {}
    return [
        Figure(name=f"write units: {scenario.name}", ours=cost.write, goal=granted.write, digits=0, **writes),
        Figure(name=f"read units: {scenario.name}", ours=cost.read, goal=granted.read, digits=1, **reads),
    ]


def _alone(name: str) -> Cost:
    """What the scenario costs in a warm environment of its own."""
    (scenario,) = (one for one in SCENARIOS if one.name == name)
    with pipeline() as darkroom:
        return measure(darkroom, scenario)


def _usage(orders: Orders, cost: Cost | None) -> Usage:
    """What one order and its callback use; `cost`: the units, where they are known exactly."""
    world = orders.world
    log = world.bench.folder / f"log-{orders.name}"
    with Child(orders.packages, log=log) as child:
        orders.run(child, 2)
        before = world.aws.meter
        orders.run(child, _TASKS)
        used = world.aws.meter - before
    lines = log.stat().st_size / (_TASKS + 2)
    write = cost.write if cost else used.write_units / _TASKS
    read = cost.read if cost else used.read_units / _TASKS
    calls = {name: count / _TASKS for name, count in used.calls.items()}
    return Usage(
        http_requests=2,
        invocations=2,
        gb_seconds=_gb_seconds(orders, sum(calls.values()) - calls["s3:PUT"]),
        write_units=write,
        read_units=read,
        uploads=calls["s3:PUT"],
        log_bytes=lines + 2 * access_log_bytes(),
    )


def _gb_seconds(orders: Orders, table_calls: float) -> float:
    """The order waits for the upstream, the callback for the picture; calls to the table are shared out evenly."""
    work = per_task(orders)
    memory = {one.folder: one.memory_mb for one in read_template().functions.values()}
    calls_s = table_calls / 2 * WAITS.table_call
    create = gb_seconds(memory_mb=memory["api"], million_instructions=work["create"], waiting_s=calls_s + WAITS.upstream_post)
    callback = gb_seconds(
        memory_mb=memory["receive_callback"],
        million_instructions=work["callback"],
        waiting_s=calls_s + WAITS.two_megabytes_in_and_out,
    )
    return create + callback


def access_log_bytes() -> float:
    """An order's line and its callback's in the template's access log, on average, with likely values for the variables."""
    stages = (one for one in read_template().resources.values() if one["Type"] == "AWS::ApiGatewayV2::Stage")
    form = next(stages)["Properties"]["AccessLogSettings"]["Format"]
    filled = re.sub(r"\$context\.([A-Za-z.]+)", lambda found: _LIKELY[found[1]], form)
    return len(filled) + len(_CALLBACK_ROUTE) / 2


def _scenarios(measured: Mapping[str, Cost]) -> list[list[str]]:
    rows = [["what happens", "write units", "read units", "POST", "GET", "uploads", "messages"]]
    for name, cost in measured.items():
        counts = [cost.posts, cost.gets, cost.uploads, cost.messages]
        rows.append([name, f"{cost.write:g}", f"{cost.read:g}", *map(str, counts)])
    return rows


def _bills(everybody: Mapping[str, Usage]) -> list[list[str]]:
    rows = [["$ per million tasks", "API", "Lambda", "table", "bucket", "logs", "other", "all"]]
    for name, usage in everybody.items():
        parts = usage.parts()
        groups = (
            parts["http_requests"],
            parts["invocations"] + parts["gb_seconds"],
            parts["write_units"] + parts["read_units"],
            parts["uploads"] + parts["object_reads"],
            parts["log_bytes"],
            parts["messages"] + parts["transitions"] + parts["durable_operations"],
        )
        rows.append([name, *(f"{one:.2f}" for one in groups), f"**{sum(groups):.2f}**"])
    return rows


def _prices() -> list[list[str]]:
    rows = [[f"list price, us-east-1, {DATE}", "$ per million"]]
    return rows + [[SOURCES[name], f"{price * 1e6:g}"] for name, price in PER_UNIT.items()]
