"""A DynamoDB table in memory that knows what each request costs; emulators' figures leave out indexes and failed conditions.

Rules (DynamoDB Developer Guide, "Read and write operations" and "Using global secondary indexes"; Throughput capacity modes):
a write costs the larger of old and new item, in whole KB; a failed condition costs the same. An index entry that comes or goes
costs its own size in KB, one whose key changes costs both, one that stays the same costs nothing. A read costs whole 4 KB,
half of it when eventually consistent, and never nothing; a query rounds once per page.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.support.expressions import Item, Span, comparable, condition, span, updated

_PAGE_BYTES = 1024 * 1024
_MOST_DIGITS = 38


class ConditionFailed(Exception):
    """The write did not happen; `old` is the item in the way."""

    def __init__(self, old: Item | None) -> None:
        super().__init__("The conditional request failed")
        self.old = old


@dataclass(slots=True)
class Units:
    """What has been used: write and read request units of on-demand mode."""

    write: float = 0.0
    read: float = 0.0

    def wrote(self, size: int) -> None:
        self.write += max(1, math.ceil(size / 1024))

    def saw(self, size: int, *, consistent: bool) -> None:
        self.read += max(1, math.ceil(size / 4096)) * (1.0 if consistent else 0.5)


def item_size(item: Item) -> int:
    """Bytes of an item ("DynamoDB item sizes and formats"); binary is bytes, or base 64 as on the wire."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Any) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(str(content).encode("utf-8", "surrogatepass"))
    if kind == "N":
        return _number_size(Decimal(content))
    if kind == "B" and isinstance(content, bytes):
        return len(content)
    if kind == "B":
        return len(str(content)) * 3 // 4 - int(content[-2:].count("="))
    if kind == "L":
        return 3 + sum(1 + _value_size(one) for one in content)
    if kind == "M":
        return 3 + len(content) + item_size(content)
    return 1  # BOOL, NULL


def _number_size(number: Decimal) -> int:
    """A byte, a byte for every two digits between the first and the last that say something, a byte for a minus."""
    if not number:
        return 1
    sign, digits, exponent = number.normalize().as_tuple()
    lowest = int(exponent)
    highest = lowest + len(digits) - 1
    # Pairs are counted from the decimal point.
    pairs = highest // 2 - lowest // 2 + 1
    return min(1 + pairs, 1 + _MOST_DIGITS // 2 + 1) + sign


Key = tuple[str, ...]
Place = tuple[Any, Key]
"""Where an entry stands in its partition: by sort key, then by the item's own key."""


@dataclass(slots=True)
class Index:
    """One partition map of sorted entries; `own` names the table's key, which every entry carries."""

    hash_name: str
    range_name: str | None
    own: tuple[str, ...]
    partitions: dict[Any, list[Place]] = field(default_factory=dict)

    def entry(self, item: Item | None) -> tuple[Any, Place] | None:
        """Where `item` stands; None where it has not both keys."""
        if item is None or self.hash_name not in item or (self.range_name and self.range_name not in item):
            return None
        place = (comparable(item[self.range_name]) if self.range_name else None, _key(item, self.own))
        return comparable(item[self.hash_name]), place

    def replace(self, old: Item | None, new: Item | None) -> Iterator[Item]:
        """Let `new` take the place of `old`; gives what is written for that: nothing where both stand at one place."""
        before, after = self.entry(old), self.entry(new)
        if before == after:
            return
        if before is not None and old is not None:
            places = self.partitions[before[0]]
            del places[bisect_left(places, before[1])]
            yield self.projected(old)
        if after is not None and new is not None:
            insort(self.partitions.setdefault(after[0], []), after[1])
            yield self.projected(new)

    def projected(self, item: Item) -> Item:
        """KEYS_ONLY: the index's keys and the table's."""
        keys = {self.hash_name, self.range_name, *self.own}
        return {name: item[name] for name in item if name in keys}

    def within(self, wanted: Span) -> list[Place]:
        """The places that a key condition asks for, in order."""
        places = self.partitions.get(wanted.hash_value, [])
        first = bisect_left(places, wanted.low, key=_sort_key) if wanted.low is not None else 0
        if wanted.above:
            first = bisect_right(places, wanted.low, key=_sort_key)
        last = len(places)
        if wanted.high is not None:
            cut = bisect_left if wanted.below else bisect_right
            last = cut(places, wanted.high, key=_sort_key)
        return places[first:last]


def _sort_key(place: Place) -> Any:
    return place[0]


class MeteredTable:
    """Items by key, with KEYS_ONLY indexes; `units` is what they have cost. Not for several threads at once."""

    def __init__(self, indexes: Mapping[str, tuple[str, ...]], *, keys: tuple[str, ...] = ("pk", "sk")) -> None:
        """`keys` names the partition key and, where there is one, the sort key; `indexes` does so for each index."""
        self.units = Units()
        self.items: dict[Key, Item] = {}
        self._keys = keys
        self._own = _index(keys, keys)
        self._indexes = {name: _index(of_index, keys) for name, of_index in indexes.items()}

    def load(self, items: Iterable[Item]) -> None:
        """Have `items` stand there from the beginning, for nothing."""
        for item in items:
            for _ in self._file(_key(item, self._keys), None, item):
                """Nobody pays."""

    def get(self, key: Item, *, consistent: bool) -> Item | None:
        found = self.items.get(_key(key, self._keys))
        self.units.saw(item_size(found) if found else 0, consistent=consistent)
        return found

    def put(self, item: Item, test: str | None, values: Item, names: Mapping[str, str]) -> None:
        """Write `item` whole; raises ConditionFailed."""
        self._write(_key(item, self._keys), item, test, values, names)

    def delete(self, key: Item, test: str | None, values: Item, names: Mapping[str, str]) -> None:
        """Remove the item; raises ConditionFailed."""
        self._write(_key(key, self._keys), None, test, values, names)

    def update(self, key: Item, text: str, test: str | None, values: Item, names: Mapping[str, str]) -> Item:
        """Set and remove attributes of the item; gives it as it is then. Raises ConditionFailed."""
        old = self.items.get(_key(key, self._keys))
        self._check(old, old, test, values, names)
        new = updated(old or key, text, values, names)
        self._store(_key(key, self._keys), old, new)
        return new

    def query(
        self,
        text: str,
        values: Item,
        names: Mapping[str, str],
        *,
        index: str | None,
        consistent: bool,
        forward: bool,
        limit: int | None,
        after: Item | None,
    ) -> tuple[list[Item], Item | None]:
        """One page, and the key that the next one starts after."""
        used = self._indexes[index] if index else self._own
        places = used.within(span(text, values, names))
        places = places if forward else places[::-1]
        if after is not None:
            places = _beyond(places, used, after, forward=forward)
        found, size = [], 0
        for place in places[:limit]:
            item = self.items[place[1]]
            found.append(used.projected(item) if index else item)
            size += item_size(found[-1])
            if size > _PAGE_BYTES:
                break
        self.units.saw(size, consistent=consistent)
        ended = len(found) == len(places) and len(found) != limit
        return found, None if ended or not found else _position(found[-1], used)

    def _write(self, key: Key, new: Item | None, test: str | None, values: Item, names: Mapping[str, str]) -> None:
        old = self.items.get(key)
        self._check(old, new, test, values, names)
        self._store(key, old, new)

    def _check(self, old: Item | None, new: Item | None, test: str | None, values: Item, names: Mapping[str, str]) -> None:
        if test is not None and not condition(test, names)(old or {}, values):
            self.units.wrote(_larger(old, new))
            raise ConditionFailed(old)

    def _store(self, key: Key, old: Item | None, new: Item | None) -> None:
        self.units.wrote(_larger(old, new))
        for written in self._file(key, old, new):
            self.units.wrote(item_size(written))

    def _file(self, key: Key, old: Item | None, new: Item | None) -> Iterator[Item]:
        """Let `new` take the place of `old`; gives what is written to indexes for that."""
        for _ in self._own.replace(old, new):
            """The item itself."""
        for index in self._indexes.values():
            yield from index.replace(old, new)
        if new is None:
            self.items.pop(key, None)
        else:
            self.items[key] = new


def _larger(old: Item | None, new: Item | None) -> int:
    return max(item_size(old or {}), item_size(new or {}))


def _index(keys: tuple[str, ...], own: tuple[str, ...]) -> Index:
    return Index(keys[0], keys[1] if keys[1:] else None, own)


def _key(item: Item, names: tuple[str, ...]) -> Key:
    return tuple(str(next(iter(item[name].values()))) for name in names)


def _position(item: Item, used: Index) -> Item:
    return used.projected(item)


def _beyond(places: list[Place], used: Index, after: Item, *, forward: bool) -> list[Place]:
    entry = used.entry(after)
    if entry is None:
        return places
    at = entry[1]
    return [place for place in places if (place > at if forward else place < at)]
