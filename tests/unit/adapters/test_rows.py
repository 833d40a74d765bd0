"""How a task looks as a row: nothing is lost, and it stays small."""

import json
import weakref
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters import rows
from darkroom.adapters.row_size import row_size
from darkroom.domain.attempts import Alternative, Attempt
from darkroom.domain.task import Image, Output, Phase, Task, TaskError
from darkroom.domain.texts import storable
from darkroom.ports import Evidence
from tests.support.tasks import BIRTH, a_long_request, a_request, a_task, an_image, storing, submitted

FOR_NOTHING = TaskError(code="generation_failed", message="time-out", charged="no")
TIMES = st.floats(min_value=0, max_value=4e9, allow_nan=False)
TEXTS = st.text(min_size=1, max_size=20).map(storable)
SOME_TEXT = st.none() | TEXTS
SOME_TIME = st.none() | TIMES
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3))
IMAGES = st.builds(
    Image,
    index=st.integers(0, 255),
    content_type=st.just("image/png"),
    size=st.integers(0, 2**40),
    width=st.none() | st.integers(1, 9999),
    height=st.none() | st.integers(1, 9999),
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    created_at=TIMES,
    attempt=st.integers(1, 255),
    late=st.booleans(),
)
TASKS = st.builds(
    Task,
    id=TEXTS,
    owner=TEXTS,
    upstream=TEXTS,
    model=TEXTS,
    timeout_s=st.integers(60, 86_400),
    created_at=TIMES,
    phase=st.sampled_from(Phase),
    next_check_at=SOME_TIME,
    route=SOME_TEXT,
    preset=SOME_TEXT,
    user=SOME_TEXT,
    retry_of=SOME_TEXT,
    version=st.integers(1, 10_000),
    attempt=st.integers(1, 255),
    cancel_requested=st.booleans(),
    callback_expected=st.booleans(),
    upstream_task_id=SOME_TEXT,
    upstream_request_id=SOME_TEXT,
    first_sent_at=SOME_TIME,
    submitted_at=SOME_TIME,
    terminal_at=SOME_TIME,
    looks=st.integers(0, 500),
    max_auto_retries=st.integers(0, 3),
    alternative=st.integers(0, 3),
    earlier=st.lists(
        st.builds(
            Attempt,
            upstream=TEXTS,
            model=TEXTS,
            route=SOME_TEXT,
            sent_at=SOME_TIME,
            ended_at=TIMES,
            code=TEXTS,
            paid=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    lease=SOME_TEXT,
    lease_until=SOME_TIME,
    news_at=SOME_TIME,
    news_by=SOME_TEXT,
    outputs=st.lists(st.builds(Output, url=TEXTS, expires_at=SOME_TIME), max_size=2).map(tuple),
    images=st.lists(IMAGES, max_size=5).map(tuple),
    missing=st.lists(TEXTS, max_size=3).map(tuple),
    error=st.none()
    | st.builds(
        TaskError,
        code=TEXTS,
        message=st.text(max_size=30).map(storable),
        retryable=TEXTS,
        charged=TEXTS,
        upstream_code=SOME_TEXT,
        upstream_message=SOME_TEXT,
        upstream_request_id=SOME_TEXT,
    ),
)


@given(TASKS)
def test_no_fact_of_a_task_is_lost(task: Task) -> None:
    row = rows.state_row(task, retention_days=30)
    beside = rows.images_row(task, retention_days=30) if "images_row" in row else None

    assert rows.task_of(row, beside) == task


def test_sides_that_are_not_known_are_zeros_in_a_row_as_older_versions_wrote_them_and_none_in_a_task() -> None:
    task = submitted(a_task()).storing(
        BIRTH + 30, by="poll", lease="lease", lease_s=25, outputs=(Output(url="https://cdn.test/0"),)
    )
    done = task.stored(BIRTH + 32, (an_image(width=None, height=None),))

    row = rows.state_row(done, retention_days=30)

    stored = row["images"]["L"][0]["M"]
    assert (stored["w"], stored["h"]) == ({"N": "0"}, {"N": "0"})
    assert rows.task_of(row).images == done.images


@given(st.text(st.characters(), max_size=30))
def test_no_text_makes_a_row_that_cannot_be_written(text: str) -> None:
    told = TaskError(code=text, message=text, upstream_code=text, upstream_message=text, upstream_request_id=text)
    attempt = Attempt(upstream=text, model=text, ended_at=BIRTH, code=text)
    task = a_task(error=told, earlier=(attempt,), upstream_task_id=text, outputs=(Output(url=text),))
    row = rows.state_row(task, retention_days=30) | rows.evidence_row("t", Evidence(body=text, at=BIRTH, source=text))

    written = json.dumps(row, default=bytes.hex, ensure_ascii=False).encode()

    assert json.loads(written)["error"]["M"]["message"] == {"S": storable(text)}


def test_a_row_of_an_older_version_is_a_first_attempt_without_retries() -> None:
    row = rows.state_row(a_task(max_auto_retries=1), retention_days=30)
    del row["retries"]

    task = rows.task_of(row)

    assert (task.attempt, task.earlier, task.alternative, task.retries_left) == (1, (), 0, 0)


@pytest.mark.parametrize(
    ("row", "size"),
    [
        ({"a": {"S": "ü"}}, 3),
        ({"ä": {"B": b"123"}}, 5),
        ({"a": {"BOOL": True}, "b": {"NULL": True}}, 4),
        ({"a": {"N": "0"}}, 2),
        ({"a": {"N": "0.0"}}, 2),
        ({"a": {"N": "1"}}, 3),
        ({"a": {"N": "-1"}}, 4),
        ({"a": {"N": "99"}}, 3),
        ({"a": {"N": "100"}}, 3),
        ({"a": {"N": "1000"}}, 3),
        ({"a": {"N": "101"}}, 4),
        ({"a": {"N": "1e+22"}}, 3),
        ({"a": {"N": "0.01"}}, 3),
        ({"a": {"N": "0.012"}}, 4),
        ({"a": {"N": "1.5"}}, 4),
        ({"a": {"N": "1763600000.25"}}, 8),
        ({"a": {"N": "12345678901234567890123456789012345678"}}, 21),
        ({"a": {"L": []}}, 4),
        ({"a": {"M": {}}}, 4),
        ({"a": {"L": [{"S": "x"}, {"S": "yz"}]}}, 1 + 3 + 2 + 3),
        ({"a": {"M": {"b": {"S": "x"}}}}, 1 + 3 + 1 + 1 + 1),
    ],
)
def test_an_items_size_is_counted_as_the_developer_guide_says(row: dict[str, Any], size: int) -> None:
    assert row_size(row) == size


def test_a_row_with_its_request_stays_within_a_write_unit_from_birth_to_end() -> None:
    task = replace(_largest_that_keeps_its_request(), next_check_at=BIRTH + 60.123456)
    sent = replace(submitted(task), first_sent_at=BIRTH + 0.234567, submitted_at=BIRTH + 1.345678)
    looked = sent.looked(BIRTH + 62.456789, next_check_at=BIRTH + 122.567891, crowded=False)
    url = Output(url=f"https://cdn.example.com/outputs/{'x' * 96}.png", expires_at=BIRTH + 3600)
    lease = "lease_0123456789abcdef"
    known = looked.storing(BIRTH + 70.678912, by="callback", lease=lease, lease_s=25, outputs=(url,))
    done = known.stored(BIRTH + 72.789123, (an_image(),))
    pair = known.stored(BIRTH + 72.789123, (an_image(), an_image(1)))

    born = rows.state_row(task, retention_days=30, born=True)
    assert row_size(born) <= rows.EMBED_LIMIT
    for later in (sent, looked, known, done, pair):
        row = rows.state_row(later, retention_days=30) | {"move_id": {"S": "0123456789ab"}}
        assert "request" in row
        assert row_size(row) <= 1024, later.phase


def test_a_request_without_room_is_left_out_of_the_row() -> None:
    assert "request" not in rows.state_row(a_task(request=a_long_request()), retention_days=30, born=True)


@given(st.integers(0, 700))
def test_a_request_that_was_put_into_the_row_stays_in_it(length: int) -> None:
    born = a_task(request=a_request(_noise(length)))
    inside = "request" in rows.state_row(born, retention_days=30, born=True)

    for later in (
        submitted(born),
        storing(submitted(born), "https://cdn.test/" + "x" * 500),
        born.looked(BIRTH, next_check_at=None, crowded=True),
    ):
        assert not inside or "request" in rows.state_row(later, retention_days=30)


@given(st.integers(0, 700), st.integers(0, 3), st.integers(0, 2))
def test_a_request_leaves_its_row_only_between_attempts_and_no_attempt_makes_the_row_cost_twice(
    length: int, retries: int, others: int
) -> None:
    prompt = _noise(length)
    name = "gpt-image-2.5/image-to-image"
    other = Alternative(upstream="pixapi", model=name, route="ext", wire_model=name, input={"prompt": prompt})
    plan = replace(a_request(prompt), alternatives=(other,) * others, origin="https://abc.execute-api.us-east-1.amazonaws.com")
    task = a_task(request=plan, max_auto_retries=retries)
    inside = "request" in rows.state_row(task, retention_days=30, born=True)

    for instead in (*plan.alternatives, *(None,) * retries):
        again = submitted(_sent(task)).again(BIRTH + 30.125, FOR_NOTHING, instead=instead)
        stages = [again, _sent(again), submitted(_sent(again)), storing(submitted(_sent(again)))]
        found = [rows.state_row(one, retention_days=30) | {"move_id": {"S": "0123456789ab"}} for one in stages]
        assert len({"request" in row for row in found}) == 1
        assert not inside or max(map(row_size, found)) <= 1024
        inside, task = inside and "request" in found[0], again


def test_a_row_is_in_the_due_index_only_while_somebody_must_look() -> None:
    task = a_task()
    ended = task.canceled(BIRTH + 1, charged="no", by="owner")

    assert {"due_shard", "next_check_at"} <= rows.state_row(task, retention_days=30).keys()
    assert not {"due_shard", "next_check_at"} & rows.state_row(ended, retention_days=30).keys()


def test_open_tasks_are_spread_over_all_shards() -> None:
    shards = {rows.state_row(a_task(number), retention_days=30)["due_shard"]["S"] for number in range(200)}

    assert shards == {rows.due_shard(number) for number in range(rows.SHARDS)}


def test_an_owners_day_is_counted_in_utc() -> None:
    row = rows.state_row(a_task(at=1_763_683_199.9), retention_days=30)

    assert row["owner_day"] == {"S": "dev#2025-11-20"}


@pytest.mark.parametrize(("retention_days", "kept_days"), [(1, 35), (30, 35), (31, 36), (365, 370)])
def test_an_ended_row_outlives_its_images(retention_days: int, kept_days: int) -> None:
    ended = a_task().canceled(BIRTH, charged="no", by="owner")

    row = rows.state_row(ended, retention_days=retention_days)

    assert row["expires_at"] == {"N": str(int(BIRTH + kept_days * 86_400))}


def test_nothing_expires_where_images_are_kept_for_ever() -> None:
    ended = a_task(request=a_long_request()).canceled(BIRTH, charged="no", by="owner")

    assert "expires_at" not in rows.state_row(ended, retention_days=0)
    assert "expires_at" not in rows.request_row(ended, ended.request, retention_days=0)


def test_a_long_request_outlives_the_row_it_belongs_to() -> None:
    task = a_task(request=a_long_request())
    # The longest life: a day of waiting, a day of generating.
    ended = replace(task, phase=Phase.EXPIRED, terminal_at=BIRTH + 2 * 86_400)

    request = rows.request_row(task, task.request, retention_days=30)

    assert int(request["expires_at"]["N"]) > rows.expires_at(ended, 30)


def _largest_that_keeps_its_request() -> Task:
    for length in range(1000, 0, -1):
        task = a_task(request=a_request(_noise(length)))
        if rows.fits_in_row(task):
            return task
    raise AssertionError("not even one character fits")


def _sent(task: Task) -> Task:
    return task if task.phase is Phase.SUBMITTING else task.submitting(BIRTH + 31.125, callback_expected=True)


def _noise(length: int) -> str:
    """Text that hardly compresses."""
    return "".join(f"{number * 7919 % 65_521:x}" for number in range(length))[:length]


def test_a_request_is_not_kept_in_memory_for_what_was_once_measured() -> None:
    """The functions have little of it, and a request may hold pictures."""
    for make in (a_request, a_long_request):
        task = a_task(request=make())
        assert task.request is not None
        rows.fits_in_row(task)
        request = weakref.ref(task.request)
        del task

        assert request() is None
