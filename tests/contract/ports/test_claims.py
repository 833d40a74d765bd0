"""What every store of idempotency keys promises."""

from concurrent.futures import ThreadPoolExecutor

from darkroom.ports import Claim, Claims

NOW = 1_763_600_000.25


def test_a_free_key_is_taken(claims: Claims) -> None:
    claim = claims.claim("dev", "order-1", fingerprint="f1", task_id="task_1", now=NOW)

    assert claim == Claim(task_id="task_1", fingerprint="f1", fresh=True)


def test_a_taken_key_says_whose_it_is(claims: Claims) -> None:
    claims.claim("dev", "order-1", fingerprint="f1", task_id="task_1", now=NOW)

    again = claims.claim("dev", "order-1", fingerprint="f2", task_id="task_2", now=NOW + 5)

    assert again == Claim(task_id="task_1", fingerprint="f1", fresh=False)


def test_asking_whose_a_key_is_does_not_take_it(claims: Claims) -> None:
    before = claims.known("dev", "order-1", now=NOW)
    claims.claim("dev", "order-1", fingerprint="f1", task_id="task_1", now=NOW)

    assert before is None
    assert claims.known("dev", "order-1", now=NOW + 5) == Claim(task_id="task_1", fingerprint="f1", fresh=False)
    assert claims.known("dev", "order-1", now=NOW + 49 * 3600) is None


def test_owners_do_not_share_keys(claims: Claims) -> None:
    claims.claim("dev", "order-1", fingerprint="f1", task_id="task_1", now=NOW)

    other = claims.claim("ops", "order-1", fingerprint="f2", task_id="task_2", now=NOW)

    assert other.fresh


def test_owner_and_key_are_not_run_together(claims: Claims) -> None:
    claims.claim("dev", "1order", fingerprint="f1", task_id="task_1", now=NOW)

    other = claims.claim("dev1", "order", fingerprint="f1", task_id="task_2", now=NOW)

    assert other.fresh


def test_a_key_is_kept_for_two_days(claims: Claims) -> None:
    claims.claim("dev", "order-1", fingerprint="f1", task_id="task_1", now=NOW)

    within = claims.claim("dev", "order-1", fingerprint="f2", task_id="task_2", now=NOW + 47.9 * 3600)
    behind = claims.claim("dev", "order-1", fingerprint="f3", task_id="task_3", now=NOW + 48.1 * 3600)

    assert not within.fresh
    assert behind == Claim(task_id="task_3", fingerprint="f3", fresh=True)


def test_of_many_claims_at_once_one_wins(claims: Claims) -> None:
    def claim(number: int) -> Claim:
        return claims.claim("dev", "order-1", fingerprint="f", task_id=f"task_{number}", now=NOW)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(claim, range(8)))

    assert [claim.fresh for claim in made].count(True) == 1
    assert len({claim.task_id for claim in made}) == 1
