"""The tasks' table in DynamoDB: one row per task, moved by conditional writes, found by two indexes that are only hints."""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from darkroom.adapters import listing, rows
from darkroom.adapters.dynamo import ABSENT, Row, Table, is_expired, key
from darkroom.adapters.packing import unpack
from darkroom.domain.task import Request, Task
from darkroom.errors import StorageUnavailable, TaskChanged, TaskExists
from darkroom.ports import Evidence, ListPage, ListQuery


class DynamoTasks:
    """`Tasks` over DynamoDB. `clock` gives Unix seconds; `retention_days` is the images' (0: nothing is ever removed)."""

    def __init__(self, *, table: Table, clock: Callable[[], float], retention_days: int) -> None:
        self._table = table
        self._clock = clock
        self._retention_days = retention_days

    def add(self, task: Task) -> None:
        row = rows.state_row(task, retention_days=self._retention_days, born=True)
        if task.request is not None and "request" not in row:
            # Before the state row: whoever finds the state row must find the request.
            self._put_request(task, task.request)
        self._put_images(task)
        if self._table.put_if(row, ABSENT, self._now()) is not None:
            raise TaskExists(task.id)

    def get(self, task_id: str, *, consistent: bool = True) -> Task | None:
        row = self._table.get(task_id, "state", consistent=consistent)
        if row is None or is_expired(row, self._clock()):
            return None
        images = self._table.get(task_id, row["images_row"]["S"]) if "images_row" in row else None
        return rows.task_of(row, images)

    def move(self, before: Task, after: Task) -> None:
        if after.images != before.images:
            self._put_images(after)
        row = rows.state_row(after, retention_days=self._retention_days)
        if after.earlier and after.request is not None and "request" not in row:
            # Earlier attempts have driven it out of the row. Before the state row: whoever finds that must find the request.
            self._table.put_if(rows.request_row(after, after.request, retention_days=self._retention_days), ABSENT, self._now())
        if self._table.put_if(row, "version = :before", {":before": {"N": str(before.version)}}) is not None:
            raise TaskChanged(f"{before.id} is no longer at version {before.version}")

    def request_of(self, task: Task) -> Request:
        if task.request is not None:
            return task.request
        row = self._table.get(task.id, "request")
        if row is None:
            raise StorageUnavailable(f"table: the request of {task.id} is not there")
        return unpack(row["request"]["B"])

    def keep_sent(self, task: Task, body: bytes, *, good_for_s: float) -> bytes:
        row = rows.sent_row(task, body)
        oldest = float(row["since"]["N"]) - good_for_s
        kept = self._table.put_if(row, f"{ABSENT} OR since < :oldest", self._now() | {":oldest": {"N": repr(oldest)}})
        return body if kept is None else rows.sent_of(kept)

    def overdue(self, now: float, *, limit: int) -> Sequence[str]:
        found = [row for shard in range(rows.SHARDS) for row in self._due(shard, now, limit)]
        return [task_id for _, task_id in sorted(map(_due_at, found), key=itemgetter(0))][:limit]

    def list(self, query: ListQuery) -> ListPage:
        kept_days = rows.kept_days(self._retention_days) if self._retention_days else None
        span = listing.days(query, now=self._clock(), kept_days=kept_days)
        found = listing.find(self._table, query, span)
        return ListPage(tasks=self._read(query, found.ids), last_seen=found.last_seen)

    def keep_evidence(self, task_id: str, evidence: Evidence) -> None:
        self._table.put(rows.evidence_row(task_id, evidence))

    def evidence(self, task_id: str) -> Evidence | None:
        row = self._table.get(task_id, "evidence")
        return None if row is None or is_expired(row, self._clock()) else rows.evidence_of(row)

    def _put_request(self, task: Task, request: Request) -> None:
        """The first request stays: it may be out already, and repeats must send its very bytes."""
        row = rows.request_row(task, request, retention_days=self._retention_days)
        other = self._table.put_if(row, ABSENT, self._now())
        if other is None or unpack(other["request"]["B"]) == request:
            return
        if self.get(task.id) is not None:
            raise TaskExists(task.id)
        # Whoever wrote it died before the state row; nothing was sent.
        self._table.put(row)

    def _put_images(self, task: Task) -> None:
        if len(task.images) > rows.IMAGES_IN_ROW:
            self._table.put(rows.images_row(task, retention_days=self._retention_days))

    def _due(self, shard: int, now: float, limit: int) -> Iterable[Row]:
        values = {":shard": {"S": rows.due_shard(shard)}, ":now": {"N": repr(now)}}
        return self._table.query("due_shard = :shard AND next_check_at <= :now", values, limit=limit, index="due")

    def _read(self, query: ListQuery, ids: Sequence[str]) -> Sequence[Task]:
        now = self._clock()
        states = [row for row in self._table.batch_get([key(one, "state") for one in ids]) if not is_expired(row, now)]
        beside = self._table.batch_get([key(row["pk"]["S"], row["images_row"]["S"]) for row in states if "images_row" in row])
        images = {row["pk"]["S"]: row for row in beside}
        tasks = {row["pk"]["S"]: rows.task_of(row, images.get(row["pk"]["S"])) for row in states}
        return [tasks[one] for one in ids if one in tasks and listing.wanted(query, tasks[one])]

    def _now(self) -> Row:
        return {":now": {"N": repr(self._clock())}}


def _due_at(row: Row) -> tuple[float, str]:
    return float(row["next_check_at"]["N"]), row["pk"]["S"]
