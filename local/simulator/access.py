"""Who may ask: the bearer key and its account."""

from local.simulator.messages import Request
from local.simulator.world import World


class BadKey(Exception):
    """The bearer key is missing or wrong."""


def account_of(world: World, request: Request) -> str:
    """The account that the bearer key belongs to; raises `BadKey`."""
    scheme, _, key = request.header("Authorization").partition(" ")
    account = world.settings.api_keys.get(key.strip()) if scheme.lower() == "bearer" else None
    if account is None:
        raise BadKey
    return account
