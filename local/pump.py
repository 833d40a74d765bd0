"""What calls functions without a request: the queue's poller and the schedule."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.environments import InvocationFailed
from local.parts import ACCOUNT, REGION, QueueSource, Schedule

Invoke = Callable[[str, Mapping[str, Any]], Any]
Fault = Callable[[str, str], None]

_AFTER_FAULT_S = 1.0


class QueuePump:
    """Feeds a function from its queue like Lambda's poller: what it reports as failed stays, the rest is deleted.

    What stays comes back by itself after the queue's visibility timeout, and goes to the dead letters in the end.
    `long_poll_s` is how long one receive may wait; 0, with a pause instead, for an emulator that can only do one
    thing at a time.
    """

    def __init__(
        self, source: QueueSource, *, sqs: Any, queue_url: str, queue_arn: str, invoke: Invoke, fault: Fault, long_poll_s: int
    ) -> None:
        self._source = source
        self._sqs = sqs
        self._queue_url = queue_url
        self._queue_arn = queue_arn
        self._invoke = invoke
        self._fault = fault
        self._long_poll_s = long_poll_s
        self._stopped = threading.Event()
        self._slots = threading.BoundedSemaphore(source.concurrency)
        self._batches = ThreadPoolExecutor(max_workers=source.concurrency, thread_name_prefix="batch")

    def start(self) -> None:
        """Poll from now on."""
        threading.Thread(target=self._poll, name="pump", daemon=True).start()

    def stop(self) -> None:
        """Take no further message."""
        self._stopped.set()
        self._batches.shutdown(wait=False, cancel_futures=True)

    def _poll(self) -> None:
        while not self._stopped.is_set():
            # No message is taken before somebody is free to work on it.
            with self._slots:
                pass
            messages = self._receive()
            if messages and not self._stopped.is_set():
                self._slots.acquire()
                self._batches.submit(self._work, messages)
            elif not self._long_poll_s:
                self._stopped.wait(0.25)

    def _receive(self) -> list[dict[str, Any]]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=min(10, self._source.batch_size),
                WaitTimeSeconds=self._long_poll_s,
                MessageSystemAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            if not self._stopped.wait(_AFTER_FAULT_S):
                self._fault("pump", f"the queue did not answer: {error}")
            return []
        return list(answer.get("Messages", []))

    def _work(self, messages: list[dict[str, Any]]) -> None:
        try:
            event = {"Records": [self._record(message) for message in messages]}
            answer = self._invoke(self._source.function, event) or {}
            failed = {one["itemIdentifier"] for one in answer.get("batchItemFailures", [])}
            self._delete([message for message in messages if message["MessageId"] not in failed])
        except (InvocationFailed, BotoCoreError, ClientError) as error:
            if not self._stopped.is_set():
                self._fault("pump", f"a batch of {len(messages)} failed and will come back: {error}")
        finally:
            self._slots.release()

    def _record(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {},
            "md5OfBody": message.get("MD5OfBody", ""),
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue_arn,
            "awsRegion": REGION,
        }

    def _delete(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])


class Ticker:
    """Calls a scheduled function every `every_s` seconds; a tick that takes longer delays the next one."""

    def __init__(self, schedule: Schedule, *, every_s: float, invoke: Invoke, fault: Fault) -> None:
        self._schedule = schedule
        self._every_s = every_s
        self._invoke = invoke
        self._fault = fault
        self._stopped = threading.Event()

    def start(self) -> None:
        """Tick from now on, the first time at once: what a dead predecessor left behind is due."""
        threading.Thread(target=self._run, name="schedule", daemon=True).start()

    def stop(self) -> None:
        """Tick no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._invoke(self._schedule.function, _tick(self._schedule))
            except InvocationFailed as error:
                if not self._stopped.is_set():
                    self._fault("schedule", str(error))
            self._stopped.wait(max(0.0, self._every_s - (time.monotonic() - began)))


def _tick(schedule: Schedule) -> dict[str, Any]:
    """What EventBridge Scheduler sends when the schedule names no input of its own."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": REGION,
        "resources": [f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{schedule.name}"],
        "detail": "{}",
    }
