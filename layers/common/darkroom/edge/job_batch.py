"""From a batch of SQS messages to `work_job` and back: each message succeeds or fails on its own."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from darkroom.adapters.queue import read_job
from darkroom.domain.task import Task
from darkroom.edge.quoting import unquoted
from darkroom.errors import ConfigurationError, StoreError
from darkroom.observe import count, discreet, say, tell_next_attempt, tell_unforeseen, words_of
from darkroom.usecases.work_job import Worked, work_job
from darkroom.wiring import Services

RESERVE_S = 5.0
"""Of a run, and of a lease: for the last writes."""

_ACCOUNT_TROUBLE = frozenset({"upstream_auth", "upstream_quota"})


@dataclass(frozen=True, slots=True)
class _Failed:
    """A job that has to come back, and what may be told of the reason; `unforeseen`: an error that no code expected."""

    why: str
    unforeseen: Exception | None = None


@discreet
def work_batch(event: Mapping[str, Any], services: Services, *, remaining_s: float) -> dict[str, Any]:
    """SQS's partial batch response: the ids of the messages that have to come back.

    The messages of a batch wait for downloads side by side, so that one slow output delays nobody.
    """
    until = services.clock() + remaining_s - RESERVE_S
    records = list(event.get("Records", []))
    if not records:
        return {"batchItemFailures": []}
    with ThreadPoolExecutor(max_workers=len(records)) as pool:
        outcomes = list(pool.map(lambda record: _work(record, services, until), records))
    for record, outcome in zip(records, outcomes, strict=True):
        try:
            _tell(record, outcome, services)
        except Exception as error:
            tell_unforeseen(error, during="telling of a job", message_id=record.get("messageId"))
    count("JobsWorked", len(records))
    failed = [record.get("messageId") for record, outcome in zip(records, outcomes, strict=True) if isinstance(outcome, _Failed)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed if message_id]}


def _work(record: Mapping[str, Any], services: Services, until: float) -> Worked | _Failed:
    """Do the job of one record. This is the one place where a batch contains errors: whatever is raised fails this record alone.

    Failed jobs go back to the queue. After five times they lie in the dead-letter queue, and an alarm says so.
    """
    try:
        job = read_job(record["body"])
    except ValueError as error:
        return _Failed(str(error))
    except Exception as error:
        return _Failed(words_of(error), unforeseen=error)
    try:
        return work_job(
            job,
            lease=services.new_lease(),
            clock=services.clock,
            jitter=services.jitter,
            tasks=services.tasks,
            queue=services.queue,
            upstream_of=services.upstream,
            prepare=services.prepare,
            admission=services.admission,
            may_ask=services.allowance().may_ask,
            timing=services.settings.timing,
            sleep=services.sleep,
            keep_unread=services.keep_unread,
            store=lambda task, resume: services.store(task, resume=resume, until=_store_until(task, until)),
        )
    except (StoreError, ConfigurationError) as error:
        return _Failed(words_of(error))
    except Exception as error:
        return _Failed(words_of(error), unforeseen=error)


def _store_until(task: Task, until: float) -> float:
    """Whoever stores has to be done before somebody else may take over, however long this run may last."""
    return min(until, (task.lease_until or until) - RESERVE_S)


def _tell(record: Mapping[str, Any], outcome: Worked | _Failed, services: Services) -> None:
    if isinstance(outcome, _Failed):
        message_id, tries = record.get("messageId"), record.get("attributes", {}).get("ApproximateReceiveCount")
        if outcome.unforeseen is not None:
            tell_unforeseen(outcome.unforeseen, during="job", message_id=message_id)
        count("JobsFailed")
        say("job failed", level="error", message_id=message_id, fault=outcome.why, tries=tries, job=record.get("body"))
        return
    task = outcome.task
    if outcome.unforeseen is not None:
        tell_unforeseen(outcome.unforeseen, during="job", task_id=task.id if task else None)
    say(
        "job",
        outcome=outcome.outcome,
        task_id=task.id if task else None,
        phase=task.phase.value if task else None,
        attempt=task.attempt if task else None,
        downloads=outcome.downloads,
        fault=unquoted(outcome.fault, task, services.tasks),
    )
    count("UpstreamRefusedUs", outcome.refused in _ACCOUNT_TROUBLE)
    count("UpstreamContradictions", outcome.contradicts)
    if task is not None and outcome.again:
        tell_next_attempt(task)
    if task is not None and task.is_terminal and outcome.outcome in ("stored", "failed"):
        count(f"Tasks{task.status.value.capitalize()}")
        count("LateResults", outcome.outcome == "stored" and any(image.late for image in task.images))
