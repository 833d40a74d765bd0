"""Taking, handing on and mending slots: no wake-up is lost, nobody is favoured, no slot is kept by the dead."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from darkroom.domain.admission import Account, Limits, Slot, Waiter
from darkroom.domain.ids import task_id
from darkroom.domain.task import TAIL_S, Phase, Task
from darkroom.errors import AccountChanged, StorageUnavailable, UpstreamUnavailable
from darkroom.ports import SEEN_AT_ONCE, Job
from darkroom.usecases.account import Admission
from darkroom.usecases.admit_task import give_back, hand_on, heed, join_queue, may_ask, may_send, put_back, take_slot
from darkroom.usecases.allowance import Allowance
from darkroom.usecases.breaker import Memory
from darkroom.usecases.tend_account import see_account, tend_account
from tests.support.memory import MemoryQueue, MemoryTasks
from tests.support.memory_accounts import MemoryAccounts
from tests.unit.domain.test_task import a_task

T0 = 1_700_000_000.0
TWO = Limits(account="hiapi", in_flight=2, per_minute=60)


class Gate:
    """An account with two slots, and everything around it."""

    def __init__(self, accounts: MemoryAccounts | None = None, limits: Limits = TWO) -> None:
        self.now = T0
        self.naps: list[float] = []
        self.limits = limits
        self.accounts = accounts or MemoryAccounts()
        self.queue = MemoryQueue(clock=self.clock)
        self.tasks = MemoryTasks(clock=self.clock)
        self.admission = Admission(
            accounts=self.accounts,
            limits_of=lambda _upstream: self.limits,
            queue=self.queue,
            clock=self.clock,
            sleep=self.naps.append,
            jitter=lambda: 0.5,
        )

    def clock(self) -> float:
        return self.now

    def task(self, number: int, phase: Phase = Phase.WAITING, *, owner: str = "shop") -> Task:
        task = a_task(phase, id=task_id(T0, number.to_bytes(10, "big")), owner=owner)
        self.tasks.tasks[task.id] = task
        return task

    def arrive(self, number: int, *, owner: str = "shop") -> Task:
        """A new task takes a slot or joins the queue."""
        task = self.task(number, owner=owner)
        if take_slot(task, admission=self.admission) is None:
            join_queue(task, admission=self.admission)
            return task
        return self.become(task, Phase.QUEUED)

    def become(self, task: Task, phase: Phase) -> Task:
        self.tasks.tasks[task.id] = a_task(phase, id=task.id, owner=task.owner)
        return self.tasks.tasks[task.id]

    def hand_on(self, task: Task) -> None:
        hand_on(task, admission=self.admission)

    def tend(self) -> int:
        return tend_account(self.limits, admission=self.admission, tasks=self.tasks).freed

    @property
    def called(self) -> list[str]:
        """Whose turn came, in order."""
        return [job.task_id for job in self.queue.sent]

    @property
    def account(self) -> Account:
        return self.accounts.get("hiapi")

    @property
    def waiting(self) -> list[str]:
        return [waiter.task_id for waiter in self.accounts.waiters("hiapi", limit=1000)]


def busy(status: int | None = 429, retry_after: float | None = None) -> UpstreamUnavailable:
    return UpstreamUnavailable("too many", status=status, retry_after=retry_after)


# -- handing on ----------------------------------------------------------------------------------------


def test_a_finished_task_hands_its_slot_on_at_once() -> None:
    gate = Gate()
    first, _, third = (gate.arrive(number) for number in range(3))

    gate.hand_on(first)

    assert gate.queue.jobs == [Job(do="submit", task_id=third.id, attempt=1)]
    assert third.submission_key in gate.account.holders
    assert gate.waiting == []


def test_taking_and_handing_on_cost_one_write_each_when_nobody_waits() -> None:
    gate = Gate()

    task = gate.arrive(0)
    gate.hand_on(task)

    assert gate.accounts.writes == 2
    assert gate.account.holders == {}


def test_handing_on_twice_gives_one_slot_back() -> None:
    gate = Gate(limits=Limits(account="hiapi", in_flight=4))
    first, second = gate.arrive(0), gate.arrive(1)

    gate.hand_on(first)
    once = gate.account
    gate.hand_on(first)

    assert set(once.holders) == {second.submission_key}
    assert gate.account == once


def test_whoever_never_saw_the_account_or_saw_it_empty_serves_those_who_wait_in_it_now() -> None:
    for seen in (None, Account(name="hiapi")):
        gate = Gate()
        first, second, third = (gate.arrive(number) for number in range(3))
        gate.admission = replace(gate.admission, memory=Memory())
        if seen is not None:
            gate.admission.memory.saw(seen)

        gate.hand_on(first)

        assert gate.called == [third.id]
        assert set(gate.account.holders) == {second.submission_key, third.submission_key}


def test_a_task_that_waits_costs_its_row_twice_and_its_own_handing_on() -> None:
    gate = Gate()
    first, _ = gate.arrive(0), gate.arrive(1)
    before = gate.accounts.writes

    third = gate.arrive(2)
    gate.hand_on(first)
    gate.hand_on(gate.become(third, Phase.QUEUED))

    # The first one's handing on is the third one's taking.
    assert gate.accounts.writes - before == 4


def test_a_slot_that_comes_free_while_a_waiter_writes_its_row_is_not_lost() -> None:
    class Slow(MemoryAccounts):
        """A slot is freed before the waiter's row is there."""

        def wait(self, name: str, waiter: Waiter) -> None:
            meanwhile()
            MemoryAccounts.wait(self, name, waiter)

    gate = Gate(Slow())
    first, second = gate.arrive(0), gate.arrive(1)

    def meanwhile() -> None:
        gate.hand_on(first)

    third = gate.arrive(2)

    assert set(gate.account.holders) == {second.submission_key, third.submission_key}


def test_a_task_that_begins_to_wait_while_a_slot_is_freed_is_not_lost() -> None:
    class Slow(MemoryAccounts):
        """Somebody joins the queue between the look at it and the write that frees the slot."""

        def save(self, before: Account, after: Account) -> None:
            meanwhile(before)
            MemoryAccounts.save(self, before, after)

    gate = Gate(Slow())
    joined: list[Task] = []

    def meanwhile(before: Account) -> None:
        if len(before.holders) == 2 and not joined:
            joined.append(gate.task(2))
            join_queue(joined[0], admission=gate.admission)

    first, _ = gate.arrive(0), gate.arrive(1)
    gate.hand_on(first)

    assert joined[0].submission_key in gate.account.holders


def test_owners_are_served_in_turn() -> None:
    gate = Gate()
    running = [gate.arrive(number) for number in range(2)]
    burst = [gate.arrive(number, owner="greedy") for number in range(2, 6)]
    single = gate.arrive(6, owner="modest")
    other = gate.arrive(7, owner="other")

    for task in (*running, *burst[:1], single):
        gate.hand_on(task)

    assert gate.called == [burst[0].id, single.id, other.id, burst[1].id]


def test_one_owners_burst_of_a_thousand_delays_anothers_single_task_by_one_slot() -> None:
    gate = Gate()
    running = [gate.arrive(number, owner="greedy") for number in range(2)]
    for number in range(2, 1002):
        gate.arrive(number, owner="greedy")
    single = gate.arrive(5000, owner="modest")

    for task in running:
        gate.hand_on(task)

    assert gate.called.index(single.id) <= 1


@pytest.mark.parametrize("owners", ["aaaa", "abab", "abca", "aaab", "baaa"])
def test_all_free_slots_are_given_away_in_one_write(owners: str) -> None:
    gate = Gate(limits=Limits(account="hiapi", in_flight=4))
    running = [gate.arrive(number) for number in range(4)]
    waiting = [gate.arrive(number, owner=owner) for number, owner in enumerate(owners, start=4)]
    gate.accounts.accounts["hiapi"] = gate.account.release(*(task.submission_key for task in running))
    saved: list[Account] = []
    gate.accounts.on_save = lambda _before, after: saved.append(after)

    gate.tend()

    assert [set(account.holders) for account in saved] == [{task.submission_key for task in waiting}]


def test_more_slots_than_waiting_tasks_leave_some_free() -> None:
    gate = Gate(limits=Limits(account="hiapi", in_flight=4))
    running = [gate.arrive(number) for number in range(4)]
    one, two = gate.arrive(4, owner="a"), gate.arrive(5, owner="b")
    gate.accounts.accounts["hiapi"] = gate.account.release(*(task.submission_key for task in running))

    gate.tend()

    assert set(gate.account.holders) == {one.submission_key, two.submission_key}


def test_a_task_that_ends_while_it_waits_leaves_the_queue() -> None:
    gate = Gate()
    tasks = [gate.arrive(number) for number in range(4)]

    gate.hand_on(tasks[2])

    assert gate.waiting == [tasks[3].id]
    assert gate.called == []


def test_a_task_that_was_called_by_somebody_who_died_is_called_again() -> None:
    gate = Gate()
    first, second, third = (gate.arrive(number) for number in range(3))
    gate.accounts.accounts["hiapi"] = gate.account.release(first.submission_key).ask(third.submission_key, now=T0, limits=TWO)[0]

    gate.hand_on(second)

    assert gate.called == [third.id]
    assert gate.waiting == []


def test_a_queue_that_empties_while_it_is_served_is_served_as_far_as_it_goes() -> None:
    class Hasty(MemoryAccounts):
        """Everybody leaves as soon as the first one was seen."""

        def waiters(self, name: str, *, limit: int, behind: str = "") -> list[Waiter]:
            self.queues.clear()
            return []

    gate = Gate(Hasty())
    task = gate.task(0)
    gate.accounts.wait("hiapi", Waiter(owner="shop", task_id=task.id, attempt=1))

    join_queue(task, admission=gate.admission)

    assert gate.called == [task.id]


def test_who_waits_while_the_next_minute_is_full_stays_where_it_is() -> None:
    gate = Gate(limits=Limits(account="hiapi", in_flight=9, per_minute=1))
    gate.arrive(0)
    gate.arrive(1)

    third = gate.arrive(2)

    assert gate.waiting == [third.id]


# -- being next ----------------------------------------------------------------------------------------


def test_who_has_a_slot_may_send() -> None:
    gate = Gate()

    task = gate.arrive(0)

    assert may_send(task, admission=gate.admission)
    assert gate.accounts.writes == 1


def test_who_has_none_takes_a_free_one_and_waits_no_more() -> None:
    gate = Gate()
    task = gate.task(0)
    gate.accounts.wait("hiapi", Waiter(owner="shop", task_id=task.id, attempt=1))

    assert may_send(task, admission=gate.admission)
    assert task.submission_key in gate.account.holders
    assert gate.waiting == []


def test_who_finds_none_waits_again() -> None:
    gate = Gate()
    gate.arrive(0)
    gate.arrive(1)
    task = gate.task(2)

    assert not may_send(task, admission=gate.admission)
    assert gate.waiting == [task.id]


def test_whose_time_has_not_come_is_called_then() -> None:
    gate = Gate(limits=Limits(account="hiapi", in_flight=9, per_minute=1))
    gate.arrive(0)
    task = gate.task(1)
    slot = take_slot(task, admission=gate.admission)

    assert slot is not None
    assert not may_send(task, admission=gate.admission)
    gate.now = slot.at - 1
    gate.queue.arrive()
    assert gate.queue.jobs == []
    gate.now = slot.at + 1
    gate.queue.arrive()
    assert gate.queue.jobs == [Job(do="submit", task_id=task.id, attempt=1)]
    assert may_send(task, admission=gate.admission)


# -- upstreams that are too busy -----------------------------------------------------------------------


def test_a_task_that_was_put_back_is_called_when_the_upstream_may_be_asked_again() -> None:
    gate = Gate()
    task = gate.arrive(0)

    put_back(task, busy(retry_after=20), admission=gate.admission)

    assert gate.called == [task.id]
    assert gate.queue.delayed == [(T0 + 20, Job(do="submit", task_id=task.id, attempt=1))]


def test_others_go_first_when_it_is_their_turn() -> None:
    gate = Gate()
    first, second = gate.arrive(0), gate.arrive(1)
    other = gate.arrive(2, owner="zoo")
    gate.hand_on(second)

    put_back(first, busy(status=503), admission=gate.admission)

    assert gate.called == [other.id, first.id]


def test_only_a_429_about_a_question_is_the_accounts_business() -> None:
    gate = Gate()
    task = gate.arrive(0)

    heed(task, busy(status=503, retry_after=90), admission=gate.admission)
    calm = gate.account.not_before
    heed(task, busy(retry_after=90), admission=gate.admission)

    assert (calm, gate.account.not_before) == (0, T0 + 90)
    assert task.submission_key in gate.account.holders


# -- requests ------------------------------------------------------------------------------------------


def test_looks_are_counted_as_gone_and_those_not_made_are_given_back() -> None:
    gate = Gate()

    first = may_ask(TWO, 50, admission=gate.admission)
    second = may_ask(TWO, 50, admission=gate.admission)
    give_back(TWO, T0, 30, admission=gate.admission)

    assert (first, second) == (50, 10)
    assert may_ask(TWO, 50, admission=gate.admission) == 30


def test_a_sweep_reserves_more_at_a_time_the_more_it_asks() -> None:
    gate = Gate()
    allowance = Allowance(gate.admission)

    asked = sum(allowance.may_ask("hiapi") for _ in range(20))
    reservations = gate.accounts.writes
    allowance.close()
    allowance.close()

    assert (asked, reservations) == (20, 5)
    assert gate.account.used(T0, TWO) == 20


def test_a_sweep_that_was_refused_asks_no_more() -> None:
    gate = Gate(limits=Limits(account="hiapi", per_minute=2))
    allowance = Allowance(gate.admission)

    granted = [allowance.may_ask("hiapi") for _ in range(9)]

    assert granted == [True, True] + [False] * 7
    assert gate.accounts.writes == 2


# -- tending -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.STORING, Phase.EXPIRED, None])
def test_a_slot_that_nobody_needs_is_freed_within_two_ticks(phase: Phase | None) -> None:
    gate = Gate()
    task = gate.arrive(0)
    if phase is None:
        del gate.tasks.tasks[task.id]
    else:
        gate.become(task, phase)

    early = gate.tend()
    gate.now += 60

    assert (early, gate.tend()) == (0, 1)
    assert gate.account.holders == {}


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, None])
def test_a_slot_that_was_reserved_ahead_and_that_nobody_needs_is_freed_within_two_ticks(phase: Phase | None) -> None:
    gate = Gate(limits=Limits(account="hiapi", in_flight=9, per_minute=1))
    gate.arrive(0)
    task = gate.arrive(1)
    ahead = gate.account.holders[task.submission_key] - gate.now
    if phase is None:
        del gate.tasks.tasks[task.id]
    else:
        gate.become(task, phase)

    gate.now += 1
    gate.tend()
    gate.now += 60
    gate.tend()

    assert ahead > 50
    assert task.submission_key not in gate.account.holders


def test_a_slot_of_an_old_id_whose_row_is_just_being_written_is_left_alone() -> None:
    gate = Gate()
    task = gate.task(0)
    del gate.tasks.tasks[task.id]
    gate.now += 300
    take_slot(task, admission=gate.admission)

    def written_meanwhile(_seconds: float) -> None:
        gate.tasks.tasks[task.id] = task

    gate.admission = replace(gate.admission, sleep=written_meanwhile)

    assert gate.tend() == 0
    assert task.submission_key in gate.account.holders


def test_a_row_that_cannot_be_read_keeps_no_other_slot_and_its_own_for_a_day() -> None:
    class Unreadable(MemoryTasks):
        def get(self, task_id: str, *, consistent: bool = True) -> Task | None:
            if task_id == broken.id:
                raise ValueError("no phase is called 'teleporting'")
            return MemoryTasks.get(self, task_id)

    gate = Gate()
    broken, done = gate.arrive(0), gate.arrive(1)
    gate.become(done, Phase.SUCCEEDED)
    gate.tasks = Unreadable(clock=gate.clock, tasks=gate.tasks.tasks)
    gate.now += 61

    tended = tend_account(gate.limits, admission=gate.admission, tasks=gate.tasks)
    gate.now += TAIL_S

    assert (tended.freed, [(task_id, type(error)) for task_id, error in tended.unreadable]) == (1, [(broken.id, ValueError)])
    assert gate.tend() == 1


def test_a_table_that_is_away_is_no_unreadable_row() -> None:
    def away(_name: str) -> None:
        raise StorageUnavailable("table")

    gate = Gate()
    gate.arrive(0)
    gate.now += 61
    gate.tasks.on_call = away

    with pytest.raises(StorageUnavailable):
        gate.tend()


def test_a_slot_of_an_attempt_that_is_over_is_freed() -> None:
    gate = Gate()
    task = gate.arrive(0)
    gate.tasks.tasks[task.id] = a_task(Phase.QUEUED, id=task.id, attempt=2)
    gate.now += 61

    assert gate.tend() == 1


def test_a_slot_in_use_is_kept() -> None:
    gate = Gate()
    gate.arrive(0)
    gate.now += 61

    assert gate.tend() == 0
    assert len(gate.account.holders) == 1


def test_a_slot_of_another_accounts_task_is_freed() -> None:
    gate = Gate()
    task = gate.arrive(0)
    gate.tasks.tasks[task.id] = a_task(Phase.QUEUED, id=task.id, upstream="pixapi")
    pixapi = Limits(account="pixapi")
    gate.admission = Admission(
        accounts=gate.accounts,
        limits_of=lambda upstream: pixapi if upstream == "pixapi" else TWO,
        queue=gate.queue,
        clock=gate.clock,
        sleep=gate.naps.append,
        jitter=lambda: 0.5,
    )
    gate.now += 61

    assert gate.tend() == 1


def test_a_task_whose_call_was_lost_is_called_again() -> None:
    gate = Gate()
    task = gate.arrive(0)
    gate.become(task, Phase.WAITING)
    gate.now += 61

    assert gate.tend() == 0
    assert gate.called == [task.id]


def test_whoever_waits_before_an_account_that_is_free_is_served() -> None:
    gate = Gate()
    task = gate.task(0)
    gate.accounts.wait("hiapi", Waiter(owner="shop", task_id=task.id, attempt=1))

    gate.tend()

    assert gate.called == [task.id]


def test_an_account_is_seen_as_it_is() -> None:
    gate = Gate()
    for number in range(5):
        gate.arrive(number)

    seen = see_account(TWO, admission=gate.admission)

    assert (len(seen.account.holders), seen.waiting, seen.freed) == (2, 3, 0)


def test_a_queue_that_is_longer_than_what_is_seen_beside_the_account_is_counted_and_served_in_turn() -> None:
    gate = Gate()
    first, _ = gate.arrive(0), gate.arrive(1)
    many = [gate.arrive(2 + number, owner="busy") for number in range(SEEN_AT_ONCE + 3)]
    late = gate.arrive(90, owner="quiet")

    assert see_account(TWO, admission=gate.admission).waiting == len(many) + 1
    gate.hand_on(first)
    gate.hand_on(many[0])

    # Who stands behind all that are seen has its turn after one of them.
    assert gate.called == [many[0].id, late.id]


# -- crowds and outages --------------------------------------------------------------------------------


class Crowded(MemoryAccounts):
    """The first `lost` saves are lost to others."""

    def __init__(self, lost: int) -> None:
        super().__init__()
        self.lost = lost

    def save(self, before: Account, after: Account) -> None:
        if self.lost > 0:
            self.lost -= 1
            raise AccountChanged(before.name)
        MemoryAccounts.save(self, before, after)


def test_a_lost_race_is_run_again_a_little_later() -> None:
    gate = Gate(Crowded(lost=2))

    assert take_slot(gate.task(0), admission=gate.admission) == Slot(at=T0)
    assert gate.naps == [0.01, 0.02]


def test_who_cannot_get_through_waits_and_is_served_by_whoever_gets_through() -> None:
    gate = Gate(Crowded(lost=4))

    task = gate.arrive(0)

    assert gate.called == [task.id]
    assert task.submission_key in gate.account.holders


def test_who_waits_and_could_not_look_calls_itself_though_nobody_needs_to_look_at_its_queue() -> None:
    accounts = Crowded(lost=12)
    gate = Gate(accounts, limits=Limits(account="hiapi", in_flight=9))

    task = gate.arrive(0)

    assert accounts.lost == 0
    assert gate.account.holders == {}
    assert [(at - T0, job.task_id) for at, job in gate.queue.delayed] == [(3, task.id)]
    assert may_send(task, admission=gate.admission) is True
    assert gate.waiting == []


def test_a_table_that_stays_away_does_not_fill_the_queue() -> None:
    gate = Gate(Crowded(lost=10**9), limits=Limits(account="hiapi", in_flight=9))
    task, calls = gate.arrive(0), 0

    # As in life: each call that comes asks for a slot, and so does a look now and then.
    for minute in range(60):
        while gate.queue.delayed and calls < 1000:
            gate.now, _ = gate.queue.delayed.pop(0)
            calls += 1
            assert may_send(task, admission=gate.admission) is False
        gate.now = max(gate.now, T0 + 60.0 * minute)
        assert may_send(task, admission=gate.admission) is False

    assert calls <= 60


def test_who_cannot_get_through_at_all_is_left_to_the_tending() -> None:
    accounts = Crowded(lost=10_000)
    gate = Gate(accounts)
    task = gate.arrive(0)
    gate.queue.sent.clear()
    gate.hand_on(task)
    gate.become(task, Phase.WAITING)
    gate.accounts.wait("hiapi", Waiter(owner="shop", task_id=task.id, attempt=1))

    with pytest.raises(AccountChanged):
        gate.tend()
    accounts.lost = 0
    gate.tend()

    assert gate.called == [task.id]


@pytest.mark.parametrize(
    "act",
    [
        lambda gate, task: take_slot(task, admission=gate.admission),
        lambda gate, task: join_queue(task, admission=gate.admission),
        lambda gate, task: hand_on(task, admission=gate.admission),
        lambda gate, task: put_back(task, busy(), admission=gate.admission),
        lambda gate, _task: may_ask(TWO, admission=gate.admission) or None,
        lambda gate, _task: give_back(TWO, T0, 1, admission=gate.admission),
    ],
)
def test_a_table_that_is_away_fails_nobodys_task(act: Callable[[Gate, Task], object]) -> None:
    def away(boundary: str) -> None:
        raise StorageUnavailable(boundary)

    gate = Gate(MemoryAccounts(on_call=away))

    assert act(gate, gate.task(0)) is None


def test_a_queue_that_is_away_keeps_whoever_was_to_be_called_in_reach() -> None:
    class Away(MemoryQueue):
        """Nothing can be sent."""

        def send(self, job: Job, *, delay_s: float = 0.0) -> None:
            raise StorageUnavailable("queue")

    gate = Gate()
    first, _, third = (gate.arrive(number) for number in range(3))
    there = gate.queue
    gate.admission = Admission(
        accounts=gate.accounts,
        limits_of=lambda _upstream: TWO,
        queue=Away(),
        clock=gate.clock,
        sleep=gate.naps.append,
        jitter=lambda: 0.5,
    )
    gate.hand_on(first)
    gate.admission = Gate(gate.accounts).admission

    gate.hand_on(first)

    assert third.submission_key in gate.account.holders
    assert there.sent == []
    assert gate.waiting == [third.id]
    gate.hand_on(gate.task(1, Phase.QUEUED))
    assert gate.waiting == []
