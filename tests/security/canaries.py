"""Canaries in the place of every secret, a pipeline that is called as Lambda would call it, and an ear on what it says."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.functions.api.client import allow
from tests.security.listening import Listener, found
from tests.security.stack import PNG, Door, Stack, delivery, signed, success
from tests.support.origin import HOST

# None has the form of a key, a token or a URL: nothing may depend on recognising them.
CANARIES = {
    "the caller's key": "canary-of-the-caller-5d0c2a",
    "the upstream's key": "canary-of-the-upstream-91be77",
    "the webhook secret": "canary-of-the-webhooks-3c84f0",
    "the old webhook secret": "canary-of-old-webhooks-77aa10",
    "the callback secret": "canary-of-the-stack-secret-0e6b12",
    "the prompt": "canary-of-the-prompt-7d1fe0",
    "a query of a signed URL": "canary-of-the-signature-b2b3c4",
    "metadata": "canary-of-the-metadata-0aa9f3",
    "the caller's user": "canary-of-the-user-11c0de",
    "an authorization": "canary-of-authorization-4e5f60",
}
KEY, QUERY = CANARIES["the caller's key"], CANARIES["a query of a signed URL"]
PROMPT = f'a heron "with" caf\u00e9 {CANARIES["the prompt"]} https://x.test/?q=1 \u2014 and nothing else'
AUTHORIZATION = f"Basic {CANARIES['an authorization']}"
URL = f"https://{HOST}/0.png?X-Signature={QUERY}"
BODY = {
    "preset": "poster",
    "input": {"prompt": PROMPT},
    "metadata": {"order": CANARIES["metadata"]},
    "user": CANARIES["the caller's user"],
}
ECHO = " ".join([PROMPT, *CANARIES.values()])
"""What a careless service says of whatever it was sent."""


class Watched:
    """A stack full of canaries, and an ear on everything that it says."""

    def __init__(self, stack: Stack, listener: Listener) -> None:
        self.stack, self.listener = stack, listener
        self.secrets = dict(CANARIES)

    def call(self, work: Callable[[], Any]) -> Any:
        """Do it as Lambda would: an error that leaves the handler is logged by Lambda."""
        try:
            return work()
        except Exception as error:
            self.listener.note(error)
            return None

    def ask(self, method: str, path: str, **more: Any) -> Any:
        return self.call(lambda: self.stack.ask(method, path, **({"key": KEY} | more)))

    def create(self, **more: Any) -> Door | None:
        """A task as far as it came; its callback token is a secret from now on."""
        sent = len(self.stack.http.creates)
        self.ask("POST", "/v1/tasks", body=BODY, **more)
        if len(self.stack.http.creates) == sent:
            return None
        url = json.loads(self.stack.http.creates[-1].content)["callback"]["url"]
        _, upstream, task_id, token = url.rsplit("/", 3)
        self.secrets[f"the token of {task_id}"] = token
        return Door(upstream, task_id, token, f"tk-{len(self.stack.http.creates)}")

    def deliver(self, door: Door, raw: bytes, headers: dict[str, str] | None = None) -> Any:
        seal = signed(raw, self.stack.clock(), CANARIES["the webhook secret"]) if headers is None else headers
        given = seal | {"authorization": AUTHORIZATION}
        return self.call(lambda: self.stack.handle("receive_callback", delivery(door, raw, given)))

    def live_on(self) -> None:
        """Work the queue and let two days pass in steps: looks, the deadline, late results, the end of all waiting."""
        for hours in (0.05, 0.1, 0.5, 1, 24, 24):
            self.stack.clock.now += hours * 3600
            self.call(self.stack.tick)
            self.call(self.stack.work)


@contextmanager
def watching(stack: Stack, capfd: pytest.CaptureFixture[str]) -> Iterator[Watched]:
    """A stack with a canary in the place of each secret; whatever happened, none may have been heard in the end."""
    allow(stack, KEY, owner="shop")
    stack.rotate(
        hiapi_api_key=CANARIES["the upstream's key"],
        hiapi_webhook_secret=CANARIES["the webhook secret"],
        hiapi_webhook_secret_previous=CANARIES["the old webhook secret"],
        callback_secret=CANARIES["the callback secret"],
    )
    stack.downloads.serve(URL, PNG)
    listener = Listener()
    with listener.listening():
        watched = Watched(stack, listener)
        yield watched
    printed = capfd.readouterr()
    assert listener.log, "nothing was logged: the listener is deaf"
    assert found(watched.secrets, listener.everything(printed.out, printed.err)) == {}


def a_picture(watched: Watched) -> Door | None:
    """From a request to the picture, with every read on the way."""
    door = watched.create(Idempotency_Key="order-1")
    if door is not None:
        watched.deliver(door, success(door, URL))
        watched.deliver(door, success(door, URL))
        read = watched.ask("GET", f"/v1/tasks/{door.task_id}")
        for image in json.loads(read["body"])["images"] if read and read["statusCode"] == 200 else ():
            redirect = watched.ask("GET", image["url"])
            watched.secrets["our own signed URL"] = redirect["headers"].get("Location", "none") if redirect else "none"
            watched.ask("HEAD", image["url"])
    watched.ask("GET", "/v1/tasks", query="limit=1")
    watched.create(Idempotency_Key="order-1")
    return door


def whole_life(watched: Watched) -> None:
    """A picture by callback, another by polling, a third that never comes; cancelled, retried, swept and redriven by hand."""
    door = a_picture(watched)
    polled = watched.create()
    if polled is not None:
        watched.stack.http.says[polled.upstream_task_id] = json.loads(success(polled, URL))
    watched.ask("POST", f"/v1/tasks/{door.task_id if door else 'x'}/retry")
    lost = watched.create()
    watched.ask("POST", f"/v1/tasks/{lost.task_id if lost else 'x'}/cancel")
    watched.ask("POST", "/v1/admin/reconcile")
    watched.ask("POST", "/v1/admin/redrive")
    watched.live_on()
