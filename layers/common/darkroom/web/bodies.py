"""From a request's raw body to JSON that can be trusted to be JSON: UTF-8, no repeated names, no NaN, not too deep."""

import base64
import binascii
import json
from collections import Counter
from typing import Any, NoReturn

from darkroom.catalogue.faults import MOST_FAULTS, pointer
from darkroom.web.problems import InputFault, Problem
from darkroom.web.request import Request

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 32
_EXACT = 2**53
_SHOWN = 300  # characters of a name in a sentence


def read_object(request: Request) -> dict[str, Any]:
    """The body's JSON object; raises Problem 413, 415, 400 malformed_json or 422 (not an object, half a character)."""
    _check_media_type(request.headers.get("content-type", ""))
    return _object(_parse(_text(request)))


def expect_no_body(request: Request) -> None:
    """Accepts nothing, white space or `{}`; raises the Problems of `read_object`, and 422 that names each field."""
    if not _text(request).strip():
        return
    faults = [InputFault("pointer", pointer(name), "this request takes no fields") for name in read_object(request)]
    if faults:
        raise Problem("invalid_request", "this request takes no body", faults=faults)


def _check_media_type(content_type: str) -> None:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = {part.partition("=")[2].strip('" ') for part in parameters if part.startswith("charset")}
    if kind != "application/json" or not charsets <= {"utf-8", "utf8"}:
        raise Problem("unsupported_media_type", "send the body as Content-Type: application/json (UTF-8)")


def _text(request: Request) -> str:
    raw = _raw(request)
    if len(raw) > MAX_BYTES:
        raise Problem("too_large", f"a body has at most {MAX_BYTES} bytes; this one has {len(raw)}")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Problem("malformed_json", f"the body is not UTF-8: byte {error.start} does not fit") from None


def _raw(request: Request) -> bytes:
    if not request.body_is_base64:
        return request.body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(request.body, validate=True)
    except (binascii.Error, ValueError):
        raise Problem("malformed_json", "the body arrived as base64 that cannot be decoded") from None


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_constant, parse_float=_number)
    except json.JSONDecodeError as error:
        raise Problem("malformed_json", f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # A whole number of thousands of digits.
        raise Problem("malformed_json", "a number is too large") from None


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = min(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise Problem("malformed_json", f"an object names a field twice: {json.dumps(repeated[:_SHOWN])}")
    return found


def _no_constant(name: str) -> NoReturn:
    raise Problem("malformed_json", f"{name} is not JSON")


def _number(text: str) -> float | int:
    """1800.0 is the whole number 1800: JSON knows numbers only, and bodies are compared by value."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Problem("malformed_json", "a number is too large")
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _object(value: Any) -> dict[str, Any]:
    faults = _half_characters(value)
    if not isinstance(value, dict):
        faults.append(InputFault("pointer", "", "must be a JSON object"))
    if faults:
        raise Problem("invalid_request", "the body cannot be used", faults=faults)
    return dict(value)


def _half_characters(value: Any) -> list[InputFault]:
    """Texts with half of a surrogate pair: JSON can write them, UTF-8 cannot, so they could be neither stored nor sent."""
    faults: list[InputFault] = []
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while todo and len(faults) <= MOST_FAULTS:
        path, one = todo.pop()
        if len(path) > _MAX_DEPTH:
            raise _too_deep()
        if isinstance(one, str) and not _is_whole(one):
            faults.append(InputFault("pointer", pointer(*path), "holds half of a surrogate pair"))
        elif isinstance(one, list):
            todo += [((*path, index), inner) for index, inner in enumerate(one)]
        elif isinstance(one, dict):
            if not all(map(_is_whole, one)):
                faults.append(InputFault("pointer", pointer(*path), "a name in it holds half of a surrogate pair"))
            todo += [((*path, name), inner) for name, inner in one.items()]
    return faults


def _is_whole(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _too_deep() -> Problem:
    return Problem("malformed_json", f"the body is nested more than {_MAX_DEPTH} levels deep")
