"""The catalogue as it is now: the shipped one, and over it what a deployer keeps in the bucket, looked at once a minute."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.catalogue.checking import check_closely
from darkroom.catalogue.entries import known_only
from darkroom.catalogue.load import PARTS, build
from darkroom.catalogue.offers import Catalogue, Json
from darkroom.errors import ConfigurationError, StorageUnavailable
from darkroom.ports import Bucket, Clock

LARGEST = 1024 * 1024
"""Bytes of a deployer's object; larger ones are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The catalogue to serve by. `trouble`: why the deployer's object was not used, once for each time it was looked at."""

    catalogue: Catalogue
    trouble: str = ""


class LiveCatalogue:
    """`shipped` with what `read` gives merged over it; what was seen is believed for `cache_s` seconds of `clock`.

    An object that is broken, missing or out of reach leaves the last good catalogue serving.
    """

    def __init__(self, shipped: Json, *, read: Callable[[], bytes] | None, clock: Clock, cache_s: float) -> None:
        self._shipped = shipped
        self._read = read
        self._clock = clock
        self._cache_s = cache_s
        self._lock = threading.Lock()
        self._good = build(shipped)
        self._good_from: bytes | None = None
        self._until = 0.0

    def now(self) -> Seen:
        """The catalogue; raises StorageUnavailable when the object cannot be read and never could be: nobody knows what holds."""
        if self._read is None:
            return Seen(catalogue=self._good)
        with self._lock:
            if self._clock() < self._until:
                return Seen(catalogue=self._good)
            trouble = self._look(self._read)
            self._until = self._clock() + self._cache_s
            return Seen(catalogue=self._good, trouble=trouble)

    def _look(self, read: Callable[[], bytes]) -> str:
        try:
            raw = read()
            if raw != self._good_from:
                self._good, self._good_from = over(self._shipped, raw), raw
        except ConfigurationError as error:
            return str(error)
        except StorageUnavailable as error:
            if self._good_from is None:
                raise
            return str(error)
        return ""


def over(shipped: Json, raw: bytes) -> Catalogue:
    """`raw`, a JSON object, merged over `shipped` (RFC 7396: null takes away) and checked; raises ConfigurationError."""
    try:
        own = json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"catalogue: the deployment's own object is not JSON: {error}") from error
    try:
        known_only(own, PARTS, "the deployment's own object")
        catalogue = build(merged(shipped, own))
        check_closely(catalogue, own.get("models", {}))
    except ConfigurationError:
        raise
    except Exception as error:
        # Somebody else wrote it: of whatever shape it is, it must not stop what serves.
        raise ConfigurationError(f"catalogue: the deployment's own object has a form that cannot be read: {error!r}") from error
    return catalogue


def merged(target: Any, patch: Any) -> Any:
    """JSON Merge Patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def object_in(bucket: Bucket, key: str) -> bytes:
    """The deployer's object; raises ConfigurationError when it is missing or too large, and StorageUnavailable."""
    found = bytearray()
    try:
        with bucket.read(key) as chunks:
            for chunk in chunks:
                found += chunk
                if len(found) > LARGEST:
                    raise ConfigurationError(f"catalogue: {key} has more than {LARGEST} bytes")
    except KeyError as error:
        raise ConfigurationError(f"catalogue: there is no {key} in the bucket") from error
    return bytes(found)


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object names a field twice")
    return found
