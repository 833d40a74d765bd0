"""A hot account row: fifty at once over a real table, and nobody's task is lost or refused for that."""

import time
from concurrent.futures import ThreadPoolExecutor
from random import random

from darkroom.adapters.accounts import DynamoAccounts
from darkroom.adapters.dynamo import Table
from darkroom.domain.admission import Limits
from darkroom.domain.ids import task_id
from darkroom.domain.task import Phase
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import hand_on, join_queue, take_slot
from tests.support.aws import Aws
from tests.support.memory import MemoryQueue
from tests.support.tasks import BIRTH, a_task

CROWD = 50
TEN = Limits(account="hiapi", in_flight=10, per_minute=10_000)


def test_fifty_creates_at_once_fill_the_slots_and_the_others_wait(aws: Aws) -> None:
    accounts, queue = DynamoAccounts(table=Table(client=aws.clients.dynamodb, name=aws.table())), MemoryQueue()
    admission = Admission(
        accounts=accounts, limits_of=lambda _: TEN, queue=queue, clock=time.time, sleep=time.sleep, jitter=random
    )
    tasks = [a_task(number, id=task_id(BIRTH, number.to_bytes(10, "big"))) for number in range(CROWD)]

    def create(number: int) -> bool:
        if take_slot(tasks[number], admission=admission) is not None:
            return True
        join_queue(tasks[number], admission=admission)
        return False

    with ThreadPoolExecutor(max_workers=CROWD) as pool:
        at_once = sum(pool.map(create, range(CROWD)))
    account, waiting = accounts.get("hiapi", consistent=True), accounts.waiters("hiapi", limit=100)

    # Whoever lost too many races was called by whoever got through.
    assert at_once + len(queue.sent) >= TEN.in_flight
    assert len(account.holders) == TEN.in_flight
    assert len(waiting) == CROWD - TEN.in_flight

    for holder in [task for task in tasks if task.submission_key in account.holders]:
        hand_on(a_task(id=holder.id, phase=Phase.QUEUED), admission=admission)
    assert len(accounts.get("hiapi", consistent=True).holders) == TEN.in_flight
    assert len(accounts.waiters("hiapi", limit=100)) == CROWD - 2 * TEN.in_flight
