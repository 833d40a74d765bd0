"""Slots and requests per minute: never more than allowed, in any minute, whatever the order; and what a 429 teaches."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.admission import Account, Limits, Slot, Waiter, Window, behind

T0 = 1_700_000_000.0
LIMITS = Limits(account="hiapi", in_flight=2, per_minute=6, look_share=0.5)
WIDE = Limits(account="hiapi", in_flight=100, per_minute=6, look_share=0)
EIGHT = Limits(account="hiapi", in_flight=8, per_minute=60, look_share=0)


def holding(*keys: str, now: float = T0, limits: Limits = LIMITS) -> Account:
    account = Account(name="hiapi")
    for key in keys:
        account, slot = account.ask(key, now=now, limits=limits)
        assert slot is not None
    return account


def put_off(
    account: Account, key: str | None, *, now: float = T0, retry_after: float | None = None, limits: Limits = EIGHT
) -> Account:
    return account.put_off(key, now=now, retry_after=retry_after, limited=True, limits=limits)


# -- slots ---------------------------------------------------------------------------------------------


def test_a_free_slot_is_given_at_once() -> None:
    account, slot = Account(name="hiapi").ask("a", now=T0, limits=LIMITS)

    assert slot == Slot(at=T0)
    assert account.holders == {"a": T0}


def test_asking_twice_changes_nothing() -> None:
    account = holding("a")

    again, slot = account.ask("a", now=T0 + 9, limits=LIMITS)

    assert again is account
    assert slot == Slot(at=T0)


def test_without_a_free_slot_there_is_none() -> None:
    account = holding("a", "b")

    same, slot = account.ask("c", now=T0, limits=LIMITS)

    assert same is account
    assert slot is None


def test_it_is_remembered_whose_turn_it_was() -> None:
    account, _ = Account(name="hiapi", turn="shop").ask("a", now=T0, limits=LIMITS)
    later, _ = account.ask("b", now=T0, limits=LIMITS, turn="press")

    assert (account.turn, later.turn) == ("shop", "press")


def test_releasing_twice_changes_nothing() -> None:
    account = holding("a").release("a")

    assert account.holders == {}
    assert account.release("a") is account


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_there_are_never_more_holders_than_slots(steps: list[tuple[bool, int]]) -> None:
    account = Account(name="hiapi")
    for asks, number in steps:
        account = account.ask(str(number), now=T0, limits=LIMITS)[0] if asks else account.release(str(number))

        assert len(account.holders) <= LIMITS.in_flight


def test_the_places_of_one_owner_stand_together_and_in_the_order_of_their_tasks() -> None:
    places = [Waiter(owner=owner, task_id=task, attempt=1).place for owner in ("a", "a.b", "b") for task in ("task_0", "task_1")]

    assert places == sorted(places)
    assert places[1] < behind("a") < places[2]
    assert Waiter(owner="a", task_id="task_0", attempt=2).key == "task_0:2"


# -- requests ------------------------------------------------------------------------------------------


def test_the_seventh_request_of_a_minute_goes_out_in_the_next() -> None:
    _, slot = holding(*"abcdef", limits=WIDE).ask("g", now=T0, limits=WIDE)

    assert slot is not None
    assert T0 + 60 < slot.at <= T0 + WIDE.ahead_s


def test_nothing_is_reserved_further_ahead_than_the_next_minute() -> None:
    account = holding(*"abcdefghijkl", limits=WIDE)

    assert account.ask("m", now=T0, limits=WIDE) == (account, None)


@given(
    st.lists(st.tuples(st.floats(0, 20), st.booleans(), st.integers(1, 5)), min_size=1, max_size=120),
    st.integers(1, 12),
    st.integers(5, 60),
)
def test_no_minute_holds_more_requests_than_allowed(steps: list[tuple[float, bool, int]], per_minute: int, window_s: int) -> None:
    limits = Limits(account="hiapi", in_flight=10_000, per_minute=per_minute, look_share=0.3, window_s=window_s)
    account, now, sent = Account(name="hiapi"), T0, []
    for number, (pause, posts, wanted) in enumerate(steps):
        now += pause
        if posts:
            account, slot = account.ask(f"t{number}", now=now, limits=limits)
            sent += [slot.at] if slot else []
        else:
            account, granted = account.look(wanted, now=now, limits=limits)
            sent += [now] * granted

    for start in sent:
        assert sum(start <= one < start + window_s for one in sent) <= per_minute


def test_looks_use_what_posts_leave_and_keep_a_share_once_they_are_refused() -> None:
    limits = Limits(account="hiapi", in_flight=100, per_minute=6, look_share=0.5)
    account = holding("a", limits=limits)

    account, granted = account.look(9, now=T0, limits=limits)
    later, slot = account.ask("b", now=T0 + 30, limits=limits)

    assert granted == 5
    assert slot is not None
    assert slot.at > T0 + 60
    assert later.looks_refused_at == T0


def test_what_is_kept_for_looks_and_what_they_have_had_make_up_the_whole_rate() -> None:
    limits = Limits(account="hiapi", in_flight=1000, per_minute=60)
    account, posts, looks = Account(name="hiapi"), [], 0

    for second in range(900):
        now = T0 + second
        for _ in range(2):
            account, slot = account.ask(f"t{len(posts)}", now=now, limits=limits)
            posts += [slot.at] if slot else []
        if second % 60 == 59:
            account, granted = account.look(16, now=now, limits=limits)
            looks += granted

    assert looks >= 12 * 6, "every other sweep has its share: minutes overlap"
    assert sum(at < T0 + 900 for at in posts) + looks >= 0.9 * 60 * 15


def test_looks_that_left_the_window_do_not_make_up_for_the_share_of_the_next_ones() -> None:
    limits = Limits(account="hiapi", in_flight=1000, per_minute=60)
    account = replace(Account(name="hiapi"), looks_refused_at=T0 + 59)
    account, sweep = account.look(12, now=T0, limits=limits)
    account, stray = account.look(1, now=T0 + 59, limits=limits)

    at = []
    for number in range(200):
        account, slot = account.ask(f"t{number}", now=T0 + 60, limits=limits)
        at += [slot.at] if slot else []

    assert (sweep, stray) == (12, 1)
    assert sum(T0 + 62 <= one < T0 + 121 for one in at) <= 48


def test_a_holder_keeps_its_second_unless_it_comes_late() -> None:
    account = holding("a", now=T0)

    assert account.on_time("a", now=T0 + 1, limits=LIMITS) == (account, T0)
    late, at = account.on_time("a", now=T0 + 1.5, limits=LIMITS)
    assert (at, late.holders, late.window.counts) == (T0 + 1.5, {"a": T0 + 1.5}, {int(T0) + 1: 1})


def test_an_account_is_quiet_when_nobody_can_have_come_to_wait() -> None:
    limits = Limits(account="hiapi", in_flight=4, per_minute=60)
    two = replace(holding("a", "b", limits=limits), window=Window({int(T0): 2}))

    assert two.is_quiet(T0, limits)
    assert two.release("a").is_quiet(T0, limits, freed=1)
    assert not two.is_quiet(T0, limits, freed=1)
    assert not replace(two, window=Window({int(T0) + 1: 1})).is_quiet(T0, limits)
    assert not replace(two, not_before=T0 + 1).is_quiet(T0, limits)
    assert not two.shut_off("hiapi/m", "upstream_unavailable", now=T0).is_quiet(T0, limits)
    assert not Account(name="hiapi").is_quiet(T0, Limits(account="hiapi", in_flight=1), freed=1)


def test_a_look_that_cannot_be_had_is_not_written_down_again_and_again() -> None:
    account = holding("a", "b", limits=(limits := Limits(account="hiapi", in_flight=100, per_minute=2)))

    refused, granted = account.look(1, now=T0 + 1, limits=limits)
    again, _ = refused.look(1, now=T0 + 2, limits=limits)
    idle, none = account.look(0, now=T0 + 1, limits=limits)

    assert (granted, none) == (0, 0)
    assert refused.looks_refused_at == T0 + 1
    assert again is refused
    assert idle is account


def test_what_is_not_asked_may_be_asked_by_others() -> None:
    account, granted = Account(name="hiapi").look(6, now=T0, limits=LIMITS)

    lent = account.unlook(int(T0), 4)

    assert granted == 6
    assert lent.used(T0, LIMITS) == 2
    assert lent.unlook(int(T0), 9).window.counts == {}
    assert account.unlook(int(T0), 0) is account


def test_old_seconds_leave_the_window() -> None:
    assert Window({int(T0): 3}).pruned(T0 + 200, 60).counts == {}


# -- limits that are learned ---------------------------------------------------------------------------


def test_an_upstream_that_is_too_busy_gets_its_pause() -> None:
    account = put_off(holding("a", limits=EIGHT), "a", retry_after=20)

    assert account.holders == {}
    assert account.look(1, now=T0 + 5, limits=EIGHT)[1] == 0
    assert account.ask("a", now=T0 + 5, limits=EIGHT)[1] == Slot(at=T0 + 20)


def test_during_a_long_pause_there_is_no_slot() -> None:
    account = put_off(holding("a", limits=EIGHT), "a", retry_after=900)

    assert account.free(T0, EIGHT) == 0
    assert account.free(T0 + 850, EIGHT) > 0


def test_a_crowd_that_is_refused_teaches_how_many_were_taken() -> None:
    account = holding(*"abcdefgh", limits=EIGHT)

    for one in "defgh":
        account = put_off(account, one)

    assert account.ceiling(T0, EIGHT) == 3
    assert account.rate(T0, EIGHT) == 60
    assert account.not_before == T0 + 1


def test_one_refusal_takes_away_no_more_than_half() -> None:
    account = put_off(holding("a", limits=EIGHT), "a")

    assert account.ceiling(T0, EIGHT) == 4


def test_requests_that_are_refused_though_slots_are_free_teach_a_lower_rate() -> None:
    account, _ = holding("a", limits=EIGHT).look(40, now=T0, limits=EIGHT)

    first = put_off(account, None, retry_after=10)
    same_burst = put_off(first, None, now=T0 + 1, retry_after=9)

    assert (first.rate(T0, EIGHT), first.ceiling(T0, EIGHT)) == (30, 8)
    assert same_burst.rate(T0 + 1, EIGHT) == 30
    assert "a" in same_burst.holders


def pauses_of(account: Account, *, limited: bool) -> list[float]:
    now, pauses = T0, []
    for _ in range(9):
        account = account.put_off(None, now=now, retry_after=None, limited=limited, limits=EIGHT)
        pauses.append(account.not_before - now)
        now = account.not_before
    return pauses


def test_being_away_is_not_being_limited_and_concerns_the_account_only_for_a_moment() -> None:
    account = holding("a", limits=EIGHT)

    after = account.put_off(None, now=T0, retry_after=None, limited=False, limits=EIGHT)

    assert after.in_flight is None
    assert pauses_of(account, limited=False) == [5] * 9
    assert after.release("a").faults == 0


def test_pauses_grow_while_a_limit_without_a_time_is_met() -> None:
    one = replace(holding("a", limits=EIGHT), in_flight=1, learned_at=T0)

    assert pauses_of(one, limited=True)[:6] == [5, 10, 20, 40, 80, 160]


def test_a_burst_of_refusals_is_one_incident() -> None:
    account = holding("a", "b", limits=EIGHT)

    for key in "ab":
        account = account.put_off(key, now=T0, retry_after=None, limited=False, limits=EIGHT)

    assert account.faults == 1


def test_limits_recover_slowly_up_to_what_is_configured() -> None:
    account, _ = holding("a", limits=EIGHT).look(40, now=T0, limits=EIGHT)
    account = put_off(put_off(account, None), "a", now=T0 + 90)

    assert account.ceiling(T0 + 90, EIGHT) == 4
    assert [account.ceiling(T0 + 90 + minutes * 60, EIGHT) for minutes in (0, 2, 4, 99)] == [4, 5, 6, 8]
    assert [account.rate(T0 + 90 + minutes * 60, EIGHT) for minutes in (0, 2, 99)] == [30, 33, 60]
