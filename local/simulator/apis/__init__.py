"""The APIs beside HiAPI's tasks, one module each: whatever lies in this package and has `ROUTES` is served."""

from importlib import import_module
from pkgutil import iter_modules

from local.simulator.routes import Route


def routes() -> tuple[Route, ...]:
    """The routes of every API here."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return tuple(route for module in modules for route in module.ROUTES)
