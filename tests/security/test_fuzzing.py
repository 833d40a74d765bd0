"""Any bytes, texts and JSON from outside: every parser gives a value or its named error, and no handler falls over."""

import json
import math
import string
import time
from contextlib import suppress
from importlib import import_module
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkroom.adapters.data_uris import is_data_uri, open_data_uri
from darkroom.adapters.queue import read_job, write_job
from darkroom.adapters.upstreams.complaints import retry_after
from darkroom.adapters.upstreams.registry import ADAPTERS
from darkroom.domain.pictures import sniff
from darkroom.domain.task import TERMINAL, Phase
from darkroom.errors import OutputRefused, SignatureRejected, UpstreamError
from darkroom.ports import Job
from tests.functions.api.client import DOMAIN, KEY, event
from tests.security.stack import PNG, Door, Stack, delivery, signed, stack_of
from tests.support.answering import Answering
from tests.support.memory import MemorySecrets

FACTS: Any = {"table": "t", "bucket": "b", "queue_url": "q", "dead_letter_queue_url": "d", "secret_id": "s"}
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

TEXT = st.text(st.characters(), max_size=30)
"""Halves of surrogate pairs too: JSON can write them."""

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def one_of(*usual: Any) -> st.SearchStrategy[Any]:
    """Mostly what is expected in a place, sometimes anything."""
    return st.sampled_from(usual) | st.sampled_from(usual) | JSON


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects that have some of these fields, and perhaps others."""
    return st.fixed_dictionaries({}, optional=fields) | st.dictionaries(TEXT, JSON, max_size=3)


ENTRIES = objects(
    url=one_of("https://cdn.test/0.png", "data:image/png;base64,AAAA"), type=one_of("image", "video"), expireAt=JSON
)
TASKS = objects(
    taskId=one_of("tk-1", "tk-2"),
    id=one_of("tk-1"),
    status=one_of("success", "fail", "handling", "queued", "archiving", "SUCCESS", "completed"),
    output=st.lists(ENTRIES, max_size=3) | JSON,
    data=st.lists(ENTRIES | objects(b64_json=one_of("AAAA", "iVBORw0KGgo=")), max_size=3) | JSON,
    choices=st.lists(objects(message=objects(content=one_of("![](https://cdn.test/0.png)", "no"))), max_size=2) | JSON,
    error=objects(code=one_of("TASK_FAILED", 400), message=one_of("no")) | JSON,
    error_code=one_of("INVALID_REQUEST", "IDEMPOTENCY_KEY_PROCESSING"),
    request_id=JSON,
)
BODIES = st.binary(max_size=80) | (TASKS | objects(code=one_of(200, 400, "ok"), data=TASKS, error=TASKS)).map(
    lambda found: json.dumps(found).encode(errors="replace")
)


# -- the handlers ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared() -> Any:
    """One stack for all examples: what one of them leaves behind is the next one's surprise."""
    with pytest.MonkeyPatch.context() as patch:
        stack = stack_of(patch)
        door = stack.create()
        stack.downloads.serve("https://cdn.test/0.png", PNG)
        yield stack, door


@QUICK
@given(raw=BODIES, age=st.sampled_from([0, 299, 301, -301]), in_base64=st.just(True))
def test_any_signed_callback_is_answered_200(shared: tuple[Stack, Door], raw: bytes, age: int, in_base64: bool) -> None:
    stack, _ = shared
    door = stack.create()

    answer = stack.handle("receive_callback", delivery(door, raw, signed(raw, stack.clock() - age), in_base64=in_base64))

    task = stack.task(door)
    assert answer["statusCode"] == 200
    assert task.phase in TERMINAL | {Phase.QUEUED, Phase.GENERATING, Phase.ARCHIVING, Phase.STORING}
    assert task.upstream_task_id == door.upstream_task_id
    assert {"success", "SUCCESS", "fail", "completed"} & set(_words(raw)) or not task.is_terminal


def _words(raw: bytes) -> list[str]:
    return raw.decode(errors="replace").replace('"', " ").split()


CALLBACKS = st.fixed_dictionaries(
    {},
    optional={
        "headers": st.dictionaries(TEXT | st.sampled_from(["x-hiapi-timestamp", "X-HiAPI-Signature"]), TEXT) | JSON,
        "pathParameters": st.fixed_dictionaries(
            {},
            optional={
                name: one_of("hiapi", "pixapi", "task_01M7WD7TG000000000000EXAMP") for name in ("upstream", "task_id", "token")
            },
        )
        | JSON,
        "body": TEXT | JSON,
        "isBase64Encoded": JSON,
        "requestContext": JSON,
        "rawPath": JSON,
    },
)


@QUICK
@given(what=CALLBACKS, through=st.booleans())
def test_any_event_at_the_callbacks_door_is_refused_in_words(
    shared: tuple[Stack, Door], what: dict[str, Any], through: bool
) -> None:
    stack, door = shared
    before = stack.tasks.writes, len(stack.tasks.kept_evidence), len(stack.http.requests)
    if through:
        what = what | {"pathParameters": {"upstream": "hiapi", "task_id": door.task_id, "token": door.token}}

    answer = stack.handle("receive_callback", what)

    assert answer["statusCode"] in (401, 404, 413)
    assert json.loads(answer["body"])["status"] == answer["statusCode"]
    assert (stack.tasks.writes, len(stack.tasks.kept_evidence), len(stack.http.requests)) == before


PATHS = st.sampled_from(
    [
        "/v1/tasks",
        "/v1/tasks/x",
        "/v1/tasks/x/cancel",
        "/v1/tasks/x/retry",
        "/v1/images/x",
        "/v1/models",
        "/healthz",
        "/v1/admin/keys",
    ]
)
HEADERS = st.dictionaries(
    st.sampled_from(["idempotency-key", "prefer", "accept", "if-none-match", "content-type", "authorization", "x-request-id"])
    | TEXT,
    TEXT | st.text(string.printable, max_size=60),
    max_size=4,
)
QUERIES = TEXT | st.dictionaries(st.sampled_from(["limit", "cursor", "status", "created_after", "user"]), TEXT).map(
    lambda found: "&".join(f"{name}={value}" for name, value in found.items())
)
REQUESTS = objects(
    preset=one_of("poster", "draft"),
    model=one_of("gpt-image-2/text-to-image", "Nano-Banana-Pro"),
    route=one_of("ext"),
    input=objects(
        prompt=one_of("a kite"), aspect_ratio=one_of("1:1"), resolution=one_of("1K", "2K"), image_input=JSON, size=JSON
    ),
    metadata=JSON,
    user=JSON,
    timeout_s=one_of(60, 1800),
    owner=one_of("shop"),
    scopes=one_of(["admin"]),
)


@QUICK
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"]) | TEXT,
    path=PATHS | TEXT.map(lambda tail: f"/v1/tasks/{tail}") | TEXT,
    query=QUERIES,
    headers=HEADERS,
    body=TEXT | REQUESTS.map(json.dumps) | st.none(),
    in_base64=st.sampled_from([False, False, True]),
)
def test_no_request_makes_the_api_fail(
    shared: tuple[Stack, Door], method: str, path: str, query: str, headers: dict[str, str], body: str | None, in_base64: bool
) -> None:
    stack, _ = shared
    given_headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"} | headers

    answer = stack.handle("api", event(method, path, query, given_headers, body, base64=in_base64, domain=DOMAIN))

    assert 200 <= answer["statusCode"] < 500
    json.dumps(answer).encode()


@QUICK
@given(missing=st.sets(st.sampled_from(["headers", "rawQueryString", "body", "isBase64Encoded", "version"])))
def test_no_missing_part_of_an_event_makes_the_api_fail(shared: tuple[Stack, Door], missing: set[str]) -> None:
    whole = event("POST", "/v1/tasks", "", {"authorization": f"Bearer {KEY}"}, "{}", base64=False, domain=DOMAIN)

    answer = shared[0].handle("api", {name: value for name, value in whole.items() if name not in missing})

    assert 400 <= answer["statusCode"] < 500


JOBS = objects(
    do=one_of("store", "submit"), task_id=one_of("task_01M7WD7TG000000000000EXAMP"), attempt=one_of(1), lease=one_of("x")
)


@QUICK
@given(
    bodies=st.lists(
        TEXT | JOBS.map(json.dumps) | st.integers(1, 9).map(lambda size: "[" * 10**size if size < 7 else "{"), max_size=5
    )
)
def test_a_batch_of_any_messages_fails_message_by_message(shared: tuple[Stack, Door], bodies: list[str]) -> None:
    stack, door = shared
    good = write_job(Job(do="store", task_id=door.task_id, attempt=1))
    records = [{"messageId": f"m{at}", "body": body, "attributes": {}} for at, body in enumerate([good, *bodies])]

    answer = stack.handle("work_tasks", {"Records": records})

    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    assert failed <= {one["messageId"] for one in records} - {"m0"}


@QUICK
@given(what=JSON)
def test_the_schedule_may_say_anything(shared: tuple[Stack, Door], what: Any) -> None:
    assert set(shared[0].handle("reconcile_tasks", what)) == {"looked_at", "moved"}


# -- the parsers ----------------------------------------------------------------------------------------


@settings(QUICK, max_examples=60)
@given(status=st.sampled_from([200, 201, 204, 302, 400, 401, 404, 409, 422, 429, 500, 503]), raw=BODIES, said=TEXT)
@pytest.mark.parametrize("name", ADAPTERS)
def test_whatever_a_gateway_answers_is_an_answer_or_a_named_error(name: str, status: int, raw: bytes, said: str) -> None:
    module, _, adapter = ADAPTERS[name].at.partition(":")
    value = said.encode("ascii", errors="replace").decode().translate(dict.fromkeys((*range(32), 127), " "))
    headers = {"retry-after": value, "x-request-id": value, "content-type": value}
    answer = Answering(lambda _: httpx.Response(status, headers=headers, stream=httpx.ByteStream(raw)))
    secrets = MemorySecrets(dict.fromkeys(("hiapi_api_key", "pixapi_api_key"), "a-key-of-a-gateway-0123"))
    upstream = getattr(import_module(module), adapter)(base_url="https://gateway.test", secrets=secrets, http=answer)

    with suppress(UpstreamError):
        upstream.submit(b'{"model":"m","input":{}}', key="k", timeout_s=30)
    with suppress(UpstreamError):
        upstream.look("tk-1", attempt=1, timeout_s=30)
    with suppress(SignatureRejected):
        upstream.hear(headers, raw, attempt=1, now=0.0)


HOURS = st.integers(-99, 999).map(lambda hour: f"Wed, 21 Oct 2026 {hour}:28:00 GMT")


@given(TEXT | st.text(string.printable) | st.floats().map(str) | st.datetimes().map(str) | HOURS | st.integers().map(str))
def test_a_retry_after_is_seconds_within_an_hour_or_nothing(value: str) -> None:
    seconds = retry_after(value, now=1_763_600_000.0)

    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= 3600)


@pytest.mark.parametrize(
    "value", ["9" * 5000, "1e400", "-1", "0", "\u0663", "nan", "inf", "Wed, 21 Oct 99999 07:28:00 GMT", ",", "x, ", "1 2 3 4 5"]
)
def test_an_odd_retry_after_does_no_harm(value: str) -> None:
    seconds = retry_after(value, now=1_763_600_000.0)

    assert seconds is None or 0 <= seconds <= 3600


@given(TEXT | JOBS.map(json.dumps) | JSON.map(json.dumps))
def test_a_message_is_a_job_or_a_value_error(body: str) -> None:
    with suppress(ValueError):
        job = read_job(body)
        assert read_job(write_job(job)) == job


@pytest.mark.parametrize("body", ["[" * 200_000, '{"do":' * 200_000, '{"attempt":' + "9" * 10_000 + "}", "\ud800", ""])
def test_a_message_that_no_parser_likes_is_a_value_error(body: str) -> None:
    with pytest.raises(ValueError):
        read_job(body)


@given(
    st.sampled_from(["data:;base64,", "data:image/png;base64,", "DATA:,", "data:", "data:image/png,"]),
    TEXT | st.text(string.printable),
)
def test_a_data_uri_holds_bytes_or_is_refused(begin: str, rest: str) -> None:
    assert is_data_uri(begin)
    with suppress(OutputRefused):
        download = open_data_uri(begin + rest)
        assert len(b"".join(download.chunks)) == download.size


HOSTILE_HEADS = {
    "fill bytes": b"\xff\xd8\xff" + b"\xff" * 512 * 1024,
    "stuffed bytes": b"\xff\xd8\xff" + b"\xff\x00" * 256 * 1024,
    "tiny segments": b"\xff\xd8\xff" + b"\xff\xe0\x00\x02" * 128 * 1024,
    "restart marks": b"\xff\xd8\xff" + b"\xff\xd0" * 256 * 1024,
    "empty boxes": b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x08free" * 64 * 1024,
    "boxes in boxes": b"\0\0\0\x10ftypmif1\0\0\0\0" + b"\0\0\0\0meta\0\0\0\0" * 40 * 1024,
    "endless brands": b"\0\x08\0\0ftypmif1" + b"avif" * 128 * 1024,
    "sizes": b"\0\0\0\x10ftypavif\0\0\0\0\0\x07\xff\xffipco" + (b"\0\0\0\x14ispe\0\0\0\0" + b"\xff" * 8) * 20_000,
}


@pytest.mark.parametrize("head", HOSTILE_HEADS.values(), ids=HOSTILE_HEADS)
def test_no_head_of_a_file_costs_more_than_its_length(head: bytes) -> None:
    began = time.process_time()

    found = sniff(head)

    assert found is None or (found.width or 0) >= 0
    # A twentieth of that here; the rest is room for a slow machine.
    assert time.process_time() - began < 10
