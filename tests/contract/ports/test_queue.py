"""What every work queue promises, and how a message is read."""

import time

import pytest

from darkroom.adapters.queue import SqsQueue, read_job, write_job
from darkroom.errors import StorageUnavailable
from darkroom.ports import Job
from tests.contract.ports.conftest import Letters
from tests.support.aws import clients_at

STORE = Job(do="store", task_id="task_1", attempt=2, lease="lease-1")
SUBMIT = Job(do="submit", task_id="task_2", attempt=1)


@pytest.mark.parametrize("job", [STORE, SUBMIT], ids=["store", "submit"])
def test_a_job_arrives_as_it_was_sent(letters: Letters, job: Job) -> None:
    letters.queue.send(job)

    assert letters.receive() == [job]


def test_a_delayed_job_arrives_later_and_never_too_early(letters: Letters) -> None:
    began = time.monotonic()

    letters.queue.send(SUBMIT, delay_s=1.2)

    assert letters.receive() == []
    while not (arrived := letters.receive()):
        time.sleep(0.05)
    assert arrived == [SUBMIT]
    assert time.monotonic() - began >= 1.2


def test_a_delay_beyond_what_the_queue_can_is_as_long_as_it_can(letters: Letters) -> None:
    letters.queue.send(SUBMIT, delay_s=10_000)

    assert letters.receive() == []


def test_dead_letters_are_moved_back(letters: Letters) -> None:
    letters.bury(STORE)
    letters.bury(SUBMIT)

    assert letters.queue.redrive(limit=10) == 2

    assert sorted(job.task_id for job in letters.receive()) == ["task_1", "task_2"]
    assert letters.queue.redrive(limit=10) == 0


def test_no_more_dead_letters_are_moved_than_asked_for(letters: Letters) -> None:
    for _ in range(13):
        letters.bury(STORE)

    assert letters.queue.redrive(limit=12) == 12


def test_a_queue_that_does_not_answer_is_unavailable() -> None:
    nowhere = SqsQueue(
        client=clients_at("http://127.0.0.1:9").sqs, url="http://127.0.0.1:9/1/q", dead_letter_url="http://127.0.0.1:9/1/d"
    )

    with pytest.raises(StorageUnavailable, match="queue: "):
        nowhere.send(STORE)


@pytest.mark.parametrize("job", [STORE, SUBMIT], ids=["store", "submit"])
def test_a_message_is_read_as_it_was_written(job: Job) -> None:
    assert read_job(write_job(job)) == job


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("not json", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "`do` is None"),
        ('{"do":"dance","task_id":"t","attempt":1}', "`do` is 'dance'"),
        ('{"do":["store"],"task_id":"t","attempt":1}', "`do` is"),
        ('{"do":"store","attempt":1}', "`task_id` is None"),
        ('{"do":"store","task_id":"","attempt":1}', "`task_id` is ''"),
        ('{"do":"store","task_id":"t"}', "`attempt` is None"),
        ('{"do":"store","task_id":"t","attempt":true}', "`attempt` is True"),
        ('{"do":"store","task_id":"t","attempt":0}', "`attempt` is 0"),
        ('{"do":"store","task_id":"t","attempt":1,"lease":5}', "`lease` is 5"),
    ],
)
def test_a_message_that_is_no_job_says_what_is_wrong(body: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_job(body)
