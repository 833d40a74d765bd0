"""Upstream accounts in DynamoDB: one small row each, and a row for every task that waits, in the order of the queue.

The account's row is written twice for every task, so what repeats in it is short: 37 bytes for a task in flight, 4 for a second
in which something was asked. Ten tasks in flight and a minute with a request in each second are 688 bytes; a write unit is 1,024.
Who holds a slot is a map, so that a slot is given back without a read, and without a race.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from darkroom.adapters.dynamo import Row, Table, key
from darkroom.domain.admission import Account, Waiter, Window
from darkroom.domain.breaker import Shut
from darkroom.errors import AccountChanged
from darkroom.ports import SEEN_AT_ONCE

_NUMBERS = ("not_before", "learned_at", "looks_refused_at", "looks_made_at")
_WHOLES = ("faults", "in_flight", "per_minute", "looks_made")
_ROW = "account"
_WAITS = "wait#"
_REFUSED = "refused"
# How many seconds after the first one, and how many requests.
_SECOND = struct.Struct(">HH")
_FIRST = struct.Struct(">Q")
_TASK = "task_"
_ID = 26
_MOST = 0xFFFF


class DynamoAccounts:
    """`Accounts` over DynamoDB."""

    def __init__(self, *, table: Table) -> None:
        self._table = table

    def get(self, name: str, *, consistent: bool = False) -> Account:
        row = self._table.get(_pk(name), _ROW, consistent=consistent)
        return _account_of(name, row) if row else Account(name=name)

    def see(self, name: str) -> tuple[Account, Sequence[Waiter]]:
        rows = self._table.query("pk = :account", {":account": {"S": _pk(name)}}, limit=1 + SEEN_AT_ONCE, consistent=True)
        found = next((_account_of(name, row) for row in rows if row["sk"]["S"] == _ROW), Account(name=name))
        return found, [_waiter_of(row) for row in rows if row["sk"]["S"] != _ROW][:SEEN_AT_ONCE]

    def save(self, before: Account, after: Account) -> None:
        new = before.version == 0
        condition = "attribute_not_exists(pk)" if new else "version = :before"
        values = {} if new else {":before": {"N": str(before.version)}}
        if self._table.put_if(account_row(after), condition, values) is not None:
            raise AccountChanged(f"the account {before.name} is no longer at version {before.version}")

    def release(self, name: str, key: str) -> Account:
        # A lost answer is repeated by botocore, and finds it done.
        row = self._table.update_if(
            _pk(name),
            _ROW,
            "REMOVE holders.#holder, faults SET version = version + :one",
            "attribute_exists(holders.#holder)",
            names={"#holder": _short(key)},
            values={":one": {"N": "1"}},
        )
        return _account_of(name, row) if row else Account(name=name)

    def wait(self, name: str, waiter: Waiter) -> None:
        if waiter.refused_at:
            self._table.put(key(_pk(name), _WAITS + waiter.place) | {_REFUSED: {"N": repr(waiter.refused_at)}})
            return
        # Whoever is in the queue, refused or not, stays in it as it is.
        self._table.update_if(
            _pk(name),
            _WAITS + waiter.place,
            "SET #refused = :never",
            "attribute_not_exists(#refused)",
            names={"#refused": _REFUSED},
            values={":never": {"N": "0"}},
        )

    def leave(self, name: str, waiter: Waiter) -> None:
        self._table.delete(_pk(name), _WAITS + waiter.place)

    def waiters(self, name: str, *, limit: int, behind: str = "") -> Sequence[Waiter]:
        values = {":account": {"S": _pk(name)}, ":behind": {"S": _WAITS + behind}}
        rows = self._table.query("pk = :account AND sk > :behind", values, limit=limit, consistent=True)
        return [_waiter_of(row) for row in rows]


def account_row(account: Account) -> Row:
    """The account as its row."""
    numbers = {name: {"N": repr(value)} for name in (*_NUMBERS, *_WHOLES) if (value := getattr(account, name))}
    window = b"".join(_packed_window(account.window))
    return (
        key(_pk(account.name), _ROW)
        | {"version": {"N": str(account.version)}}
        | ({"holders": {"M": _holders_row(account.holders)}} if account.holders else {})
        | ({"turn": {"S": account.turn}} if account.turn else {})
        | ({"window": {"B": window}} if window else {})
        | ({"shut": {"S": _shut_text(account.shut)}} if account.shut else {})
        | numbers
    )


def _account_of(name: str, row: Row) -> Account:
    numbers: dict[str, Any] = {one: float(row[one]["N"]) for one in _NUMBERS if one in row}
    wholes: dict[str, Any] = {one: int(row[one]["N"]) for one in _WHOLES if one in row}
    return Account(
        name=name,
        version=int(row["version"]["N"]),
        holders=_holders_of(row["holders"]["M"]) if "holders" in row else {},
        window=_window_of(row["window"]["B"]) if "window" in row else Window(),
        turn=row["turn"]["S"] if "turn" in row else "",
        shut=_shut_of(row["shut"]["S"]) if "shut" in row else {},
        **numbers,
        **wholes,
    )


def _pk(name: str) -> str:
    return f"account#{name}"


def _waiter_of(row: Row) -> Waiter:
    owner, task_id, attempt = row["sk"]["S"].removeprefix(_WAITS).split("#")
    # Rows of an earlier release do not say it.
    refused_at = float(row[_REFUSED]["N"]) if _REFUSED in row else 0.0
    return Waiter(owner=owner, task_id=task_id, attempt=int(attempt), refused_at=refused_at)


def _shut_text(shut: Mapping[str, Shut]) -> str:
    # By place, not by name: there is something in here only while an upstream is in trouble, and then little.
    rows = {name: [one.since, one.probe_at, one.why, one.probes, one.probe] for name, one in shut.items()}
    return json.dumps(rows, separators=(",", ":"))


def _shut_of(text: str) -> dict[str, Shut]:
    rows = json.loads(text).items()
    return {
        name: Shut(since=since, probe_at=probe_at, why=why, probes=probes, probe=probe)
        for name, (since, probe_at, why, probes, probe) in rows
    }


def _short(holder: str) -> str:
    """The task's id without what all have in front of it, then the number of its attempt."""
    task_id, _, attempt = holder.removeprefix(_TASK).partition(":")
    return task_id + attempt


def _holders_row(holders: Mapping[str, float]) -> Row:
    # In milliseconds, rounded up: a task is never sent too early.
    return {_short(holder): {"N": str(math.ceil(at * 1000))} for holder, at in holders.items()}


def _holders_of(row: Row) -> dict[str, float]:
    return {f"{_TASK}{short[:_ID]}:{short[_ID:]}": int(at["N"]) / 1000 for short, at in row.items()}


def _packed_window(window: Window) -> Iterator[bytes]:
    if not window.counts:
        return
    first = min(window.counts)
    yield _FIRST.pack(first)
    for second, count in sorted(window.counts.items()):
        yield _SECOND.pack(min(_MOST, second - first), min(_MOST, count))


def _window_of(packed: bytes) -> Window:
    (first,) = _FIRST.unpack_from(packed)
    return Window({first + distance: count for distance, count in _SECOND.iter_unpack(packed[_FIRST.size :])})
