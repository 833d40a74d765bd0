"""The work queue in SQS: what is to be done with which task, and its dead letters."""

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from darkroom.adapters.clients import unavailable
from darkroom.ports import MOST_DELAY_S, Job

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_VERBS = ("submit", "store")
_AT_ONCE = 10
# Long enough to send ten messages; a letter that we fail to delete comes back to the dead letters, not to nobody.
_HIDDEN_S = 60


class SqsQueue:
    """`Queue` over SQS."""

    def __init__(self, *, client: "SQSClient", url: str, dead_letter_url: str) -> None:
        self._client = client
        self._url = url
        self._dead_letter_url = dead_letter_url

    def send(self, job: Job, *, delay_s: float = 0.0) -> None:
        # Whole seconds, and never too early.
        self._send(write_job(job), delay_s=min(MOST_DELAY_S, max(0, math.ceil(delay_s))))

    def redrive(self, *, limit: int) -> int:
        moved = 0
        while moved < limit and (letters := self._receive(min(_AT_ONCE, limit - moved))):
            for letter in letters:
                self._send(letter["Body"])
                self._delete(letter)
            moved += len(letters)
        return moved

    def _send(self, body: str, *, delay_s: int = 0) -> None:
        with unavailable("queue"):
            self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=delay_s)

    def _receive(self, at_most: int) -> "list[MessageTypeDef]":
        with unavailable("queue"):
            # A wait of one second asks every server of the queue; without it a few letters may be overlooked.
            answer = self._client.receive_message(
                QueueUrl=self._dead_letter_url, MaxNumberOfMessages=at_most, VisibilityTimeout=_HIDDEN_S, WaitTimeSeconds=1
            )
        return answer.get("Messages", [])

    def _delete(self, letter: "MessageTypeDef") -> None:
        with unavailable("queue"):
            self._client.delete_message(QueueUrl=self._dead_letter_url, ReceiptHandle=letter["ReceiptHandle"])


def write_job(job: Job) -> str:
    """The message's body."""
    return json.dumps({name: value for name, value in asdict(job).items() if value is not None}, separators=(",", ":"))


def read_job(body: str) -> Job:
    """The job in a message's body; raises ValueError that names what is wrong with it."""
    try:
        facts = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the message is not JSON") from error
    if not isinstance(facts, dict):
        raise ValueError("the message is not a JSON object")  # noqa: TRY004  (the caller asks for one kind of error)
    if facts.get("do") not in _VERBS:
        raise ValueError(f"`do` is {facts.get('do')!r}, not one of {', '.join(_VERBS)}")
    return Job(do=facts["do"], task_id=_text(facts, "task_id"), attempt=_attempt(facts), lease=_lease(facts))


def _text(facts: dict[str, object], name: str) -> str:
    value = facts.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` is {value!r}, not a text")
    return value


def _attempt(facts: dict[str, object]) -> int:
    value = facts.get("attempt")
    if type(value) is not int or value < 1:
        raise ValueError(f"`attempt` is {value!r}, not a whole number from 1")
    return value


def _lease(facts: dict[str, object]) -> str | None:
    return None if facts.get("lease") is None else _text(facts, "lease")
