"""Makes any text fit to be stored, logged and shown."""

import re

MARK = "\N{REPLACEMENT CHARACTER}"
"""Stands where something was that cannot be stored."""

# Control characters but for tab and line breaks, and halves of surrogate pairs, which UTF-8 has no bytes for.
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def storable(text: str) -> str:
    """Return `text` with a mark in the place of each character that cannot be stored, or that would steer a terminal."""
    return text if text.isprintable() else _UNSTORABLE.sub(MARK, text)
