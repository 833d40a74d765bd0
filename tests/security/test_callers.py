"""Callers without the right: every operation of the OpenAPI document is tried, so that a new one is covered at once."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.domain.ids import image_id
from darkroom.usecases.make_key import SCOPES
from darkroom.web.cursors import write_cursor
from darkroom.web.endpoints import ENDPOINTS
from darkroom.web.openapi import document
from tests.functions.api.client import KEY, SIGNING_KEY, START, STRANGER, allow, poster
from tests.security.stack import PNG, Door, Stack, delivery, signed, success
from tests.support.tasks import a_task, submitted

CALLBACKS = "/v1/callbacks/"
OPEN = {"healthz", "openapi"}
"""What answers without a key, on purpose; callbacks have a door of their own."""

OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, operations in document()["paths"].items()
    for method, operation in operations.items()
    if method in {"get", "post", "put", "patch", "delete", "head"} and not path.startswith(CALLBACKS)
}
GUARDED = {name: found for name, found in OPERATIONS.items() if name not in OPEN}
SCOPE = {endpoint.name: endpoint.scope for endpoint in ENDPOINTS}
SUBSETS = [subset for size in range(1, len(SCOPES) + 1) for subset in itertools.combinations(SCOPES, size)]


@pytest.fixture
def door(stack: Stack) -> Door:
    """A finished task of owner `dev`."""
    door = stack.create()
    stack.downloads.serve(f"https://cdn.test/{door.task_id}/0.png", PNG)
    raw = success(door)
    stack.handle("receive_callback", delivery(door, raw, signed(raw, stack.clock())))
    return door


@pytest.fixture
def unmoved(stack: Stack, door: Door) -> Iterator[None]:
    """Whatever the test does: nothing is written and nobody is asked."""
    before, asked = stack.everything(), len(stack.http.requests)
    yield
    assert stack.everything() == before
    assert len(stack.http.requests) == asked


def filled(path: str, door: Door, stack: Stack) -> str:
    """The operation's path with the ids of what `dev` has; fails for a parameter that nobody has thought of."""
    known = {
        "task_id": door.task_id,
        "image_id": image_id(door.task_id, 1, 0),
        "key_id": next(one.id for one in stack.api_keys.list() if one.owner == "dev"),
        "account_id": "hiapi",
    }
    return re.sub(r"\{(\w+)\}", lambda found: known[found[1]], path)


def tried(stack: Stack, door: Door, name: str, **more: Any) -> dict[str, Any]:
    """One call of an operation, with a body that would be accepted."""
    method, path, operation = OPERATIONS[name]
    bodies = {"createTask": poster(), "createKey": {"owner": "thief", "scopes": ["admin"]}}
    body = bodies.get(name) if "requestBody" in operation else None
    answer: dict[str, Any] = stack.ask(method, filled(path, door, stack), body=body, **more)
    return answer


def test_the_document_the_routes_and_the_scopes_speak_of_the_same_operations() -> None:
    assert set(OPERATIONS) == {endpoint.name for endpoint in ENDPOINTS if not endpoint.path.startswith(CALLBACKS)}
    assert {name for name in OPERATIONS if SCOPE[name] is None} == OPEN
    assert {scope for scope in SCOPE.values() if scope} == set(SCOPES)


@pytest.mark.parametrize("name", GUARDED)
def test_what_the_document_says_of_keys_is_what_the_route_wants(name: str) -> None:
    _, _, operation = OPERATIONS[name]

    assert operation.get("security", document().get("security")) not in (None, [])
    assert "401" in operation["responses"]
    assert ("403" in operation["responses"]) == bool(SCOPE[name])


# -- no key, or none that is known ----------------------------------------------------------------------

NO_KEYS = {
    "nothing": None,
    "another scheme": "Basic ZGV2OmRldg==",
    "only the scheme": "Bearer",
    "a scheme and spaces": "Bearer   ",
    "no scheme": KEY,
    "an unknown key": "Bearer drk_unknown",
    "its hash": f"Bearer {'a' * 64}",
    "cut short": f"Bearer {KEY[:-1]}",
    "one more": f"Bearer {KEY}0",
    "in capitals": f"Bearer {KEY.upper()}",
    "two of them": f"Bearer {KEY}, Bearer {KEY}",
    "a comma behind": f"Bearer {KEY},",
    "a null byte behind": f"Bearer {KEY}\0",
    "half a character": f"Bearer {KEY}\ud800",
    "100,000 characters": f"Bearer {'x' * 100_000}",
    "the callback secret": f"Bearer {SIGNING_KEY.secret}",
}


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("name", GUARDED)
def test_without_a_good_key_nothing_is_done(stack: Stack, door: Door, name: str) -> None:
    for authorization in NO_KEYS.values():
        headers = {} if authorization is None else {"authorization": authorization}

        answer = tried(stack, door, name, key=None, **headers)

        assert answer["statusCode"] == 401
        assert answer["headers"]["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", GUARDED)
def test_a_revoked_key_does_nothing_any_more(stack: Stack, door: Door, name: str) -> None:
    key = allow(stack, "drk_soon-revoked", owner="dev")
    assert tried(stack, door, "listTasks", key="drk_soon-revoked")["statusCode"] == 200
    stack.api_keys.revoke(key.id, now=stack.clock())
    before = stack.everything()

    assert tried(stack, door, name, key="drk_soon-revoked")["statusCode"] == 401
    assert stack.everything() == before


URLS = [
    "key={}",
    "api_key={}",
    "Api_Key={}",
    "access_token={}",
    "token={}",
    "authorization=Bearer%20{}",
    "x={}",
    "{}",
    "limit={}",
]


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("name", GUARDED)
def test_a_key_in_the_url_is_refused_with_and_without_a_good_header(stack: Stack, door: Door, name: str) -> None:
    for query, key in itertools.product(URLS, [None, KEY]):
        answer = tried(stack, door, name, query=query.format(KEY), key=key)

        assert answer["statusCode"] == 401
        assert KEY not in answer["body"]


# -- too little -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize("scopes", SUBSETS, ids=" ".join)
def test_a_key_may_do_exactly_what_its_scopes_say(stack: Stack, door: Door, name: str, scopes: tuple[str, ...]) -> None:
    allow(stack, "drk_with-some-scopes", owner="dev", scopes=scopes)
    before = stack.everything()

    answer = tried(stack, door, name, key="drk_with-some-scopes")

    if SCOPE[name] and SCOPE[name] not in scopes:
        assert (answer["statusCode"], stack.everything()) == (403, before)
    else:
        assert answer["statusCode"] not in (401, 403)


# -- somebody else's ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("name", [name for name, (_, path, _) in GUARDED.items() if "{" in path and SCOPE[name] != "admin"])
def test_what_belongs_to_another_owner_looks_as_if_it_were_not_there(stack: Stack, door: Door, name: str) -> None:
    method, path, _ = OPERATIONS[name]
    unknown = re.sub(r"\{task_id\}|\{image_id\}", lambda one: _unknown(one[0]), path)

    theirs = tried(stack, door, name, key=STRANGER)
    nobodys = stack.ask(method, unknown, key=STRANGER)

    assert (theirs["statusCode"], nobodys["statusCode"]) == (404, 404)
    assert theirs["body"] == nobodys["body"]
    assert theirs["headers"] == nobodys["headers"]


def _unknown(parameter: str) -> str:
    nobody = "task_01M7WD7TG000000000000EXAMP"
    return nobody if parameter == "{task_id}" else image_id(nobody, 1, 0)


def test_lists_and_cursors_show_only_ones_own(stack: Stack, door: Door) -> None:
    for number in range(5):
        stack.tasks.add(submitted(a_task(number, at=START - 10 + number, owner="dev")))
    first = json.loads(stack.ask("GET", "/v1/tasks", query="limit=2")["body"])

    assert json.loads(stack.ask("GET", "/v1/tasks", key=STRANGER)["body"])["data"] == []
    assert stack.ask("GET", "/v1/tasks", query=f"cursor={first['next_cursor']}", key=STRANGER)["statusCode"] == 400
    assert stack.ask("GET", "/v1/tasks", query=f"cursor={first['next_cursor']}")["statusCode"] == 200


def test_a_cursor_that_was_made_for_oneself_opens_nothing_of_another(stack: Stack, door: Door) -> None:
    for number in range(5):
        stack.tasks.add(submitted(a_task(number, at=START - 10 + number, owner="dev")))
    mine = write_cursor(SIGNING_KEY, owner="somebody-else", last_seen=door.task_id)

    answer = stack.ask("GET", "/v1/tasks", query=f"cursor={mine}", key=STRANGER)

    assert (answer["statusCode"], json.loads(answer["body"])["data"]) == (200, [])


def test_the_same_idempotency_key_of_two_owners_names_two_tasks(stack: Stack) -> None:
    mine, theirs = (
        json.loads(stack.ask("POST", "/v1/tasks", body=poster(), key=key, Idempotency_Key="order-1")["body"])
        for key in (KEY, STRANGER)
    )

    assert mine["id"] != theirs["id"]
    assert len(stack.http.creates) == 2


def test_a_mismatch_of_an_idempotency_key_does_not_speak_of_another_owner(stack: Stack) -> None:
    stack.ask("POST", "/v1/tasks", body=poster(), Idempotency_Key="order-1")

    answer = stack.ask("POST", "/v1/tasks", body=poster("another"), key=STRANGER, Idempotency_Key="order-1")

    assert answer["statusCode"] == 202


def test_an_admin_sees_keys_of_all_owners_but_the_tasks_of_none_but_its_own(stack: Stack, door: Door) -> None:
    allow(stack, "drk_of-an-operator", owner="operators", scopes=("admin",))
    allow(stack, "drk_of-all-scopes", owner="operators")

    assert tried(stack, door, "listKeys", key="drk_of-an-operator")["statusCode"] == 200
    assert tried(stack, door, "readTask", key="drk_of-an-operator")["statusCode"] == 403
    assert tried(stack, door, "readTask", key="drk_of-all-scopes")["statusCode"] == 404


def test_no_answer_of_the_admin_routes_shows_a_key_or_its_hash(stack: Stack, door: Door) -> None:
    answers = "".join(tried(stack, door, name)["body"] for name in GUARDED if SCOPE[name] == "admin" and name != "createKey")

    assert KEY not in answers
    assert not [one for one in stack.api_keys.list() if one.sha256 in answers]
    assert not re.search(r"[0-9a-f]{40}", answers)


@pytest.mark.parametrize(
    "path",
    ["/v1/tasks/", "/v1/tasks//", "/V1/tasks", "/v1/./tasks", "/v1/../v1/admin/keys", "//v1/admin/keys", "/v1/admin/keys/"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "OPTIONS", "TRACE", "CONNECT", ""])
def test_no_other_spelling_of_a_path_or_method_is_a_way_around_the_key(stack: Stack, method: str, path: str) -> None:
    before = stack.everything()

    answer = stack.ask(method, path, key=None)

    assert answer["statusCode"] in (401, 404, 405)
    assert stack.everything() == before


@pytest.mark.parametrize(
    "header", ["x-http-method-override", "x-original-url", "x-rewrite-url", "x-forwarded-host", "x-api-key", "cookie"]
)
def test_no_other_header_carries_a_key_or_another_method(stack: Stack, door: Door, header: str) -> None:
    before = stack.everything()

    for value in ("DELETE", "/v1/admin/keys", KEY, f"Bearer {KEY}"):
        assert stack.ask("GET", f"/v1/tasks/{door.task_id}", key=None, **{header: value})["statusCode"] == 401
    assert stack.everything() == before
