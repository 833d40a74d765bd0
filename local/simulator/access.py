"""Who may ask: the bearer key, its account, and the limits that count every request."""

from local.simulator.envelopes import Refusal, refusal_answer
from local.simulator.messages import Answer, Refused, Request
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


def bad_key_answer(world: World, request: Request) -> Answer:
    """401, or HTTP 200 with the error in the body: clients have met both (HiAPI docs, authentication; guides)."""
    if world.settings.bad_key_as_200:
        error = Refusal(200, "API key is invalid", "permission_denied", "E-b", request.id)
    else:
        error = Refusal(401, "API key is missing or invalid")
    return refusal_answer(error)


def refused_answer(refused: Refused) -> Answer:
    """What HiAPI answers when it says no by itself."""
    return refusal_answer(Refusal(refused.status, refused.message, refused.error_code), refused.headers)
