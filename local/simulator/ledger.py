"""Counts what really happened, so that a test can prove that nothing was paid for twice."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable

from local.simulator.messages import Json
from local.simulator.tasks import Task

TOTALS = (
    "posts",
    "gets",
    "lists",
    "accepted",
    "billed",
    "replays",
    "callbacks",
    "callbacks_acknowledged",
    "downloads",
)


class Ledger:
    """Counters in total and by idempotency key; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: Counter[str] = Counter()
        self._by_key: dict[str, Counter[str]] = defaultdict(Counter)
        self._answers: dict[str, Counter[str]] = defaultdict(Counter)

    def count(self, what: str, *, key: str | None = None, by: int = 1) -> None:
        """Add to a total and, where a key is known, to that key's."""
        with self._lock:
            self._totals[what] += by
            if key:
                self._by_key[key][what] += by

    def answered(self, operation: str, status: str) -> None:
        """Remember how a kind of request was answered; `dropped` when it was not."""
        with self._lock:
            self._answers[operation][status] += 1

    def shown(self, tasks: Iterable[Task], now: float) -> dict[str, Json]:
        """As `GET /_sim/ledger` shows it."""
        rows = {task.task_id: show_row(task, now) for task in tasks}
        with self._lock:
            return {
                "totals": {name: self._totals[name] for name in TOTALS},
                "by_key": {key: _key_row(key, counts, rows) for key, counts in self._by_key.items()},
                "answers": {operation: dict(counts) for operation, counts in self._answers.items()},
                "tasks": rows,
            }

    def clear(self) -> None:
        """Start again from nothing."""
        with self._lock:
            self._totals.clear()
            self._by_key.clear()
            self._answers.clear()


def show_row(task: Task, now: float) -> dict[str, Json]:
    """One task's row: whose it was, what was sent, and everything that was delivered and fetched."""
    submission = task.submission
    return {
        "task_id": task.task_id,
        "idempotency_key": task.idempotency_key,
        "callback_url": submission.callback_url,
        "model": submission.offer.name,
        "body": submission.body.decode("utf-8", "replace"),
        "status": task.status(now),
        "created": task.created,
        "completed": task.completed,
        # Simulated seconds, with fractions.
        "began_s": task.began,
        "ended_s": task.ended if task.is_final else None,
        "billed": task.billed,
        "posts": task.counts["posts"],
        "gets": task.counts["gets"],
        "references": [dict(reference) for reference in task.references],
        "deliveries": [dict(delivery) for delivery in task.deliveries],
        "downloads": [dict(download) for download in task.downloads],
        "faults": list(task.faults),
    }


def _key_row(key: str, counts: Counter[str], rows: dict[str, dict[str, Json]]) -> dict[str, Json]:
    mine = [row for row in rows.values() if row["idempotency_key"] == key]
    counted = {name: counts[name] for name in ("posts", "accepted", "billed", "replays")}
    return counted | {"task_ids": [row["task_id"] for row in mine]}
