"""The operators' routes: callers' keys, the upstreams' accounts, a sweep of the reconciler, a redrive of dead letters."""

from typing import Any

from darkroom.catalogue.faults import pointer
from darkroom.domain.breaker import parts_of
from darkroom.ports import ApiKey
from darkroom.usecases.make_key import make_key
from darkroom.usecases.shut_off import open_again
from darkroom.usecases.tend_account import Tended, see_account
from darkroom.web.answers import PRIVATE, Answer, json_answer, list_answer, rfc3339
from darkroom.web.bodies import expect_no_body, read_object
from darkroom.web.call import Call
from darkroom.web.catalogue import catalogue_now
from darkroom.web.problems import InputFault, Problem
from darkroom.web.requests import KeyRequest, read_body

REDRIVE_AT_MOST = 500


def create_key(call: Call) -> Answer:
    """A new key, shown this once."""
    wanted, faults = read_body(KeyRequest, read_object(call.request))
    faults += _limit_faults(call, wanted)
    if wanted is None or faults:
        raise Problem("invalid_request", "no key can be made of this", faults=faults)
    services = call.services
    new = make_key(
        owner=wanted.owner,
        scopes=wanted.scopes,
        name=wanted.name,
        presets=wanted.presets,
        now=services.clock(),
        fresh=services.fresh,
        key_id=services.key_id,
    )
    services.api_keys.add(new.record)
    return json_answer(201, {**_key(new.record), "key": new.key}, PRIVATE)


def _limit_faults(call: Call, wanted: KeyRequest | None) -> list[InputFault]:
    """A mistyped name would make a key that can do nothing; and one with the scope admin could make another without a limit."""
    if wanted is None or wanted.presets is None:
        return []
    if "admin" in wanted.scopes:
        return [InputFault("pointer", "/presets", "a key with the scope admin cannot be limited to presets")]
    catalogue = catalogue_now(call.services)
    known = ", ".join(catalogue.presets)
    return [
        InputFault("pointer", pointer("presets", index), f"there is no such preset; there are {known}")
        for index, name in enumerate(wanted.presets)
        if name not in catalogue.presets and name not in catalogue.versions
    ]


def list_keys(call: Call) -> Answer:
    """Every key there is or was, oldest first; never the key itself."""
    return list_answer([_key(key) for key in call.services.api_keys.list()])


def revoke_key(call: Call, key_id: str) -> Answer:
    """From now on it opens nothing, except where it is still cached."""
    if not call.services.api_keys.revoke(key_id, now=call.services.clock()):
        raise Problem("not_found", "there is no such key")
    return Answer(status=204, headers=PRIVATE)


def list_upstreams(call: Call) -> Answer:
    """Each account at an upstream: what is in flight, what waits, what is allowed."""
    services = call.services
    seen = [see_account(limits, admission=services.admission) for limits in services.limits()]
    return list_answer([_account(one, services.clock()) for one in seen])


def resume_upstream(call: Call, account_id: str) -> Answer:
    """Somebody has seen to the account: no probe needs to find out."""
    expect_no_body(call.request)
    services = call.services
    limits = next((one for one in services.limits() if one.account == account_id), None)
    if limits is None:
        raise Problem("not_found", "there is no such account")
    open_again(limits, admission=services.admission)
    return json_answer(200, _account(see_account(limits, admission=services.admission), services.clock()), PRIVATE)


def reconcile(call: Call) -> Answer:
    """One sweep, as the schedule makes it every minute."""
    # Threads that no other route needs.
    from darkroom.edge.sweep import sweep

    expect_no_body(call.request)
    report = sweep(call.services, remaining_s=call.until - call.services.clock())
    return json_answer(200, {"looked_at": report.looked_at, "moved": report.moved}, PRIVATE)


def redrive(call: Call) -> Answer:
    """Jobs that failed too often go back to the queue."""
    expect_no_body(call.request)
    return json_answer(200, {"moved": call.services.queue.redrive(limit=REDRIVE_AT_MOST)}, PRIVATE)


def _account(seen: Tended, now: float) -> dict[str, Any]:
    account, limits = seen.account, seen.limits
    return {
        "object": "upstream_account",
        "id": account.name,
        "in_flight": len(account.holders),
        "in_flight_limit": account.ceiling(now, limits),
        "in_flight_configured": limits.in_flight,
        "waiting": seen.waiting,
        "requests": account.used(now, limits),
        "requests_limit": account.rate(now, limits),
        "requests_configured": limits.per_minute,
        "not_before": rfc3339(account.not_before if account.not_before > now else None),
        "shut": [
            {
                "model": model or None,
                "owner": owner,
                "since": rfc3339(one.since),
                "why": one.why,
                "probe_at": rfc3339(one.probe_at),
            }
            for (model, owner), one in ((parts_of(name), one) for name, one in account.shut.items())
        ],
    }


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "object": "key",
        "id": key.id,
        "owner": key.owner,
        "scopes": sorted(key.scopes),
        "presets": sorted(key.presets) if key.presets is not None else None,
        "name": key.name,
        "hint": key.hint,
        "created_at": rfc3339(key.created_at),
        "revoked_at": rfc3339(key.revoked_at),
    }
