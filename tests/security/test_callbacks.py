"""Callbacks by anybody: what is answered, and that nothing is written unless the upstream that we asked has spoken."""

import json
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from darkroom.domain.callback_token import RETIRED_KEYS_LIVE_S, SigningKey, sign
from darkroom.domain.task import Phase
from darkroom.errors import StorageUnavailable
from tests.functions.api.client import SECRET
from tests.security.delivering import answer_to, deliver
from tests.security.stack import PNG, Door, Stack, delivery, failure, signature, signed, success

MIB = 1024 * 1024


def test_the_door_opens_for_the_upstream_that_was_asked(stack: Stack, door: Door) -> None:
    assert deliver(stack, door, success(door)) == 200
    assert stack.task(door).phase is Phase.SUCCEEDED
    assert [one.content for one in stack.bucket.objects.values()] == [PNG]


# -- the token ------------------------------------------------------------------------------------------


def other(character: str) -> str:
    return "0" if character != "0" else "1"


FORGED: dict[str, Callable[[str], str]] = {
    **{f"character {at} changed": (lambda token, at=at: token[:at] + other(token[at]) + token[at + 1 :]) for at in range(62)},
    "empty": lambda _: "",
    "dots": lambda _: "..",
    "in capitals": lambda token: token.upper(),
    "doubled": lambda token: token + token,
    "one character more": lambda token: token + "0",
    "cut short": lambda token: token[:-1],
    "without its mac": lambda token: token.rpartition(".")[0] + ".",
    "another attempt": lambda token: token.replace(".1.", ".2."),
    "an attempt below zero": lambda token: token.replace(".1.", ".-1."),
    "an attempt of other digits": lambda token: token.replace(".1.", ".\u0661."),
    "a space behind": lambda token: token + " ",
    "a line break behind": lambda token: token + "\n",
    "a null byte behind": lambda token: token + "\0",
    "half a character": lambda token: token[:-1] + "\ud800",
    "not of this alphabet": lambda token: token[:-1] + "\u0430",
    "100,000 characters": lambda _: "0" * 100_000,
    "100,000 dots": lambda _: "." * 100_000,
    "an attempt of 100,000 digits": lambda token: token.replace(".1.", f".{'1' * 100_000}."),
}


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_finds_no_task(stack: Stack, door: Door, forge: Callable[[str], str]) -> None:
    assert len(door.token) == 62

    assert deliver(stack, replace(door, token=forge(door.token)), success(door)) == 404


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize(
    ("upstream", "task", "attempt", "secret"),
    [
        ("pixapi", None, 1, SECRET),
        ("HIAPI", None, 1, SECRET),
        ("", None, 1, SECRET),
        ("hiapi", "task_01M7WD7TG000000000000EXAMP", 1, SECRET),
        ("hiapi", None, 1, "another-secret-of-the-stack-00"),
        ("hiapi", None, 1, ""),
    ],
)
def test_a_token_for_another_upstream_task_or_stack_finds_no_task(
    stack: Stack, door: Door, upstream: str, task: str | None, attempt: int, secret: str
) -> None:
    token = sign(SigningKey(secret), upstream=upstream, task_id=task or door.task_id, attempt=attempt, now=stack.clock())

    assert deliver(stack, replace(door, token=token), success(door)) == 404


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("upstream", ["pixapi", "HIAPI", "hiapi ", "hiapi/", "", "..", "\ud800", "hiapi\0"])
def test_a_good_token_at_another_upstreams_address_opens_nothing(stack: Stack, door: Door, upstream: str) -> None:
    assert deliver(stack, replace(door, upstream=upstream), success(door)) in (401, 404)


@pytest.mark.usefixtures("unmoved")
def test_a_token_that_fits_a_task_that_never_was_finds_none(stack: Stack, door: Door) -> None:
    unborn = "task_01M7WD7TG000000000000EXAMP"
    token = sign(SigningKey(SECRET), upstream="hiapi", task_id=unborn, attempt=1, now=stack.clock())

    assert deliver(stack, replace(door, task_id=unborn, token=token), success(door)) == 404


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize(
    "name", ["keys", "", "task_", "../keys", "task_01M7WD7TG000000000000EXAMP\n", "TASK_01M7WD7TG000000000000EXAMP"]
)
def test_what_is_no_task_is_not_even_looked_for(stack: Stack, door: Door, name: str) -> None:
    seen: list[str] = []
    stack.tasks.on_call = seen.append
    token = sign(SigningKey(SECRET), upstream="hiapi", task_id=name, attempt=1, now=stack.clock())

    assert deliver(stack, replace(door, task_id=name, token=token), success(door)) == 404
    assert seen == []


@pytest.mark.usefixtures("unmoved")
def test_every_refusal_at_the_door_looks_the_same(stack: Stack, door: Door) -> None:
    unborn = replace(door, task_id="task_01M7WD7TG000000000000EXAMP")
    token = sign(SigningKey(SECRET), upstream="hiapi", task_id=unborn.task_id, attempt=1, now=stack.clock())
    tried = [replace(door, token="x"), replace(door, upstream="nobody"), unborn, replace(unborn, token=token)]

    answers = [stack.handle("receive_callback", delivery(one, success(door), {})) for one in tried[:3]]
    answers.append(stack.handle("receive_callback", delivery(tried[3], success(door), signed(success(door), stack.clock()))))

    assert {json.dumps(one, sort_keys=True) for one in answers} == {json.dumps(answers[0], sort_keys=True)}


def test_another_tasks_token_finds_no_task(stack: Stack, door: Door) -> None:
    second = stack.create("another picture")
    before = stack.everything()

    assert deliver(stack, replace(door, token=second.token), success(door)) == 404
    assert deliver(stack, replace(second, token=door.token), success(second)) == 404
    assert stack.everything() == before


def test_a_retired_secret_opens_for_48_hours_and_no_longer(stack: Stack, door: Door) -> None:
    rotated = stack.clock()
    stack.rotate(
        callback_secret="the-new-secret-of-the-stack",
        callback_secret_previous=SECRET,
        callback_secret_rotated_at=str(int(rotated)),
    )
    stack.clock.now = int(rotated) + RETIRED_KEYS_LIVE_S + 1
    before = stack.everything()

    assert deliver(stack, door, success(door)) == 404
    assert stack.everything() == before

    stack.clock.now -= 1
    assert deliver(stack, door, success(door)) == 200
    assert stack.task(door).phase is Phase.SUCCEEDED


# -- the signature --------------------------------------------------------------------------------------

FALSE_SEALS: dict[str, Callable[[bytes, float], dict[str, str]]] = {
    "none": lambda *_: {},
    "no timestamp": lambda raw, now: {"x-hiapi-signature": signature(raw, now)},
    "no signature": lambda _, now: {"x-hiapi-timestamp": str(int(now))},
    "an empty signature": lambda raw, now: signed(raw, now) | {"x-hiapi-signature": ""},
    "an empty timestamp": lambda raw, now: signed(raw, now) | {"x-hiapi-timestamp": ""},
    "another secret's": lambda raw, now: signed(raw, now, "whsec_of-somebody-else-0000"),
    "an empty secret's": lambda raw, now: signed(raw, now, ""),
    "the callback secret's": lambda raw, now: signed(raw, now, SECRET),
    "another body's": lambda raw, now: signed(raw + b" ", now),
    "another time's": lambda raw, now: signed(raw, now - 1) | {"x-hiapi-timestamp": str(int(now))},
    "with a name before it": lambda raw, now: signed(raw, now) | {"x-hiapi-signature": f"sha256={signature(raw, now)}"},
    "two of them": lambda raw, now: signed(raw, now) | {"x-hiapi-signature": f"{signature(raw, now)},{'0' * 64}"},
    "cut short": lambda raw, now: signed(raw, now) | {"x-hiapi-signature": signature(raw, now)[:-1]},
    "not of this alphabet": lambda raw, now: signed(raw, now) | {"x-hiapi-signature": "\u0430" * 64},
    "half a character": lambda raw, now: signed(raw, now) | {"x-hiapi-signature": "\ud800"},
    "a time with a fraction": lambda raw, now: signed(raw, now) | {"x-hiapi-timestamp": f"{int(now)}.0"},
    "a time in milliseconds": lambda raw, now: signed(raw, now) | {"x-hiapi-timestamp": f"{int(now)}000"},
    "a time in other digits": lambda raw, now: signed(raw, now) | {"x-hiapi-timestamp": "\u0661\u0667"},
    "a time of 10,000 digits": lambda raw, now: signed(raw, now) | {"x-hiapi-timestamp": "9" * 10_000},
    "a time in words": lambda raw, now: signed(raw, now) | {"x-hiapi-timestamp": "now"},
}


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("seal", FALSE_SEALS.values(), ids=FALSE_SEALS)
@pytest.mark.parametrize("body", [success, failure])
def test_a_false_seal_is_refused(
    stack: Stack, door: Door, seal: Callable[[bytes, float], dict[str, str]], body: Callable[[Door], bytes]
) -> None:
    raw = body(door)

    assert deliver(stack, door, raw, seal(raw, stack.clock())) == 401


@pytest.mark.usefixtures("unmoved")
def test_no_byte_of_a_signed_body_can_be_changed(stack: Stack, door: Door) -> None:
    raw = success(door)
    seal = signed(raw, stack.clock())

    tampered = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]

    assert {deliver(stack, door, one, seal) for one in tampered} == {401}


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title, lambda name: name.replace("h", "H")])
@pytest.mark.parametrize("value", [str.upper, str.lower, lambda text: f"  {text}\t"])
def test_headers_and_hex_may_be_written_in_any_case(
    stack: Stack, door: Door, change: Callable[[str], str], value: Callable[[str], str]
) -> None:
    raw = success(door)
    seal = {change(name): value(text) for name, text in signed(raw, stack.clock()).items()}

    assert deliver(stack, door, raw, seal) == 200
    assert stack.task(door).phase is Phase.SUCCEEDED


@pytest.mark.parametrize("secret", ["whsec_the-new-secret-000000000", "whsec_the-old-secret-000000000"])
def test_both_webhook_secrets_are_good_during_a_rotation(stack: Stack, door: Door, secret: str) -> None:
    stack.rotate(
        hiapi_webhook_secret="whsec_the-new-secret-000000000", hiapi_webhook_secret_previous="whsec_the-old-secret-000000000"
    )
    raw = success(door)

    assert deliver(stack, door, raw, signed(raw, stack.clock())) == 401
    assert deliver(stack, door, raw, signed(raw, stack.clock(), secret)) == 200
    assert stack.task(door).phase is Phase.SUCCEEDED


# -- stale, unsigned, replayed --------------------------------------------------------------------------


@pytest.mark.parametrize("age", [301, 3600, 86_400 * 365, -301, -3600, 1_763_600_000])
@pytest.mark.parametrize("unsigned", [False, True])
def test_what_is_stale_from_the_future_or_unsigned_is_believed_only_after_asking(
    stack: Stack, door: Door, age: int, unsigned: bool
) -> None:
    if unsigned:
        stack.rotate(hiapi_webhook_secret="")
    raw = failure(door)
    seal = {} if unsigned else signed(raw, stack.clock() - age)

    # The gateway itself says that the task is still being worked on.
    assert deliver(stack, door, raw, seal) == 200
    assert stack.task(door).phase is Phase.GENERATING
    assert len(stack.http.looks) == 1

    # It is asked once a minute at most.
    stack.clock.now += 60
    stack.http.says[door.upstream_task_id] = json.loads(success(door))
    seal = {} if unsigned else signed(raw, stack.clock() - age)
    assert deliver(stack, door, raw, seal) == 200
    # What counts is the gateway's word, not the body's.
    assert stack.task(door).phase is Phase.SUCCEEDED


def test_a_hint_while_the_gateway_is_away_changes_nothing(stack: Stack, door: Door) -> None:
    stack.http.answer = lambda _: httpx.Response(503)
    before = stack.task(door)

    assert deliver(stack, door, success(door), signed(success(door), stack.clock() - 9999)) == 200
    # But for the note that lets no other hint of this minute make us ask.
    assert stack.task(door) == replace(before, version=before.version + 1, hinted_at=stack.clock())


def test_the_signed_body_of_another_task_changes_nothing_at_this_door(stack: Stack, door: Door) -> None:
    second = stack.create("another picture")
    before = stack.everything()

    for raw in (success(door), failure(door)):
        assert answer_to(stack, second, raw) == {"ignored": "mismatch"}

    assert stack.everything() == before
    assert stack.downloads.opened == []


@pytest.mark.parametrize("body", [success, failure])
def test_the_same_delivery_fifty_times_counts_once(stack: Stack, door: Door, body: Callable[[Door], bytes]) -> None:
    raw = body(door)
    deliver(stack, door, raw)
    before = stack.everything()

    answers = [answer_to(stack, door, raw) for _ in range(50)]

    assert all(answer == {"duplicate": True} for answer in answers)
    assert stack.everything() == before
    assert len(stack.downloads.opened) == (body is success)


def test_a_failure_cannot_follow_a_success_nor_a_success_a_failure(stack: Stack, door: Door) -> None:
    second = stack.create("another picture")
    deliver(stack, door, success(door))
    deliver(stack, second, failure(second))
    before = stack.everything()

    assert deliver(stack, door, failure(door)) == 200
    assert deliver(stack, second, success(second)) == 200
    assert stack.everything() == before


# -- our own faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", ["tasks.get", "tasks.move"])
def test_while_our_table_is_away_the_upstream_is_asked_to_come_again(stack: Stack, door: Door, boundary: str) -> None:
    before = stack.everything()

    def away(called: str) -> None:
        if called == boundary:
            raise StorageUnavailable("table: scripted")

    stack.tasks.on_call = away

    assert deliver(stack, door, success(door)) == 503
    stack.tasks.on_call = lambda _: None
    assert stack.everything() == before
    assert deliver(stack, door, success(door)) == 200
    assert stack.task(door).phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("outcome", "metric"),
    [
        ("forged", "CallbacksSuspicious"),
        ("mismatch", "CallbacksSuspicious"),
        ("unknown", "CallbacksRejected"),
        ("large", "CallbacksRejected"),
    ],
)
def test_an_attack_is_counted(stack: Stack, door: Door, capsys: pytest.CaptureFixture[str], outcome: str, metric: str) -> None:
    second = stack.create("another picture")
    capsys.readouterr()

    if outcome == "forged":
        deliver(stack, door, success(door), {"x-hiapi-timestamp": "1", "x-hiapi-signature": "0"})
    elif outcome == "mismatch":
        deliver(stack, second, success(door))
    elif outcome == "unknown":
        deliver(stack, replace(door, token="x.1.y"), success(door))
    else:
        deliver(stack, door, b"x" * (MIB + 1))

    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert any(one.get(metric) for one in told)
