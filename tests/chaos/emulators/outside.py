"""Everybody around the deployment: the application, the upstream, the queue's poller and the schedule, one step at a time."""

import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from darkroom.domain.task import Task
from darkroom.errors import StorageUnavailable
from local.simulator.callbacks import write_letter
from local.simulator.tasks import NEVER
from local.simulator.tasks import Task as Generation
from tests.chaos.emulators.deployment import KEY, WEBHOOK_SECRET, Answer, Deployment, read_answer

MODEL = "gpt-image-2/text-to-image"
DELIVERIES = 4
ROUNDS = 24
STEP_S = 60.0
# After that many ticks they are further apart: some tasks are ended by their deadline only.
_OFTEN = 12
_SELDOM_S = 300.0
_PATIENCE_S = 60.0
_SUBJECTS = ("a red kite", "a lighthouse", "a grey cat", "an old mill")
_numbers = itertools.count(1)

T = TypeVar("T")


class Stuck(AssertionError):
    """What must happen does not happen, or somebody is answered what nobody should be answered."""


class Died(Exception):
    """The function's process ended before it answered."""


Invoke = Callable[[str, Mapping[str, Any]], Any]
"""Calls a function in another process; raises Died."""


@dataclass(slots=True)
class Wish:
    """A request of the application; `answer` is the one that it believes."""

    key: str
    body: bytes
    answer: Answer | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {KEY}", "content-type": "application/json", "idempotency-key": self.key}

    @property
    def task_id(self) -> str:
        assert self.answer is not None
        return str(self.answer.json["id"])


@dataclass(slots=True)
class Outside:
    """Acts on `deployment`, and remembers what must come to an end.

    `silent`: the upstream never calls back. `hidden_s` pass before a message that failed is delivered again.
    """

    deployment: Deployment
    silent: bool = False
    hidden_s: float = 0.0
    invoke: Invoke | None = None
    wishes: list[Wish] = field(default_factory=list)
    deliveries: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    refused: list[Answer] = field(default_factory=list)
    began: int = 0

    def __post_init__(self) -> None:
        self.began = len(self.deployment.wire.journal)

    # -- the application ------------------------------------------------------------------------------

    def wish(self, *, markers: str = "", length: int = 0) -> Wish:
        """Something to ask for; the same few pictures again and again, because drawing one takes long."""
        number = next(_numbers)
        prompt = f"{_SUBJECTS[number % len(_SUBJECTS)]} {markers}".strip().ljust(length, "x")
        body = json.dumps({"model": MODEL, "input": {"prompt": prompt}}).encode()
        made = Wish(key=f"order-{number}-{time.monotonic_ns()}", body=body)
        self.wishes.append(made)
        return made

    def ask(self, wish: Wish, *, door: str = "anybody") -> Answer | None:
        """Send the request, for the first time or again."""
        answer = self._http("POST", "/v1/tasks", wish.headers, wish.body, door)
        if answer is not None and answer.well:
            wish.answer = answer
        return answer

    def cancel(self, wish: Wish, *, door: str = "anybody") -> Answer | None:
        """The application wants it no more."""
        if wish.answer is None:
            return None
        return self._http("POST", f"/v1/tasks/{wish.task_id}/cancel", {"authorization": f"Bearer {KEY}"}, b"", door)

    # -- the upstream ---------------------------------------------------------------------------------

    def generations(self) -> list[Generation]:
        """What the upstream has made for this run."""
        ours = self.task_ids()
        every = list(self.deployment.simulator.world.tasks.values())
        return [one for one in every if str(one.idempotency_key).partition(":")[0] in ours]

    def finish(self) -> None:
        """Every generation comes to its end."""
        self.deployment.simulator.admin.jump(2.0)
        wait_for(lambda: all(one.is_final or one.latency == NEVER for one in self.generations()), "the upstream's ends")

    def deliver(self, generation: Generation, *, door: str = "anybody") -> Answer | None:
        """One delivery of its callback."""
        self.deliveries[generation.task_id] += 1
        answer = self._http(*self.letter(generation), door)
        if answer is not None and answer.well:
            self.acknowledged.add(generation.task_id)
        return answer

    def letter(self, generation: Generation) -> tuple[str, str, dict[str, str], bytes]:
        """The callback as it would be sent now: method, path, headers, body."""
        shown, stamp = self.deployment.simulator.world.shown(generation), int(self.deployment.clock())
        written = write_letter(shown, stamp=stamp, secret=WEBHOOK_SECRET, twists={})
        path = "/" + str(generation.submission.callback_url).split("/", 3)[3]
        return "POST", path, {name.lower(): value for name, value in written.headers.items()}, written.body

    def deliver_all(self) -> None:
        """Every callback that is due, as often as the upstream delivers it."""
        for one in () if self.silent else self.generations():
            while one.is_final and one.task_id not in self.acknowledged and self.deliveries[one.task_id] < DELIVERIES:
                self.deliver(one)

    # -- queue and schedule ---------------------------------------------------------------------------

    def receive(self) -> list[dict[str, Any]]:
        """Messages of the queue as Lambda's poller hands them on."""
        found = self.deployment.aws.clients.sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=5, WaitTimeSeconds=0, MessageSystemAttributeNames=["All"]
        )
        return [_record(dict(one)) for one in found.get("Messages", [])]

    def work(self, records: list[dict[str, Any]], *, door: str = "anybody") -> None:
        """One batch: what failed comes back, the rest is deleted."""
        answer = self.call("work_tasks", {"Records": records}, door=door)
        every = {record["messageId"] for record in records}
        failed = every if answer is None else {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        sqs = self.deployment.aws.clients.sqs
        self.deployment.ahead += self.hidden_s if failed else 0
        for record in records:
            where = {"QueueUrl": self._queue, "ReceiptHandle": record["receiptHandle"]}
            # Two workers may have one delivery; MiniStack minds when the message is gone already, SQS does not.
            with contextlib.suppress(sqs.exceptions.ReceiptHandleIsInvalid):
                if record["messageId"] in failed:
                    sqs.change_message_visibility(**where, VisibilityTimeout=0)
                else:
                    sqs.delete_message(**where)

    def pump(self, *, door: str = "anybody") -> int:
        """Whatever lies in the queue, until it is empty or in the dead-letter queue; how many deliveries that took."""
        worked = 0
        while records := self.receive():
            self.work(records, door=door)
            worked += len(records)
            if worked > 200:
                raise Stuck("the queue never empties")
        return worked

    def tick(self, *, after: float = STEP_S, door: str = "anybody") -> None:
        """The schedule's next tick, some seconds later."""
        self.deployment.ahead += after
        self.call("reconcile_tasks", {}, door=door)

    # -- the world going on ---------------------------------------------------------------------------

    def go_on(self) -> None:
        """Until every wish has its task and every task its end; raises Stuck when that does not come."""
        for number in range(ROUNDS):
            for wish in self.wishes:
                if wish.answer is None:
                    self.ask(wish)
            self.finish()
            self.deliver_all()
            self.pump()
            if self.is_at_rest():
                return
            self.tick(after=STEP_S if number < _OFTEN else _SELDOM_S)
        raise Stuck(f"after {ROUNDS} ticks: {[(one.id, one.phase.value, one.next_check_at) for one in self.tasks().values()]}")

    def is_at_rest(self) -> bool:
        """Whether every wish has a task and every task has ended."""
        return all(wish.answer is not None for wish in self.wishes) and all(one.is_terminal for one in self.tasks().values())

    def tasks(self) -> dict[str, Task]:
        """The rows that this run has made, as they are."""
        found = {id_: self.deployment.task(id_) for id_ in self.task_ids()}
        return {id_: task for id_, task in found.items() if task is not None}

    def task_ids(self) -> set[str]:
        """Of every state row that this run has tried to write."""
        rows = [row for one in self.deployment.wire.since(self.began) if (row := one.written) is not None]
        return {row["pk"]["S"] for row in rows if row["sk"]["S"] == "state"}

    # -- calling --------------------------------------------------------------------------------------

    def call(self, folder: str, event: Mapping[str, Any], *, door: str = "anybody") -> Any:
        """What the function returned; None when it died, or when the schedule found no table."""
        try:
            return self.invoke(folder, event) if self.invoke else self.deployment.call(folder, event, door=door)
        except Died:
            return None
        except StorageUnavailable:
            if folder != "reconcile_tasks":
                raise
            # Lambda reports it; the next tick is the retry.
            return None

    def _http(self, method: str, target: str, headers: Mapping[str, str], body: bytes, door: str) -> Answer | None:
        folder, event = self.deployment.event(method, target, headers, body)
        value = self.call(folder, event, door=door)
        answer = None if value is None else read_answer(value)
        if answer is not None and not answer.well:
            self.refused.append(answer)
            _expect_an_honest_no(answer)
        return answer

    @property
    def _queue(self) -> str:
        return self.deployment.names["DARKROOM_QUEUE_URL"]


def wait_for(condition: Callable[[], T], what: str, *, timeout_s: float = _PATIENCE_S) -> T:
    """The condition's first true value; raises Stuck when there is none in time."""
    until = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > until:
            raise Stuck(f"waited {timeout_s:g} s in vain for {what}")
        time.sleep(0.005)
    return found


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
    }


def _expect_an_honest_no(answer: Answer) -> None:
    """Whatever fails behind us is a 503 that may be tried again; a cancel may come too late."""
    if answer.status == 503:
        honest = answer.json == {"retry": True} or (answer.json["code"], answer.json["retryable"]) == ("unavailable", "same")
    else:
        honest = answer.status == 409 and answer.json["code"] in ("too_late", "already_terminal")
    if not honest:
        raise Stuck(f"answered {answer.status}: {answer.body.decode()}")
