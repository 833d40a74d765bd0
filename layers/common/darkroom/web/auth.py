"""Who is asking: a bearer key, known by its hash, with the scope that the route wants."""

from urllib.parse import unquote

from darkroom.ports import ApiKey, ApiKeys
from darkroom.usecases.make_key import sha256_of
from darkroom.web.problems import Problem
from darkroom.web.request import Request

_KEYS_IN_A_QUERY = frozenset({"api_key", "apikey", "key", "access_token", "token", "authorization"})


def authenticate(request: Request, api_keys: ApiKeys, *, scope: str | None) -> ApiKey:
    """The caller's key, which has `scope` (None: any key will do); raises Problem 401 or 403, StorageUnavailable."""
    if request.query_names & _KEYS_IN_A_QUERY or "drk_" in unquote(request.query_string):
        raise _unauthorized(
            "a key in the URL ends up in logs: send it as `Authorization: Bearer` and revoke the one that you sent"
        )
    found = api_keys.find(sha256_of(_bearer(request)))
    if found is None:
        raise _unauthorized("this API key is not known here", error="invalid_token")
    if found.revoked_at is not None:
        raise _unauthorized("this API key was revoked", error="invalid_token")
    if scope is not None and scope not in found.scopes:
        raise _scope_missing(scope, found)
    return found


def _bearer(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise _unauthorized("send your API key as `Authorization: Bearer drk_…`")
    return key.strip()


def _unauthorized(detail: str, *, error: str | None = None) -> Problem:
    challenge = 'Bearer realm="darkroom"' + (f', error="{error}"' if error else "")
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": challenge})


def _scope_missing(scope: str, found: ApiKey) -> Problem:
    challenge = f'Bearer realm="darkroom", error="insufficient_scope", scope="{scope}"'
    has = ", ".join(sorted(found.scopes))
    return Problem("scope_missing", f"this needs the scope {scope}; the key has {has}", headers={"WWW-Authenticate": challenge})
