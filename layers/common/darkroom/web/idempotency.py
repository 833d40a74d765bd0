"""The Idempotency-Key header, and the fingerprint that tells two requests under one key apart."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from darkroom.web.problems import InputFault, Problem

HEADER = "Idempotency-Key"

_BARE = re.compile(r"[!#-~][!-~]{0,254}")
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\]){1,255})"')
_ESCAPED = re.compile(r"\\(.)")


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The key, bare or as a structured-field string (both name the same); raises Problem invalid_header."""
    given = headers.get(HEADER.lower())
    if given is None:
        return None
    text = given.strip(" \t")
    if _BARE.fullmatch(text):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        detail = "must have 1 to 255 visible ASCII characters, bare or as a quoted string"
        raise Problem("invalid_header", f"{HEADER} {detail}", faults=[InputFault("header", HEADER, detail)])
    return _ESCAPED.sub(r"\1", quoted[1])


def fingerprint(operation: str, body: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of an operation and its body by value: neither the order of fields nor white space counts."""
    canonical = json.dumps([operation, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
