"""How the code treats secrets, read from the code itself: how they are compared, and what a repr shows."""

import ast
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.adapters.claims import DynamoApiKeys, api_key_id
from darkroom.adapters.dynamo import Table
from darkroom.adapters.secrets import SecretsManager, signing_keys
from darkroom.adapters.upstreams import hiapi_callbacks as callbacks
from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.domain.callback_token import SigningKey
from darkroom.domain.news import News, Says
from darkroom.domain.task import Output, Request, TaskError
from darkroom.errors import ConfigurationError
from darkroom.ports import ApiKey, Evidence, Heard
from darkroom.usecases.create_task import Order
from darkroom.usecases.make_key import SCOPES, make_key, sha256_of
from darkroom.web.answers import Answer
from darkroom.web.request import read_request
from tests.functions.api.client import DOMAIN, MemoryServices, event
from tests.support.memory import MemorySecrets
from tests.support.tasks import a_task
from tests.unit.test_structure import PACKAGE, modules

SECRET = "canary-5d0c2a-of-this-file"
TELLING = re.compile(r"mac|token|signature|digest|sha256|secret|password|bearer|authorization|api_key|webhook", re.IGNORECASE)
GUESSED_AT = {
    "adapters/claims.py",
    "adapters/upstreams/hiapi_callbacks.py",
    "domain/callback_token.py",
    "web/cursors.py",
}

# What is compared with `==` although its name sounds secret, and why it is none.
HARMLESS = {
    "key.id != api_key_id(key.sha256)": "an id that everybody may read, checked when a key is stored",
}


def comparisons(path: Path) -> Iterator[ast.Compare]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare) and any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
            yield node


def names_in(node: ast.AST) -> set[str]:
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return found | {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_secret_is_compared_with_an_operator(path: Path) -> None:
    suspicious = [
        ast.unparse(node)
        for node in comparisons(path)
        if any(TELLING.search(name) for name in names_in(node)) and ast.unparse(node) not in HARMLESS
    ]

    assert [one for one in suspicious if not re.fullmatch(r"len\(.*\) [!=]= \d+", one)] == []


def test_every_harmless_comparison_is_still_there() -> None:
    assert {ast.unparse(node) for path in modules() for node in comparisons(path)} >= set(HARMLESS)


def test_secrets_are_compared_in_constant_time_wherever_somebody_may_guess() -> None:
    calls = {
        str(path.relative_to(PACKAGE))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "compare_digest"
    }

    assert calls == GUESSED_AT


def test_every_webhook_secret_is_tried_before_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    monkeypatch.setattr(callbacks.hmac, "compare_digest", lambda one, _: compared.append(one) is None)

    callbacks.hear(
        {"x-hiapi-timestamp": "1", "x-hiapi-signature": "0"}, b"{}", secrets=["one-secret", "another-one"], attempt=1, now=1.0
    )

    assert len(set(compared)) == 2


@pytest.mark.parametrize("key", ["drk_x", "", "drk_" + "x" * 100_000, "drk_\ud800", "\0"])
def test_a_key_is_looked_up_by_its_hash_alone(key: str) -> None:
    asked: list[tuple[str, str]] = []

    class Noted(Table):
        def get(self, pk: str, sk: str, *, consistent: bool = True) -> Any:
            asked.append((pk, sk))

    keys = DynamoApiKeys(table=Noted(client=None, name="t"), clock=lambda: 0.0, cache_s=60)  # type: ignore[arg-type]

    # What the store sees, and so whatever its time may tell, does not depend on how much of a key was guessed.
    assert keys.find(sha256_of(key)) is None
    assert asked == [("keys", api_key_id(sha256_of(key)))]
    assert key not in ("", *asked[0]) or key == ""


def test_a_hash_that_shares_its_beginning_with_a_known_one_is_not_the_key() -> None:
    known = ApiKey(id="", sha256="a" * 64, owner="shop", scopes=frozenset(SCOPES), created_at=0.0)

    class Same(Table):
        def get(self, pk: str, sk: str, *, consistent: bool = True) -> Any:
            scopes = {"scopes": {"S": "admin"}, "created_at": {"N": "0"}, "hint": {"S": ""}}
            return {"sk": {"S": sk}, "sha256": {"S": known.sha256}, "owner": {"S": known.owner}, **scopes}

    keys = DynamoApiKeys(table=Same(client=None, name="t"), clock=lambda: 0.0, cache_s=0)  # type: ignore[arg-type]

    assert keys.find(known.sha256) is not None
    assert keys.find("a" * 63 + "b") is None


class SaysSecret:
    """Secrets Manager with one answer."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self, **_: str) -> dict[str, str]:
        return {"SecretString": self._text}


def manager(text: str) -> SecretsManager:
    client: Any = SaysSecret(text)
    return SecretsManager(client=client, secret_id="s", cache_s=60, clock=lambda: 0.0)


@pytest.mark.parametrize("text", [SECRET, f'"{SECRET}"', f'["{SECRET}"]', f'{{"a": "{SECRET}', f'{{"a": {SECRET}}}'])
def test_a_secret_that_cannot_be_read_is_not_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        manager(text).get("a")

    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("text", [f'{{"callback_secret": "{SECRET[:15]}"}}', "{}"])
def test_a_secret_that_is_too_short_is_not_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        signing_keys(manager(text))

    assert SECRET[:15] not in str(caught.value)


def shown() -> Iterator[tuple[str, object]]:
    """Whatever holds a secret and could end up in a log or an error's text."""
    read = manager(f'{{"callback_secret": "{SECRET}"}}')
    read.get("callback_secret")
    yield "secrets", read
    yield "secrets in memory", MemorySecrets({"a": SECRET})
    yield "signing key", SigningKey(SECRET)
    yield "signing keys", signing_keys(read)
    yield "new key", make_key(owner="shop", scopes=SCOPES, now=0.0, fresh=lambda size: SECRET.encode()[:size], key_id=api_key_id)
    yield "gateway", HiApi(base_url="https://gateway.test", secrets=MemorySecrets({"hiapi_api_key": SECRET}))
    yield "services", MemoryServices()
    given = {"authorization": f"Bearer {SECRET}", "x-secret": SECRET}
    sent = event("POST", "/v1/tasks", f"key={SECRET}", given, f'{{"prompt": "{SECRET}"}}', base64=False, domain=DOMAIN)
    prompt = {"prompt": SECRET}
    asked = Request(input=prompt, body=SECRET.encode(), metadata={"a": SECRET})
    error = TaskError(code="x", message=SECRET, upstream_message=SECRET)
    task = a_task(request=asked, outputs=(Output(url=f"https://cdn.test/?{SECRET}"),), user=SECRET, error=error)
    yield "task", task
    yield "order", Order(owner="shop", model="m", input=prompt, timeout_s=60, metadata={"a": SECRET}, user=SECRET)
    yield (
        "news",
        News(says=Says.SUCCEEDED, attempt=1, by="poll", outputs=task.outputs, error=error, raw=SECRET.encode()),
    )
    yield "heard", Heard(trusted=True, news=None, raw=SECRET.encode())
    yield "evidence", Evidence(body=SECRET, at=0.0, source="poll")
    yield "answer", Answer(status=200, body=SECRET, headers={"Location": SECRET})
    yield "request", read_request(sent, now=0.0, fresh=lambda size: bytes(size))


@pytest.mark.parametrize("what", [one for _, one in shown()], ids=[name for name, _ in shown()])
def test_no_repr_shows_a_secret(what: object) -> None:
    for text in (repr(what), str(what), f"{[what]}"):
        assert SECRET not in text
        assert "drk_" not in text
