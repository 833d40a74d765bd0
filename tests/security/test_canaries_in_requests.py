"""No key, prompt or token of a request reaches a log, a metric or an error's text, and the table holds none but one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.security.canaries import AUTHORIZATION, BODY, CANARIES, ECHO, KEY, PROMPT, QUERY, URL, Watched, a_picture, whole_life
from tests.security.listening import found
from tests.security.stack import success


def test_the_listener_would_hear_a_canary() -> None:
    assert found(CANARIES, f"x {json.dumps(json.dumps(PROMPT))} y")
    assert found(CANARIES, f"x {PROMPT!r} {KEY} y").keys() == {"the prompt", "the caller's key"}
    assert found(CANARIES, "x [prompt] y") == {}


# -- when all is well -----------------------------------------------------------------------------------


def test_a_picture_from_the_request_to_its_bytes(watched: Watched) -> None:
    door = a_picture(watched)

    assert door is not None
    assert watched.stack.task(door).status.value == "succeeded"
    assert watched.listener.errors == []


def test_a_task_that_only_polling_finishes(watched: Watched) -> None:
    door = watched.create()
    assert door is not None
    watched.stack.http.says[door.upstream_task_id] = json.loads(success(door, URL))

    watched.live_on()

    assert watched.stack.task(door).status.value == "succeeded"


def test_keys_that_are_made_and_revoked(watched: Watched) -> None:
    made = json.loads(watched.ask("POST", "/v1/admin/keys", body={"owner": "shop", "scopes": ["tasks:read"]})["body"])
    watched.secrets["the new key"] = made["key"]

    watched.ask("GET", "/v1/admin/keys")
    watched.ask("GET", "/v1/tasks", key=made["key"])
    watched.ask("DELETE", f"/v1/admin/keys/{made['id']}")
    assert watched.ask("GET", "/v1/tasks", key=made["key"])["statusCode"] == 401


def test_what_a_prompt_costs_is_still_told(watched: Watched) -> None:
    a_picture(watched)

    assert {line["message"] for line in watched.listener.lines} >= {"request", "callback"}


# -- refused --------------------------------------------------------------------------------------------

REFUSED: dict[str, Callable[[Watched], Any]] = {
    "no such key": lambda w: w.ask("POST", "/v1/tasks", body=BODY, key=ECHO),
    "another scheme": lambda w: w.ask("GET", "/v1/tasks", authorization=AUTHORIZATION),
    "a key in the URL": lambda w: w.ask("GET", "/v1/tasks", query=f"api_key={KEY}&user={KEY}"),
    "a key as a parameter's name": lambda w: w.ask("GET", "/v1/tasks", query=f"{KEY}=1"),
    "a key in the path": lambda w: w.ask("GET", f"/v1/tasks/{KEY}"),
    "a key as a method": lambda w: w.ask(KEY, "/v1/tasks"),
    "an unknown path": lambda w: w.ask("GET", f"/{KEY}/{QUERY}"),
    "a prompt in the wrong place": lambda w: w.ask("POST", "/v1/tasks", body={PROMPT: PROMPT, "preset": PROMPT, "input": PROMPT}),
    "a prompt as a model": lambda w: w.ask("POST", "/v1/tasks", body={"model": PROMPT, "input": {PROMPT: PROMPT}}),
    "a prompt as an aspect ratio": lambda w: w.ask(
        "POST", "/v1/tasks", body={"preset": "poster", "input": {"prompt": PROMPT, "aspect_ratio": PROMPT}}
    ),
    "a prompt that is too long": lambda w: w.ask(
        "POST", "/v1/tasks", body={"preset": "poster", "input": {"prompt": PROMPT * 999}}
    ),
    "broken JSON": lambda w: w.ask("POST", "/v1/tasks", body=json.dumps(BODY)[:-1]),
    "half a character": lambda w: w.ask("POST", "/v1/tasks", body=json.dumps({**BODY, "user": PROMPT + "\ud800"})),
    "another type": lambda w: w.ask("POST", "/v1/tasks", body=BODY, content_type=PROMPT),
    "a key that is none": lambda w: w.ask("POST", "/v1/tasks", body=BODY, Idempotency_Key=PROMPT),
    "a cursor that is none": lambda w: w.ask("GET", "/v1/tasks", query=f"cursor={KEY}"),
    "a key for nobody": lambda w: w.ask("POST", "/v1/admin/keys", body={"owner": PROMPT, "scopes": [PROMPT], PROMPT: 1}),
    "a retry of nothing": lambda w: w.ask("POST", f"/v1/tasks/{KEY}/retry", body=PROMPT),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_a_request_that_is_refused(watched: Watched, refused: Callable[[Watched], Any]) -> None:
    answer = refused(watched)

    assert 400 <= answer["statusCode"] < 500
    assert watched.stack.http.requests == []


def test_a_key_that_names_two_requests(watched: Watched) -> None:
    watched.create(Idempotency_Key="order-1")

    answer = watched.ask("POST", "/v1/tasks", body={**BODY, "user": "other"}, Idempotency_Key="order-1")

    assert answer["statusCode"] == 422


# -- what is stored -------------------------------------------------------------------------------------


def test_the_table_holds_no_secret_but_the_callbacks_token(watched: Watched) -> None:
    whole_life(watched)

    kept = {"the prompt", "metadata", "the caller's user", "a query of a signed URL"}
    doors = {name for name in watched.secrets if name.startswith("the token of ")}
    assert found(watched.secrets, watched.stack.everything()).keys() - kept <= doors
