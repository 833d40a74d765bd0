"""The local queue behaves like the deployed one: what fails comes back, then lies with the dead letters, then is redriven."""

import boto3

from local.parts import STACK
from tests.pipeline.running import Up, wait_for
from tests.support.aws import clients_at


def test_a_poison_message_ends_with_the_dead_letters_and_redrive_brings_it_back() -> None:
    with Up() as up:
        sqs = clients_at(up.about["store_url"]).sqs
        tasks, letters = (sqs.get_queue_url(QueueName=f"{STACK}-{name}")["QueueUrl"] for name in ("tasks", "deadletterqueue"))
        sqs.set_queue_attributes(QueueUrl=tasks, Attributes={"VisibilityTimeout": "0"})

        sqs.send_message(QueueUrl=tasks, MessageBody="this is no job")
        wait_for(lambda: waiting(sqs, letters) == 1, "a dead letter", timeout_s=60)
        # From now on it would come back only after a while.
        sqs.set_queue_attributes(QueueUrl=tasks, Attributes={"VisibilityTimeout": "600"})
        moved = up.cli("redrive", "--json").found

        assert moved == {"moved": 1}
        assert waiting(sqs, letters) == 0
        wait_for(lambda: hidden(sqs, tasks) == 1, "another try at it")
        assert up.process.poll() is None


def test_jobs_of_a_batch_fail_one_by_one() -> None:
    with Up() as up:
        sqs = clients_at(up.about["store_url"]).sqs
        tasks = sqs.get_queue_url(QueueName=f"{STACK}-tasks")["QueueUrl"]
        known = up.finish(up.ask("its job comes late"))
        good = f'{{"do":"store","task_id":"{known["id"]}","attempt":1}}'

        sqs.send_message_batch(
            QueueUrl=tasks, Entries=[{"Id": str(n), "MessageBody": body} for n, body in enumerate([good, "poison", good])]
        )

        wait_for(lambda: (waiting(sqs, tasks), hidden(sqs, tasks)) == (0, 1), "the poison to be left alone")


def waiting(sqs: "boto3.client", url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    return int(found["ApproximateNumberOfMessages"])


def hidden(sqs: "boto3.client", url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])["Attributes"]
    return int(found["ApproximateNumberOfMessagesNotVisible"])
