"""How many bytes DynamoDB counts for an item (Developer Guide, "DynamoDB item sizes and formats"): a write unit buys 1024."""

from typing import Any

_CONTAINER = 3


def row_size(row: dict[str, Any]) -> int:
    """Bytes of the whole item: the names, and the values."""
    return sum(len(name.encode()) + value_size(value) for name, value in row.items())


def value_size(value: Any) -> int:
    """Bytes of one typed value such as {"S": "hero"}."""
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode("utf-8", "surrogatepass"))
    if kind == "B":
        return len(content)
    if kind == "N":
        return _number_size(content)
    if kind == "L":
        return _CONTAINER + sum(1 + value_size(one) for one in content)
    if kind == "M":
        return _CONTAINER + len(content) + row_size(content)
    return 1  # BOOL, NULL


def _number_size(text: str) -> int:
    """One byte, one for each two significant digits (in pairs from the decimal point), one for a minus sign."""
    sign, digits, exponent = _decimal(text)
    if exponent % 2:
        digits += "0"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    while pairs and pairs[-1] == "00":
        pairs.pop()
    while pairs and pairs[0] == "00":
        pairs.pop(0)
    return 1 + len(pairs) + (sign if pairs else 0)


def _decimal(text: str) -> tuple[int, str, int]:
    mantissa, _, power = text.lower().partition("e")
    sign = int(mantissa.startswith("-"))
    whole, _, part = mantissa.lstrip("+-").partition(".")
    return sign, whole + part, int(power or 0) - len(part)
