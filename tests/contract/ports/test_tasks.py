"""What every table of tasks promises."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from darkroom.domain.attempts import Alternative
from darkroom.domain.task import Output, Phase, TaskError
from darkroom.errors import StorageUnavailable, TaskChanged, TaskExists
from darkroom.ports import Evidence, ListQuery, Tasks
from tests.contract.ports.conftest import Clock
from tests.support.tasks import BIRTH, TIMING, a_long_request, a_request, a_task, an_image, storing, submitted, succeeded

DAY = 86_400


def test_a_task_comes_back_as_it_was_written(tasks: Tasks) -> None:
    task = a_task(route="ext", preset="poster@1", user="u_123", retry_of="task_00000000000000000000000001", attempt=2, looks=3)

    tasks.add(task)

    assert tasks.get(task.id) == task


def test_every_stage_of_a_task_comes_back_as_it_was_written(tasks: Tasks) -> None:
    born = a_task()
    sent = submitted(born)
    known = storing(sent)
    done = known.stored(BIRTH + 32, (an_image(),))
    tasks.add(born)

    for before, after in ((born, sent), (sent, known), (known, done)):
        tasks.move(before, after)

        assert tasks.get(born.id) == after


def test_an_error_comes_back_as_it_was_written(tasks: Tasks) -> None:
    task = a_task()
    error = TaskError(code="content_rejected", message="no", charged="no", upstream_code="POLICY", upstream_message="不行 ☂")
    failed = task.failed(BIRTH + 5, error, by="create")
    tasks.add(task)

    tasks.move(task, failed)

    assert tasks.get(task.id) == failed


def test_the_attempts_of_a_task_come_back_as_they_were_written(tasks: Tasks) -> None:
    task = a_task(max_auto_retries=2)
    other = Alternative(upstream="pixapi", model="gpt-image-2", route="ext", wire_model="gpt-2", input={"prompt": "a kite"})
    why = TaskError(code="model_unavailable", message="no", charged="no")
    second = task.again(BIRTH + 5, why)
    third = second.submitting(BIRTH + 6).again(BIRTH + 7, why, instead=other)
    tasks.add(task)

    tasks.move(task, second)
    tasks.move(second, third)

    assert tasks.get(task.id) == third


@pytest.mark.parametrize("words", range(10, 40, 3))
def test_a_request_is_found_however_many_attempts_its_task_takes(tasks: Tasks, words: int) -> None:
    prompt = " ".join(f"{number * 7919 % 65_521:x}" for number in range(words))
    task = a_task(request=a_request(prompt), max_auto_retries=3)
    why = TaskError(code="model_unavailable", message="no", charged="no")
    tasks.add(task)

    for _ in range(3):
        before = tasks.get(task.id)
        tasks.move(before, before.again(BIRTH + 5, why))
        waiting = tasks.get(task.id)
        tasks.move(waiting, waiting.submitting(BIRTH + 6))

        assert tasks.request_of(tasks.get(task.id)) == task.request


def test_an_unknown_task_is_none(tasks: Tasks) -> None:
    assert tasks.get(a_task().id) is None


def test_a_task_is_added_once(tasks: Tasks) -> None:
    task = a_task()
    tasks.add(task)

    with pytest.raises(TaskExists):
        tasks.add(replace(task, owner="somebody else"))

    assert tasks.get(task.id) == task


def test_of_many_adds_at_once_one_wins(tasks: Tasks) -> None:
    def add(number: int) -> bool:
        try:
            tasks.add(a_task(owner=f"owner-{number}"))
        except TaskExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(add, range(8)))

    assert won.count(True) == 1
    assert tasks.get(a_task().id).owner == f"owner-{won.index(True)}"


def test_of_many_moves_at_once_one_wins(tasks: Tasks) -> None:
    task = a_task()
    tasks.add(task)

    def move(number: int) -> bool:
        try:
            tasks.move(task, task.submitted(BIRTH + 1, upstream_task_id=f"up-{number}"))
        except TaskChanged:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(move, range(8)))

    assert won.count(True) == 1
    assert tasks.get(task.id).upstream_task_id == f"up-{won.index(True)}"


def test_a_move_from_an_old_version_changes_nothing(tasks: Tasks) -> None:
    task = a_task()
    sent = submitted(task)
    tasks.add(task)
    tasks.move(task, sent)

    with pytest.raises(TaskChanged):
        tasks.move(task, task.canceled(BIRTH + 9, charged="no", by="owner"))

    assert tasks.get(task.id) == sent


def test_a_task_that_is_not_there_cannot_be_moved(tasks: Tasks) -> None:
    task = a_task()

    with pytest.raises(TaskChanged):
        tasks.move(task, submitted(task))

    assert tasks.get(task.id) is None


def test_a_short_request_comes_along_with_its_task(tasks: Tasks) -> None:
    task = a_task()
    tasks.add(task)
    tasks.move(task, submitted(task))

    read = tasks.get(task.id)

    assert read.request == task.request
    assert tasks.request_of(read) == task.request


def test_a_long_request_is_read_on_demand(tasks: Tasks) -> None:
    task = a_task(request=a_long_request())
    tasks.add(task)

    read = tasks.get(task.id)

    assert read.request is None
    assert tasks.request_of(read) == task.request


@pytest.mark.parametrize("request_", [a_request(), a_long_request()], ids=["short", "long"])
def test_a_request_survives_every_move(tasks: Tasks, request_) -> None:
    task = a_task(request=request_)
    tasks.add(task)
    tasks.move(task, submitted(task))
    read = tasks.get(task.id)
    tasks.move(read, storing(read))
    read = tasks.get(task.id)
    tasks.move(read, read.stored(BIRTH + 40, (an_image(),)))

    assert tasks.request_of(tasks.get(task.id)) == request_


@pytest.mark.parametrize("body", [bytes(range(256)), b"", "größe ☂ 大".encode(), bytes(range(256)) * 40])
def test_the_frozen_bytes_survive_exactly(tasks: Tasks, body: bytes) -> None:
    task = a_task(request=a_request(body=body))
    tasks.add(task)

    assert tasks.request_of(tasks.get(task.id)).body == body


def test_a_second_add_leaves_the_first_long_request_alone(tasks: Tasks) -> None:
    first = a_long_request()
    task = a_task(request=first)
    tasks.add(task)

    with pytest.raises(TaskExists):
        tasks.add(replace(task, request=replace(first, body=first.body + b" ")))

    assert tasks.request_of(tasks.get(task.id)) == first


def test_a_request_that_was_never_stored_is_not_made_up(tasks: Tasks) -> None:
    with pytest.raises(StorageUnavailable):
        tasks.request_of(a_task(request=None))


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_all_images_of_a_task_come_back(tasks: Tasks, count: int) -> None:
    task = a_task()
    known = storing(submitted(task))
    done = known.stored(BIRTH + 32, tuple(map(an_image, range(count))))
    tasks.add(task)
    tasks.move(task, submitted(task))
    tasks.move(submitted(task), known)

    tasks.move(known, done)

    assert tasks.get(task.id) == done
    assert list(tasks.list(ListQuery(owner="dev", limit=5, created_after=BIRTH)).tasks) == [done]


def test_late_images_come_back_late(tasks: Tasks) -> None:
    sent = submitted(a_task())
    expired = sent.expired(BIRTH + 2000, TaskError(code="deadline_exceeded", message="too late"), TIMING)
    late = storing(expired).stored(BIRTH + 2100, tuple(an_image(index, late=True) for index in range(4)))
    tasks.add(sent)
    tasks.move(sent, expired)
    tasks.move(expired, storing(expired))

    tasks.move(storing(expired), late)

    assert tasks.get(sent.id) == late


def test_of_outputs_whose_urls_are_very_long_only_their_number_is_kept(tasks: Tasks) -> None:
    sent = submitted(a_task())
    known = storing(sent, "https://cdn.test/0.png?" + "x" * 700)
    tasks.add(sent)

    tasks.move(sent, known)

    assert tasks.get(sent.id) == replace(known, outputs=(Output(url=""),))


def test_of_an_output_that_holds_its_picture_itself_only_its_place_is_kept(tasks: Tasks) -> None:
    sent = submitted(a_task())
    inside, outside = Output(url="data:image/png;base64," + "QUJD" * 1_000_000), Output(url="https://cdn.test/1.png")
    known = replace(storing(sent, "https://cdn.test/0.png"), outputs=(inside, outside))
    tasks.add(sent)

    tasks.move(sent, known)

    assert tasks.get(sent.id) == replace(known, outputs=(Output(url=""), outside))


def test_an_output_without_an_end_comes_back_without_one(tasks: Tasks) -> None:
    sent = submitted(a_task())
    known = replace(
        storing(sent), outputs=(Output(url="https://cdn.test/0.png"), Output(url="https://cdn.test/1.png", expires_at=5.0))
    )
    tasks.add(sent)

    tasks.move(sent, known)

    assert tasks.get(sent.id).outputs == known.outputs


def test_what_is_due_is_found_oldest_first(tasks: Tasks) -> None:
    made = [a_task(number, next_check_at=BIRTH + 100 - number) for number in range(20)]
    for task in made:
        tasks.add(task)

    assert list(tasks.overdue(BIRTH + 95, limit=100)) == [task.id for task in reversed(made[5:])]
    assert list(tasks.overdue(BIRTH + 95, limit=3)) == [task.id for task in reversed(made[-3:])]
    assert list(tasks.overdue(BIRTH + 80, limit=100)) == []


def test_a_task_is_due_when_its_last_write_says_so(tasks: Tasks) -> None:
    task = a_task(next_check_at=BIRTH + 10)
    looked = task.looked(BIRTH + 10, next_check_at=BIRTH + 500, crowded=True)
    tasks.add(task)
    tasks.move(task, looked)

    assert list(tasks.overdue(BIRTH + 400, limit=10)) == []
    assert list(tasks.overdue(BIRTH + 500, limit=10)) == [task.id]
    assert tasks.get(task.id) == looked


def test_a_task_that_is_looked_at_again_soon_stays_where_the_index_has_it(tasks: Tasks) -> None:
    task = a_task(next_check_at=BIRTH + 10)
    looked = task.looked(BIRTH + 20, next_check_at=BIRTH + 140, crowded=False)
    tasks.add(task)
    tasks.move(task, looked)

    assert list(tasks.overdue(BIRTH + 20, limit=10)) == [task.id]
    assert tasks.get(task.id) == looked
    assert tasks.get(task.id).next_check_at == BIRTH + 140

    tasks.move(looked, looked.asked_to_wait(until=BIRTH + 150))
    assert list(tasks.overdue(BIRTH + 149, limit=10)) == []
    assert list(tasks.overdue(BIRTH + 150, limit=10)) == [task.id]


def test_an_ended_task_is_never_due(tasks: Tasks) -> None:
    task = a_task()
    tasks.add(task)

    tasks.move(task, task.canceled(BIRTH + 9, charged="no", by="owner"))

    assert list(tasks.overdue(BIRTH + DAY, limit=10)) == []


def test_a_list_shows_an_owners_tasks_newest_first(tasks: Tasks) -> None:
    mine = [a_task(number, at=BIRTH + number) for number in range(5)]
    for task in [*mine, a_task(9, at=BIRTH + 2.5, owner="somebody else")]:
        tasks.add(task)

    assert list(tasks.list(ListQuery(owner="dev", limit=10)).tasks) == mine[::-1]
    assert _all_pages(tasks, ListQuery(owner="dev", limit=10)) == [task.id for task in mine[::-1]]


def test_pages_follow_each_other_over_days_without_gap_or_repeat(tasks: Tasks, clock: Clock) -> None:
    clock.now = BIRTH + 9 * DAY
    made = [a_task(number, at=BIRTH + number * DAY / 2) for number in range(18)]
    for task in made:
        tasks.add(task)

    assert _all_pages(tasks, ListQuery(owner="dev", limit=4)) == [task.id for task in reversed(made)]


def test_pages_reach_over_a_long_quiet_time(tasks: Tasks, clock: Clock) -> None:
    clock.now = BIRTH + 38 * DAY
    old, new = a_task(1), a_task(2, at=BIRTH + 38 * DAY - 60)
    tasks.add(old)
    tasks.add(new)

    assert _all_pages(tasks, ListQuery(owner="dev", limit=4)) == [new.id, old.id]


def test_a_list_keeps_to_the_asked_time(tasks: Tasks) -> None:
    made = [a_task(number, at=BIRTH - 5 * DAY + number * DAY) for number in range(5)]
    for task in made:
        tasks.add(task)

    query = ListQuery(owner="dev", limit=10, created_after=made[1].created_at, created_before=made[3].created_at)

    assert _all_pages(tasks, query) == [made[2].id, made[1].id]


def test_a_full_page_of_a_hundred_is_possible(tasks: Tasks) -> None:
    made = [a_task(number) for number in range(101)]
    for task in made:
        tasks.add(task)

    page = tasks.list(ListQuery(owner="dev", limit=100))

    assert len(page.tasks) == 100
    assert page.last_seen == made[1].id


def test_a_list_shows_the_present_state(tasks: Tasks) -> None:
    task = a_task()
    tasks.add(task)

    tasks.move(task, submitted(task))

    assert [one.phase for one in tasks.list(ListQuery(owner="dev", limit=10)).tasks] == [Phase.QUEUED]


def test_an_ended_task_is_forgotten_after_its_images(tasks: Tasks, clock: Clock) -> None:
    task = replace(succeeded(a_task()), version=1)
    tasks.add(task)
    clock.now = task.terminal_at + 34.9 * DAY
    assert tasks.get(task.id) == task

    clock.now = task.terminal_at + 35.1 * DAY

    assert tasks.get(task.id) is None
    assert list(tasks.list(ListQuery(owner="dev", limit=10)).tasks) == []


def test_a_forgotten_task_leaves_its_id_free(tasks: Tasks, clock: Clock) -> None:
    tasks.add(succeeded(a_task()))
    clock.now = BIRTH + 60 * DAY
    again = a_task()

    tasks.add(again)

    assert tasks.get(again.id) == again


def test_an_open_task_is_never_forgotten(tasks: Tasks, clock: Clock) -> None:
    task = a_task()
    tasks.add(task)

    clock.now = BIRTH + 5000 * DAY

    assert tasks.get(task.id) == task


def test_the_last_evidence_is_kept(tasks: Tasks, clock: Clock) -> None:
    task = a_task()
    tasks.add(task)
    first = Evidence(body="{}", at=BIRTH + 1, source="poll")
    last = Evidence(body='{"status":"不"}' * 500, at=BIRTH + 2.5, source="callback", status=200, request_id="req-1")
    tasks.keep_evidence(task.id, first)
    assert tasks.evidence(task.id) == first

    tasks.keep_evidence(task.id, last)

    assert tasks.evidence(task.id) == last
    assert tasks.get(task.id) == task


def test_evidence_is_forgotten_after_forty_days(tasks: Tasks, clock: Clock) -> None:
    tasks.keep_evidence(a_task().id, Evidence(body="{}", at=BIRTH, source="poll"))

    clock.now = BIRTH + 40 * DAY + 1

    assert tasks.evidence(a_task().id) is None


def test_without_evidence_there_is_none(tasks: Tasks) -> None:
    assert tasks.evidence(a_task().id) is None


def _all_pages(tasks: Tasks, query: ListQuery) -> list[str]:
    found: list[str] = []
    for _ in range(50):
        page = tasks.list(query)
        assert len(page.tasks) <= query.limit
        found += [task.id for task in page.tasks]
        if page.last_seen is None:
            return found
        query = replace(query, before=page.last_seen)
    raise AssertionError("the pages never end")


def test_what_was_sent_first_is_what_is_sent_again(tasks: Tasks) -> None:
    sending = replace(a_task(phase=Phase.SUBMITTING), first_sent_at=BIRTH + 0.123456)
    tasks.add(sending)
    again = tasks.get(sending.id)
    assert again is not None

    first = tasks.keep_sent(sending, b'{"first": true}' * 5000, good_for_s=0)

    assert first == b'{"first": true}' * 5000
    assert tasks.keep_sent(again, b"another", good_for_s=0) == first


def test_another_sending_has_the_same_bytes_as_long_as_they_are_good(tasks: Tasks) -> None:
    sending = replace(a_task(phase=Phase.SUBMITTING), first_sent_at=BIRTH)
    tasks.keep_sent(sending, b"first", good_for_s=60)

    soon = tasks.keep_sent(replace(sending, first_sent_at=BIRTH + 60), b"soon", good_for_s=60)
    later = tasks.keep_sent(replace(sending, first_sent_at=BIRTH + 61), b"later", good_for_s=60)
    repeated = tasks.keep_sent(replace(sending, first_sent_at=BIRTH + 61), b"repeated", good_for_s=60)

    assert (soon, later, repeated) == (b"first", b"later", b"later")


def test_another_attempt_has_bytes_of_its_own(tasks: Tasks) -> None:
    sending = replace(a_task(phase=Phase.SUBMITTING), first_sent_at=BIRTH)
    tasks.keep_sent(sending, b"first", good_for_s=60)

    assert tasks.keep_sent(replace(sending, attempt=2), b"second", good_for_s=60) == b"second"
    assert tasks.keep_sent(sending, b"again", good_for_s=60) == b"first"


def test_of_many_senders_at_once_all_send_what_one_of_them_made(tasks: Tasks) -> None:
    sending = replace(a_task(phase=Phase.SUBMITTING), first_sent_at=BIRTH)

    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda number: tasks.keep_sent(sending, b"%d" % number, good_for_s=60), range(8)))

    assert len(set(sent)) == 1
