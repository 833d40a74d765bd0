"""A lost answer from our own table is not a conflict; an answer that says no is not one either."""

import pytest

from darkroom.adapters.accounts import DynamoAccounts
from darkroom.adapters.claims import DynamoApiKeys, DynamoClaims
from darkroom.adapters.dynamo import Table
from darkroom.adapters.table import DynamoTasks
from darkroom.domain.admission import Account, Limits
from darkroom.errors import StorageUnavailable, TaskChanged, TaskExists
from darkroom.ports import ListQuery
from tests.contract.ports.conftest import Clock, Shaky
from tests.support.aws import clients_at
from tests.support.faulty import DROP, FAIL, THROTTLE
from tests.support.tasks import BIRTH, a_long_request, a_task, submitted


@pytest.fixture
def tasks(shaky: Shaky, clock: Clock) -> DynamoTasks:
    return DynamoTasks(table=shaky.table, clock=clock, retention_days=30)


@pytest.mark.parametrize("lost", [1, 2])
def test_an_add_whose_answer_was_lost_has_added(tasks: DynamoTasks, shaky: Shaky, lost: int) -> None:
    shaky.faults.plan(DROP, "PutItem", times=lost)

    tasks.add(a_task())

    assert shaky.faults.seen == ["PutItem"] * (lost + 1)
    assert tasks.get(a_task().id) == a_task()


@pytest.mark.parametrize("lost", [1, 2])
def test_a_move_whose_answer_was_lost_has_moved(tasks: DynamoTasks, shaky: Shaky, lost: int) -> None:
    task = a_task()
    tasks.add(task)
    shaky.faults.plan(DROP, "PutItem", times=lost)

    tasks.move(task, submitted(task))

    assert tasks.get(task.id) == submitted(task)


def test_an_account_whose_answer_was_lost_is_saved(shaky: Shaky) -> None:
    accounts, empty = DynamoAccounts(table=shaky.table), Account(name="hiapi")
    changed, _ = empty.ask(f"{a_task().id}:1", now=BIRTH, limits=Limits(account="hiapi"))
    shaky.faults.plan(DROP, "PutItem")

    accounts.save(empty, changed)

    assert accounts.get("hiapi", consistent=True) == changed


@pytest.mark.parametrize("lost", [1, 2])
def test_a_slot_whose_release_was_answered_to_nobody_is_free(shaky: Shaky, lost: int) -> None:
    accounts, empty = DynamoAccounts(table=shaky.table), Account(name="hiapi")
    holder = f"{a_task().id}:1"
    changed, _ = empty.ask(holder, now=BIRTH, limits=Limits(account="hiapi"))
    accounts.save(empty, changed)
    shaky.faults.plan(DROP, "UpdateItem", times=lost)

    assert accounts.release("hiapi", holder) == changed.release(holder)
    assert shaky.faults.seen == ["PutItem", *["UpdateItem"] * (lost + 1)]


def test_a_long_request_whose_answer_was_lost_is_stored(tasks: DynamoTasks, shaky: Shaky) -> None:
    task = a_task(request=a_long_request())
    shaky.faults.plan(DROP, "PutItem")

    tasks.add(task)

    assert tasks.request_of(tasks.get(task.id)) == task.request


def test_a_claim_whose_answer_was_lost_is_fresh(shaky: Shaky) -> None:
    shaky.faults.plan(DROP, "PutItem")

    claim = DynamoClaims(table=shaky.table).claim("dev", "order-1", fingerprint="f1", task_id="task_1", now=BIRTH)

    assert claim.fresh


def test_a_revocation_whose_answer_was_lost_has_revoked(shaky: Shaky, clock: Clock) -> None:
    from tests.contract.ports.test_api_keys import a_key

    keys = DynamoApiKeys(table=shaky.table, clock=clock, cache_s=0)
    keys.add(a_key())
    shaky.faults.plan(DROP, "PutItem")

    assert keys.revoke(a_key().id, now=BIRTH)

    assert keys.find(a_key().sha256).revoked_at == BIRTH


def test_a_true_conflict_after_a_lost_answer_stays_one(tasks: DynamoTasks, shaky: Shaky) -> None:
    task = a_task()
    tasks.add(task)
    tasks.move(task, submitted(task))
    shaky.faults.plan(DROP, "PutItem")

    with pytest.raises(TaskChanged):
        tasks.move(task, task.canceled(BIRTH + 1, charged="no", by="owner"))


def test_a_true_double_after_a_lost_answer_stays_one(tasks: DynamoTasks, shaky: Shaky) -> None:
    tasks.add(a_task())
    shaky.faults.plan(DROP, "PutItem")

    with pytest.raises(TaskExists):
        tasks.add(a_task())


@pytest.mark.parametrize("fault", [FAIL, THROTTLE])
def test_a_table_that_stumbles_is_asked_again(tasks: DynamoTasks, shaky: Shaky, fault: str) -> None:
    shaky.faults.plan(fault, "PutItem", times=2)

    tasks.add(a_task())

    assert tasks.get(a_task().id) == a_task()


@pytest.mark.parametrize("fault", [FAIL, THROTTLE, DROP])
def test_a_table_that_goes_on_stumbling_is_unavailable(tasks: DynamoTasks, shaky: Shaky, fault: str) -> None:
    for operation in ("PutItem", "GetItem", "Query"):
        shaky.faults.plan(fault, operation, times=30)
    task = a_task()

    for call in (
        lambda: tasks.add(task),
        lambda: tasks.get(task.id),
        lambda: tasks.move(task, submitted(task)),
        lambda: tasks.overdue(BIRTH, limit=5),
        lambda: tasks.list(ListQuery(owner="dev", limit=5)),
    ):
        with pytest.raises(StorageUnavailable, match="table: "):
            call()


def test_a_table_that_does_not_answer_is_unavailable(clock: Clock) -> None:
    nowhere = Table(client=clients_at("http://127.0.0.1:9").dynamodb, name="tasks")

    with pytest.raises(StorageUnavailable, match="table: "):
        DynamoTasks(table=nowhere, clock=clock, retention_days=30).get("task_1")
