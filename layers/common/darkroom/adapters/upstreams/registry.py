"""Which upstreams there are: one line for each, and nothing of an adapter is loaded before it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from darkroom.domain.admission import Limits
from darkroom.errors import ConfigurationError

if TYPE_CHECKING:
    from darkroom.ports import Promises, Secrets, Upstream
    from darkroom.settings import Settings


@dataclass(frozen=True, slots=True)
class Adapter:
    """Where an adapter's class is (`module:Class`), where its gateway is, and which field of the secret holds its key.

    `account`: whose slots and requests per minute its tasks use, shared by all gateways that share a key. `options` are keywords
    of its own. `knows_routes`: whether a model can be asked for by a route there.
    """

    at: str
    base_url: "Callable[[Settings], str]"
    key_field: str
    account: str
    options: "Callable[[Settings], Mapping[str, object]]" = lambda _: {}
    knows_routes: bool = False


_HERE = "darkroom.adapters.upstreams"


def _hiapi(at: str, **more: Any) -> Adapter:
    return Adapter(f"{_HERE}.{at}", lambda settings: settings.hiapi_base_url, "hiapi_api_key", "hiapi", **more)


def _extra_body(settings: "Settings") -> dict[str, object]:
    return {"merge_extra_body": settings.hiapi_extra_body == "merged"}


def _pixapi(at: str) -> Adapter:
    return Adapter(f"{_HERE}.{at}", lambda settings: settings.pixapi_base_url, "pixapi_api_key", "pixapi")


ADAPTERS: Mapping[str, Adapter] = {
    "hiapi": _hiapi("hiapi:HiApi", knows_routes=True),
    "hiapi_images": _hiapi("hiapi_images:HiApiImages", options=_extra_body),
    "hiapi_chat": _hiapi("hiapi_chat:HiApiChat", options=_extra_body),
    "pixapi": _pixapi("pixapi_async:PixapiAsync"),
    "pixapi_images": _pixapi("pixapi_images:PixapiImages"),
}
"""An upstream's name is part of its tasks' rows and callback URLs: once used it stays."""


def account_of(name: str) -> str:
    """The account whose limits the upstream called `name` is asked within."""
    found = ADAPTERS.get(name)
    return found.account if found else name


def routed() -> dict[str, bool]:
    """Every upstream there is, and whether it knows routes."""
    return {name: adapter.knows_routes for name, adapter in ADAPTERS.items()}


def accounts() -> tuple[str, ...]:
    """Every account that tasks may be made for."""
    return tuple(dict.fromkeys(adapter.account for adapter in ADAPTERS.values()))


def promises_of(name: str) -> "Promises":
    """What the adapter called `name` states; its module is loaded for it."""
    promises: Promises = _class_at(ADAPTERS[name].at).promises
    return promises


def promised_limits(account: str) -> Limits:
    """How much the account's adapters say may be asked, the least of it; cautious defaults where nobody says."""
    promises = [promises_of(name) for name, adapter in ADAPTERS.items() if adapter.account == account]
    limits = Limits(account=account)
    return replace(
        limits,
        in_flight=min((one.in_flight for one in promises if one.in_flight), default=limits.in_flight),
        per_minute=min((one.per_minute for one in promises if one.per_minute), default=limits.per_minute),
    )


def build_upstream(name: str, *, settings: "Settings", secrets: "Secrets") -> "Upstream":
    """The adapter called `name`; raises ConfigurationError that lists the names there are."""
    found = ADAPTERS.get(name)
    if found is None:
        raise ConfigurationError(f"no upstream is called {name!r}; there are {', '.join(ADAPTERS)}")
    make = _class_at(found.at)
    built: Upstream = make(base_url=found.base_url(settings), secrets=secrets, **found.options(settings))
    return built


def _class_at(at: str) -> Any:
    module, _, adapter = at.partition(":")
    return getattr(import_module(module), adapter)
