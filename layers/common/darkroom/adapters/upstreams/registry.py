"""Which upstreams there are: one line for each, and nothing of an adapter is loaded before it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from darkroom.errors import ConfigurationError

if TYPE_CHECKING:
    from darkroom.ports import Secrets, Upstream
    from darkroom.settings import Settings


@dataclass(frozen=True, slots=True)
class Adapter:
    """Where an adapter's class is (`module:Class`), and where its gateway is.

    `offered`: whether the pipeline already keeps its promises for tasks of this upstream. The models of the others are
    listed, marked as not available, and refused.
    """

    at: str
    base_url: "Callable[[Settings], str]"
    offered: bool = True


_HERE = "darkroom.adapters.upstreams"

ADAPTERS: Mapping[str, Adapter] = {
    "hiapi": Adapter(f"{_HERE}.hiapi:HiApi", lambda settings: settings.hiapi_base_url),
    "hiapi_images": Adapter(f"{_HERE}.hiapi_images:HiApiImages", lambda settings: settings.hiapi_base_url, offered=False),
    "hiapi_chat": Adapter(f"{_HERE}.hiapi_chat:HiApiChat", lambda settings: settings.hiapi_base_url, offered=False),
    "pixapi": Adapter(f"{_HERE}.pixapi_async:PixapiAsync", lambda settings: settings.pixapi_base_url, offered=False),
    "pixapi_images": Adapter(f"{_HERE}.pixapi_images:PixapiImages", lambda settings: settings.pixapi_base_url, offered=False),
}
"""An upstream's name is part of its tasks' rows and callback URLs: once used it stays."""


def build_upstream(name: str, *, settings: "Settings", secrets: "Secrets") -> "Upstream":
    """The adapter called `name`; raises ConfigurationError that lists the names there are."""
    found = ADAPTERS.get(name)
    if found is None:
        raise ConfigurationError(f"no upstream is called {name!r}; there are {', '.join(ADAPTERS)}")
    module, _, adapter = found.at.partition(":")
    built: Upstream = getattr(import_module(module), adapter)(base_url=found.base_url(settings), secrets=secrets)
    return built
