"""The development key of a local stack: all scopes for the owner `dev`, stored like every other key."""

from darkroom.adapters.claims import api_key_id
from darkroom.usecases.make_key import SCOPES, record_key
from darkroom.wiring import Services

OWNER = "dev"


def store_development_key(key: str, services: Services) -> None:
    """Let `key` in, also when it was revoked before: whoever starts the stack decides."""
    found = record_key(key, owner=OWNER, scopes=SCOPES, now=services.clock(), key_id=api_key_id, name="development key")
    services.api_keys.add(found)
