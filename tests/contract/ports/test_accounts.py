"""What every keeper of upstream accounts promises: one row that changes by turns, and a queue in order."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from darkroom.adapters.accounts import account_row
from darkroom.adapters.row_size import row_size
from darkroom.domain.admission import Account, Limits, Waiter, Window, behind
from darkroom.domain.breaker import ACCOUNT
from darkroom.domain.ids import task_id
from darkroom.errors import AccountChanged
from darkroom.ports import SEEN_AT_ONCE, Accounts
from tests.support.tasks import BIRTH

LIMITS = Limits(account="hiapi")
EMPTY = Account(name="hiapi")


def key(number: int, attempt: int = 1) -> str:
    return f"{task_id(BIRTH, number.to_bytes(10, 'big'))}:{attempt}"


def a_waiter(number: int, owner: str = "shop", attempt: int = 1) -> Waiter:
    return Waiter(owner=owner, task_id=task_id(BIRTH, number.to_bytes(10, "big")), attempt=attempt)


def busy_account(holders: int = 10, requests: int = 60) -> Account:
    """As full as the limits allow, with everything in it that there can be."""
    return Account(
        name="hiapi",
        version=123_456_789,
        holders={key(number, attempt=2): BIRTH + number for number in range(holders)},
        window=Window({int(BIRTH) + second: 1 for second in range(requests)}),
        turn="an-owner-with-the-longest-name-that-an-owner-can-possibly-have-64",
        not_before=BIRTH + 0.25,
        faults=3,
        in_flight=7,
        per_minute=45,
        learned_at=BIRTH + 0.125,
        looks_refused_at=BIRTH + 0.0625,
    )


def test_an_account_that_nobody_used_is_empty(accounts: Accounts) -> None:
    assert accounts.get("hiapi") == EMPTY
    assert seen(accounts) == (EMPTY, [])


def test_an_account_comes_back_as_it_was_saved(accounts: Accounts) -> None:
    accounts.save(EMPTY, busy_account())

    assert accounts.get("hiapi", consistent=True) == busy_account()
    assert seen(accounts) == (busy_account(), [])
    assert accounts.get("pixapi") == Account(name="pixapi")


def test_an_account_that_was_emptied_is_empty(accounts: Accounts) -> None:
    account, _ = EMPTY.ask(key(1), now=BIRTH, limits=LIMITS)
    accounts.save(EMPTY, account)
    released = account.release(key(1))

    accounts.save(account, released)

    assert accounts.get("hiapi", consistent=True) == released


def test_a_slot_is_given_back_whatever_happened_to_the_account_meanwhile(accounts: Accounts) -> None:
    accounts.save(EMPTY, busy_account())

    first = accounts.release("hiapi", key(3, attempt=2))
    second = accounts.release("hiapi", key(4, attempt=2))

    assert first == busy_account().release(key(3, attempt=2))
    assert first.faults == 0
    assert second == first.release(key(4, attempt=2)) == accounts.get("hiapi", consistent=True)
    with pytest.raises(AccountChanged):
        accounts.save(busy_account(), busy_account())


def test_the_last_slot_can_be_given_back_and_taken_again(accounts: Accounts) -> None:
    account, _ = EMPTY.ask(key(1), now=BIRTH, limits=LIMITS)
    accounts.save(EMPTY, account)

    empty = accounts.release("hiapi", key(1))
    again, _ = empty.ask(key(2), now=BIRTH, limits=LIMITS)
    accounts.save(empty, again)

    assert empty.holders == {}
    assert accounts.release("hiapi", key(2)).holders == {}


def test_giving_a_slot_back_that_is_not_held_changes_nothing(accounts: Accounts) -> None:
    nowhere = accounts.release("hiapi", key(1))
    account, _ = EMPTY.ask(key(1), now=BIRTH, limits=LIMITS)
    accounts.save(EMPTY, account)

    assert nowhere == EMPTY
    assert accounts.release("hiapi", key(2)) == account
    assert accounts.release("hiapi", key(1, attempt=2)) == account
    assert accounts.get("hiapi", consistent=True) == account


def test_of_many_who_give_a_slot_back_at_once_nobody_has_lost(accounts: Accounts) -> None:
    accounts.save(EMPTY, busy_account())

    with ThreadPoolExecutor(max_workers=5) as pool:
        list(pool.map(lambda number: accounts.release("hiapi", key(number, attempt=2)), range(10)))

    assert accounts.get("hiapi", consistent=True).holders == {}


def test_what_is_shut_comes_back_as_it_was_saved_and_costs_an_account_in_order_nothing(accounts: Accounts) -> None:
    shut = busy_account().shut_off("hiapi/gpt-image-2/text-to-image", "upstream_unavailable", now=BIRTH + 0.5)
    shut = shut.shut_off(ACCOUNT, "upstream_auth", now=BIRTH)
    accounts.save(EMPTY, shut)

    assert accounts.get("hiapi", consistent=True) == shut
    assert "shut" not in account_row(shut.opened(*shut.shut))


def test_whoever_saves_an_older_account_has_lost(accounts: Accounts) -> None:
    first, _ = EMPTY.ask(key(1), now=BIRTH, limits=LIMITS)
    second, _ = EMPTY.ask(key(2), now=BIRTH, limits=LIMITS)
    accounts.save(EMPTY, first)

    with pytest.raises(AccountChanged):
        accounts.save(EMPTY, second)

    assert accounts.get("hiapi", consistent=True) == first


def test_of_many_who_save_at_once_one_wins(accounts: Accounts) -> None:
    def save(number: int) -> bool:
        try:
            accounts.save(EMPTY, EMPTY.ask(key(number), now=BIRTH, limits=LIMITS)[0])
        except AccountChanged:
            return False
        return True

    with ThreadPoolExecutor(max_workers=8) as pool:
        won = list(pool.map(save, range(8)))

    assert won.count(True) == 1


def test_the_queue_is_in_the_order_of_owners_and_tasks(accounts: Accounts) -> None:
    waiters = [a_waiter(number, owner) for owner in ("a", "a.b", "b") for number in range(2)]
    for waiter in reversed(waiters):
        accounts.wait("hiapi", waiter)

    assert list(accounts.waiters("hiapi", limit=10)) == waiters
    assert list(accounts.waiters("hiapi", limit=1)) == waiters[:1]
    assert list(accounts.waiters("hiapi", limit=9, behind=behind("a"))) == waiters[2:]
    assert list(accounts.waiters("hiapi", limit=1, behind=waiters[2].place)) == waiters[3:4]
    assert list(accounts.waiters("hiapi", limit=9, behind=behind("b"))) == []
    assert list(accounts.waiters("pixapi", limit=9)) == []


def test_who_waits_is_seen_beside_the_account(accounts: Accounts) -> None:
    accounts.wait("hiapi", a_waiter(2, attempt=3))
    alone = seen(accounts)
    accounts.save(EMPTY, busy_account())

    assert alone == (EMPTY, [a_waiter(2, attempt=3)])
    assert seen(accounts) == (busy_account(), [a_waiter(2, attempt=3)])


@pytest.mark.parametrize("there", [True, False], ids=["with its row", "without"])
def test_the_beginning_of_a_long_queue_is_seen_beside_the_account(accounts: Accounts, there: bool) -> None:
    waiters = [a_waiter(number) for number in range(SEEN_AT_ONCE + 3)]
    for waiter in waiters:
        accounts.wait("hiapi", waiter)
    if there:
        accounts.save(EMPTY, busy_account())

    assert seen(accounts) == (busy_account() if there else EMPTY, waiters[:SEEN_AT_ONCE])


def test_joining_and_leaving_twice_changes_nothing(accounts: Accounts) -> None:
    for _ in range(2):
        accounts.wait("hiapi", a_waiter(1))
        accounts.wait("hiapi", a_waiter(2))
    once = list(accounts.waiters("hiapi", limit=9))
    for _ in range(2):
        accounts.leave("hiapi", a_waiter(1))

    assert once == [a_waiter(1), a_waiter(2)]
    assert list(accounts.waiters("hiapi", limit=9)) == [a_waiter(2)]


def test_who_was_refused_stands_in_its_old_place_and_stays_marked_when_it_joins_again(accounts: Accounts) -> None:
    one, two = a_waiter(1), a_waiter(2)
    for waiter in (one, two, replace(one, refused_at=BIRTH + 0.5), one):
        accounts.wait("hiapi", waiter)
    marked = list(accounts.waiters("hiapi", limit=9))

    accounts.wait("hiapi", replace(one, refused_at=BIRTH + 1))
    accounts.wait("hiapi", two)
    again = list(accounts.waiters("hiapi", limit=9))
    accounts.leave("hiapi", one)

    assert marked == [replace(one, refused_at=BIRTH + 0.5), two]
    assert again == [replace(one, refused_at=BIRTH + 1), two]
    assert list(accounts.waiters("hiapi", limit=9)) == [two]


def test_a_time_is_never_rounded_down(accounts: Accounts) -> None:
    account, _ = EMPTY.ask(key(1), now=BIRTH + 0.000_61, limits=LIMITS)

    accounts.save(EMPTY, account)

    at = accounts.get("hiapi", consistent=True).holders[key(1)]
    assert 0 <= at - (BIRTH + 0.000_61) <= 0.001


@pytest.mark.parametrize("holders", [10, 15])
def test_a_busy_account_is_one_write_unit(holders: int) -> None:
    assert row_size(account_row(busy_account(holders))) + len("move_id") + 12 <= 1024


def seen(accounts: Accounts) -> tuple[Account, list[Waiter]]:
    account, first = accounts.see("hiapi")
    return account, list(first)
