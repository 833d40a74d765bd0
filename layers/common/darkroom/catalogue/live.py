"""The catalogue as it is now: the shipped one, and over it what a deployer keeps in the bucket, looked at once a minute."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.catalogue.checking import check_closely, check_upstreams
from darkroom.catalogue.entries import known_only
from darkroom.catalogue.load import PARTS, build
from darkroom.catalogue.offers import Catalogue, Json
from darkroom.errors import ConfigurationError, StorageUnavailable
from darkroom.ports import Bucket, Clock

LARGEST = 1024 * 1024
"""Bytes of a deployer's object; larger ones are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The catalogue to serve by. `trouble`: why the deployer's object was not used, once for each look at it.

    `unkept`: why there is no copy of it for whoever starts later; it serves all the same.
    """

    catalogue: Catalogue
    trouble: str = ""
    unkept: str = ""


class OwnObject:
    """The deployer's object at `key` of the bucket, and a copy of the last one that was good, for whoever starts later."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        folder, _, name = key.rpartition("/")
        self._bucket = bucket
        self._key = key
        self._kept = f"{folder}/.last-good/{name}"

    def read(self) -> bytes:
        """As it is now; raises ConfigurationError when it is missing or too large, and StorageUnavailable."""
        return object_in(self._bucket, self._key)

    def last_good(self) -> bytes | None:
        """The copy, if there is one; raises StorageUnavailable."""
        try:
            return object_in(self._bucket, self._kept)
        except ConfigurationError:
            return None

    def keep(self, raw: bytes) -> None:
        """Remember `raw`, which was good; raises StorageUnavailable."""
        if self.last_good() != raw:
            self._bucket.replace(self._kept, raw, content_type="application/json")


class LiveCatalogue:
    """`shipped` with `own` merged over it, if there is one; what was seen is believed for `cache_s` seconds of `clock`.

    An object that is broken, missing or out of reach leaves the last good catalogue serving: the one that is held here, at the
    first look the one that was kept, and the shipped one where none ever was good. `routed` are the upstreams there are, and
    whether each knows routes.
    """

    def __init__(self, shipped: Json, *, own: OwnObject | None, routed: Mapping[str, bool], clock: Clock, cache_s: float) -> None:
        self._shipped = shipped
        self._routed = routed
        self._own = own
        self._clock = clock
        self._cache_s = cache_s
        self._lock = threading.Lock()
        self._good = build(shipped)
        self._good_from: bytes | None = None
        self._looked = False
        self._kept = False
        self._until = 0.0

    def now(self) -> Seen:
        """The catalogue; raises StorageUnavailable while nobody could ever look at the object: nobody knows what holds."""
        if self._own is None:
            return Seen(catalogue=self._good)
        with self._lock:
            if self._clock() < self._until:
                return Seen(catalogue=self._good)
            trouble, unkept = self._look(self._own)
            self._until = self._clock() + self._cache_s
            return Seen(catalogue=self._good, trouble=trouble, unkept=unkept)

    def _look(self, own: OwnObject) -> tuple[str, str]:
        """Why the object is not used, and why it could not be kept; both empty where all is well."""
        try:
            raw = own.read()
            if raw != self._good_from:
                self._good, self._good_from, self._kept = over(self._shipped, raw, self._routed), raw, False
        except ConfigurationError as error:
            if not self._looked:
                self._good = self._kept_or_shipped(own)
            self._looked = True
            return str(error), ""
        except StorageUnavailable as error:
            if not self._looked:
                raise
            return str(error), ""
        self._looked = True
        return "", self._keep(own, raw)

    def _kept_or_shipped(self, own: OwnObject) -> Catalogue:
        last = own.last_good()
        try:
            return over(self._shipped, last, self._routed) if last is not None else self._good
        except ConfigurationError:
            # It was good over what an earlier release shipped.
            return self._good

    def _keep(self, own: OwnObject, raw: bytes) -> str:
        if self._kept:
            return ""
        try:
            own.keep(raw)
        except StorageUnavailable as error:
            return str(error)
        self._kept = True
        return ""


def over(shipped: Json, raw: bytes, routed: Mapping[str, bool]) -> Catalogue:
    """`raw`, a JSON object, merged over `shipped` (RFC 7396: null takes away) and checked; raises ConfigurationError.

    `routed` are the upstreams there are, and whether each knows routes.
    """
    try:
        own = json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"catalogue: the deployment's own object is not JSON: {error}") from error
    try:
        known_only(own, PARTS, "the deployment's own object")
        catalogue = build(merged(shipped, own))
        check_upstreams(catalogue, routed)
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
