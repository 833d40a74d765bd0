"""What a request costs, by the rules of DynamoDB's Developer Guide; emulators give other figures, so the rules stand here."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.adapters.row_size import row_size
from tests.support.metered_table import ConditionFailed, MeteredTable, item_size

KEY = {"pk": {"S": "task_1"}, "sk": {"S": "state"}}


@pytest.fixture
def table() -> MeteredTable:
    return MeteredTable({"due": ("due_shard", "next_check_at"), "listing": ("owner_day", "listed_as")})


def an_item(*, padding: int = 0, due: int | None = None, listed: bool = False, number: int = 1) -> dict[str, Any]:
    item: dict[str, Any] = {"pk": {"S": f"task_{number}"}, "sk": {"S": "state"}}
    item |= {"padding": {"S": "x" * padding}} if padding else {}
    item |= {"due_shard": {"S": "due#1"}, "next_check_at": {"N": str(due)}} if due is not None else {}
    return item | ({"owner_day": {"S": "dev#1"}, "listed_as": {"S": "task_1"}} if listed else {})


def put(table: MeteredTable, item: dict[str, Any]) -> float:
    """What writing `item` costs."""
    before = table.units.write
    table.put(item, None, {}, {})
    return table.units.write - before


def test_a_small_item_costs_one_unit_and_a_byte_over_a_kilobyte_two(table: MeteredTable) -> None:
    room = 1024 - item_size(an_item() | {"padding": {"S": ""}})

    assert put(table, an_item(padding=room)) == 1
    assert put(table, an_item(padding=room + 1)) == 2


def test_a_write_costs_the_larger_of_old_and_new(table: MeteredTable) -> None:
    put(table, an_item(padding=3000))

    assert put(table, an_item()) == 3


def test_an_index_entry_costs_one_to_come_two_to_move_one_to_go_and_nothing_to_stay(table: MeteredTable) -> None:
    assert put(table, an_item(due=10)) == 1 + 1
    assert put(table, an_item(due=10, padding=100)) == 1
    assert put(table, an_item(due=20)) == 1 + 2
    assert put(table, an_item()) == 1 + 1


def test_indexes_are_paid_for_side_by_side(table: MeteredTable) -> None:
    assert put(table, an_item(due=10, listed=True)) == 3


def test_an_entry_holds_keys_only_so_a_large_item_makes_it_no_dearer(table: MeteredTable) -> None:
    assert put(table, an_item(due=10, padding=5000)) == 5 + 1


def test_a_failed_condition_costs_what_the_write_would_have(table: MeteredTable) -> None:
    put(table, an_item(padding=1500))
    before = table.units.write

    with pytest.raises(ConditionFailed):
        table.put(an_item(), "attribute_not_exists(pk)", {}, {})

    assert table.units.write - before == 2


def test_a_consistent_read_costs_one_unit_for_four_kilobytes_and_an_eventual_one_half(table: MeteredTable) -> None:
    put(table, an_item(padding=5000))

    table.get(KEY, consistent=True)
    assert table.units.read == 2
    table.get(KEY, consistent=False)
    assert table.units.read == 3


def test_reading_what_is_not_there_costs_the_least(table: MeteredTable) -> None:
    table.get(KEY, consistent=False)

    assert table.units.read == 0.5


def test_a_query_is_rounded_once_for_all_its_items(table: MeteredTable) -> None:
    for number in range(30):
        put(table, an_item(due=number, number=number))

    _due(table, limit=30)

    # 30 entries of about 60 bytes fit into 4 KB.
    assert table.units.read == 0.5


def test_a_query_that_finds_nothing_costs_the_least(table: MeteredTable) -> None:
    _due(table, limit=30)

    assert table.units.read == 0.5


def test_a_query_of_an_index_costs_the_entries_it_reads_however_large_items_and_index_are(table: MeteredTable) -> None:
    table.load(an_item(due=number, padding=3000, number=number) for number in range(5000))

    _due(table, limit=10)

    assert table.units.read == 0.5


def test_items_that_were_always_there_cost_nothing(table: MeteredTable) -> None:
    table.load(an_item(number=number) for number in range(10))

    assert (table.units.write, len(table.items)) == (0, 10)


def _due(table: MeteredTable, *, limit: int) -> None:
    values = {":shard": {"S": "due#1"}, ":now": {"N": "1000000"}}
    condition = "due_shard = :shard AND next_check_at <= :now"
    table.query(condition, values, {}, index="due", consistent=False, forward=True, limit=limit, after=None)


numbers = st.one_of(
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e30, max_value=1e30).filter(
        lambda one: one == 0 or abs(one) > 1e-30
    ),
)
values = st.recursive(
    st.one_of(
        numbers.map(lambda one: {"N": repr(one)}),
        st.text(max_size=40).map(lambda one: {"S": one}),
        st.binary(max_size=40).map(lambda one: {"B": one}),
        st.booleans().map(lambda one: {"BOOL": one}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda one: {"L": one}),
        st.dictionaries(st.text(max_size=8), inner, max_size=4).map(lambda one: {"M": one}),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=12), values, max_size=6))
def test_the_meter_and_the_adapter_measure_alike(row: dict[str, Any]) -> None:
    on_the_wire = json.loads(json.dumps(row, default=lambda raw: base64.b64encode(raw).decode()))

    assert item_size(on_the_wire) == row_size(row)
