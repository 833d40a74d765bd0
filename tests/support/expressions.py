"""DynamoDB's expressions as far as a conditional write or a query needs them (Developer Guide, "Condition expressions")."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

Item = Mapping[str, Any]
Test = Callable[[Item, Item], bool]
"""Whether an item passes, given the placeholders' values."""

_TOKEN = re.compile(r"\s*(<=|>=|<>|[<>=(),]|[#:]?[A-Za-z_][\w.]*)")
_COMPARE = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class BadExpression(ValueError):
    """What DynamoDB would call a ValidationException."""


def comparable(value: Any) -> Any:
    """A typed value as something that sorts as DynamoDB sorts it within its type."""
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content.encode() if kind == "S" else content


def condition(text: str, names: Mapping[str, str]) -> Test:
    """The test that a condition expression stands for; raises BadExpression."""
    return _condition(named(text, names))


@lru_cache
def _condition(text: str) -> Test:
    return _Parser(_tokens(text)).whole()


def named(text: str, names: Mapping[str, str]) -> str:
    """The expression with `#placeholders` replaced."""
    return re.sub(r"#\w+", lambda found: names[found[0]], text)


def updated(item: Item, text: str, values: Item, names: Mapping[str, str]) -> Item:
    """The item after an update expression of `SET name = :value`, `SET name = name + :number` and `REMOVE name` or `map.name`."""
    new = dict(item)
    for clause, changes in re.findall(r"(SET|REMOVE)\s+(.*?)(?=\s+(?:SET|REMOVE)\s|$)", named(text, names).strip(), re.DOTALL):
        for change in changes.split(","):
            name, _, value = (part.strip() for part in change.partition("="))
            if clause == "REMOVE":
                _remove(name, new)
            elif value in values:
                new[name] = values[value]
            else:
                new[name] = _sum(value, item, values)
    return new


def _remove(path: str, new: dict[str, Any]) -> None:
    outer, _, inner = path.partition(".")
    if not inner:
        new.pop(outer, None)
    elif "M" not in new.get(outer, {}):
        raise BadExpression("The document path provided in the update expression is invalid for update")
    else:
        new[outer] = {"M": {name: value for name, value in new[outer]["M"].items() if name != inner}}


def _sum(text: str, item: Item, values: Item) -> Any:
    name, plus, value = text.partition(" + ")
    if not plus or value not in values or "N" not in item.get(name, {}):
        raise BadExpression(f"only a placeholder, or a number that grows by one, can be set: {text}")
    return {"N": str(Decimal(item[name]["N"]) + Decimal(values[value]["N"]))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a key condition asks for: one partition, and the part of its sort keys that `within` accepts."""

    hash_name: str
    hash_value: Any
    range_name: str | None
    low: Any | None
    high: Any | None
    above: bool
    below: bool


def span(text: str, values: Item, names: Mapping[str, str]) -> Span:
    """The span of a key condition: an equality, and at most one comparison, BETWEEN or begins_with."""
    first, _, second = named(text, names).partition(" AND ")
    hash_name, _, hash_value = first.split()
    part = _range(second.strip(), values) if second else (None, None, None, False, False)
    range_name, low, high, above, below = part
    return Span(
        hash_name=hash_name,
        hash_value=comparable(values[hash_value]),
        range_name=range_name,
        low=low,
        high=high,
        above=above,
        below=below,
    )


def _range(text: str, values: Item) -> tuple[str, Any, Any, bool, bool]:
    """Name, lowest, highest, and whether those two are themselves left out."""
    if found := re.fullmatch(r"begins_with\s*\(\s*(\w+)\s*,\s*(:\w+)\s*\)", text):
        start = comparable(values[found[2]])
        return found[1], start, start + b"\xff" * 8, False, False
    if found := re.fullmatch(r"(\w+)\s+BETWEEN\s+(:\w+)\s+AND\s+(:\w+)", text):
        return found[1], comparable(values[found[2]]), comparable(values[found[3]]), False, False
    found = re.fullmatch(r"(\w+)\s*(=|<=|>=|<|>)\s*(:\w+)", text)
    if found is None:
        raise BadExpression(f"not a key condition: {text}")
    name, sign, at = found[1], found[2], comparable(values[found[3]])
    low, high = sign in ("=", ">", ">="), sign in ("=", "<", "<=")
    return name, at if low else None, at if high else None, sign == ">", sign == "<"


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadExpression(f"cannot read {text[at:]!r}")
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Parser:
    """Or binds weaker than and, and weaker than not; a term is in brackets, a function or a comparison."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    def whole(self) -> Test:
        test = self._any()
        if self._tokens:
            raise BadExpression(f"what does {self._tokens[0]!r} do here?")
        return test

    def _any(self) -> Test:
        tests = [self._all()]
        while self._took("OR"):
            tests.append(self._all())
        return lambda item, values: any(test(item, values) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._took("AND"):
            tests.append(self._one())
        return lambda item, values: all(test(item, values) for test in tests)

    def _one(self) -> Test:
        if self._took("NOT"):
            inner = self._one()
            return lambda item, values: not inner(item, values)
        if self._took("("):
            inner = self._any()
            self._need(")")
            return inner
        return self._function() if self._tokens[1:2] == ["("] else self._comparison()

    def _function(self) -> Test:
        name = self._next()
        self._need("(")
        path = self._next()
        other = self._next() if self._took(",") else ""
        self._need(")")
        if name == "attribute_exists":
            return lambda item, values: _value(path, item, values) is not None
        if name == "attribute_not_exists":
            return lambda item, values: _value(path, item, values) is None
        if name == "begins_with":
            return lambda item, values: _begins(_value(path, item, values), _value(other, item, values))
        raise BadExpression(f"{name} is not supported")

    def _comparison(self) -> Test:
        left, sign, right = self._next(), self._next(), self._next()
        if sign not in _COMPARE:
            raise BadExpression(f"{sign!r} compares nothing")
        return lambda item, values: _compare(sign, _value(left, item, values), _value(right, item, values))

    def _next(self) -> str:
        if not self._tokens:
            raise BadExpression("the expression ends too early")
        return self._tokens.pop(0)

    def _took(self, token: str) -> bool:
        if self._tokens[:1] and self._tokens[0].upper() == token:
            self._tokens.pop(0)
            return True
        return False

    def _need(self, token: str) -> None:
        if not self._took(token):
            raise BadExpression(f"{token!r} is missing")


def _value(path: str, item: Item, values: Item) -> Any:
    """A placeholder's value, or what lies at the path in the item; None where nothing does."""
    if path.startswith(":"):
        return values[path]
    found: Any = {"M": item}
    for name in path.split("."):
        found = found.get("M", {}).get(name)
        if found is None:
            return None
    return found


def _compare(sign: str, left: Any, right: Any) -> bool:
    """Nothing compares with what is not there, or with another type."""
    if left is None or right is None:
        return False
    if left.keys() != right.keys():
        return sign == "<>"
    return bool(_COMPARE[sign](comparable(left), comparable(right)))


def _begins(value: Any, start: Any) -> bool:
    return value is not None and str(value.get("S", "")).startswith(start["S"])
