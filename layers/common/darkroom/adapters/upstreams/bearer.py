"""Asks a gateway with the key from the deployment's secret, which may be rotated at any time."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from darkroom.adapters.upstreams.connections import Http
from darkroom.adapters.upstreams.http import MAX_BODY, Answer, exchange, shared_pool
from darkroom.adapters.upstreams.refusals import AUTH_REASON, is_auth
from darkroom.domain.redact import KEY_MARK
from darkroom.errors import NotAsked, StorageUnavailable, UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Secrets

_Found = TypeVar("_Found")
_SHORTEST_KEY = 12  # a shorter one is a placeholder, and replacing it would garble ordinary words


class Bearer:
    """Reads the key in the secret's field `field` for every request, so that a rotation needs no deploy."""

    def __init__(self, *, field: str, secrets: Secrets, http: Http | None = None, max_body: int = MAX_BODY) -> None:
        self._field = field
        self._secrets = secrets
        self._http = http
        self._max_body = max_body

    def ask(
        self, method: str, url: str, key: str, timeout_s: float, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """One exchange; an answer that quotes our key back loses it here."""
        http = self._http or shared_pool()
        signed = {"Authorization": f"Bearer {key}", **headers}
        answer = exchange(http, method, url, headers=signed, content=body, timeout_s=timeout_s, max_body=self._max_body)
        if len(key) < _SHORTEST_KEY or key.encode() not in answer.body:
            return answer
        return replace(answer, body=answer.body.replace(key.encode(), KEY_MARK.encode()))

    def with_fresh_key(self, ask: Callable[[str, float], _Found], timeout_s: float) -> _Found:
        """`ask` with the key; when it is refused and the secret has another one by now, once more: a refused key did no work."""
        ends = time.monotonic() + timeout_s
        key = self._key()
        try:
            return ask(key, timeout_s)
        except UpstreamRefused as error:
            changed = is_auth(error) and self._changed_key(key)
            if not changed:
                raise
        return ask(changed, ends - time.monotonic())

    def _changed_key(self, refused: str) -> str | None:
        try:
            self._secrets.refresh()
            found = self._key()
        except (StorageUnavailable, UpstreamRefused, UpstreamUnavailable):
            return None
        return found if found != refused else None

    def _key(self) -> str:
        """The key, fit for a header; raises UpstreamRefused (naming the field, never the value) or NotAsked."""
        try:
            key = self._secrets.get(self._field).strip()
        except StorageUnavailable as error:
            raise NotAsked(f"nothing was sent: the secret could not be read ({error})") from error
        if not key:
            raise UpstreamRefused(f"the secret's field {self._field} is empty", reason=AUTH_REASON, charged="no")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise UpstreamRefused(
                f"the secret's field {self._field} holds characters that no key has (a space, a line break, …)",
                reason=AUTH_REASON,
                charged="no",
            )
        return key
