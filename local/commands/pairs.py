"""K=V arguments."""

import json
from typing import Any

import click


def read_pairs(pairs: tuple[str, ...], *, hint: str, as_json: bool) -> dict[str, Any]:
    """K=V pairs; with `as_json` V is JSON where it parses as such (numbers, booleans, lists), otherwise the text itself.

    Raises BadParameter, naming the option by `hint`.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"write K=V, not {pair!r}", param_hint=hint)
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice", param_hint=hint)
        found[name] = _value(text) if as_json else text
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
