"""The callback token opens one attempt of one task at one upstream, and nothing else."""

import pytest

from darkroom.domain.callback_token import RETIRED_KEYS_LIVE_S, SigningKey, sign, token_lives_s, verify
from darkroom.errors import TokenRejected

T0 = 1_700_000_000.0
KEY = SigningKey("a-stack-secret-of-some-length")
TOKEN = sign(KEY, upstream="hiapi", task_id="task_A", attempt=3, now=T0 + 0.9)
LIVES_S = token_lives_s(86_400)


def test_a_token_gives_back_the_attempt_it_was_made_for() -> None:
    assert verify([KEY], TOKEN, upstream="hiapi", task_id="task_A", now=T0, lives_s=LIVES_S) == 3


@pytest.mark.parametrize(("upstream", "task_id"), [("pixapi", "task_A"), ("hiapi", "task_B")])
def test_a_token_opens_no_other_door(upstream: str, task_id: str) -> None:
    with pytest.raises(TokenRejected):
        verify([KEY], TOKEN, upstream=upstream, task_id=task_id, now=T0, lives_s=LIVES_S)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "a.b",
        "a.b.c.d",
        TOKEN + "0",
        TOKEN.replace(".3.", ".4."),
        TOKEN.replace(".3.", ".x."),
        TOKEN.replace(".3.", ".٣."),
        TOKEN.replace(".3.", ".12345."),
        TOKEN.replace(".1700000000.", ".1700000001."),
        TOKEN.replace(".1700000000.", ".٣."),
        TOKEN.replace(".1700000000.", ".-1."),
        TOKEN.replace(".1700000000.", f".{'1' * 13}."),
        TOKEN.replace(".1700000000.", "."),
        "kid.1.ünsinn",
    ],
)
def test_what_is_not_our_token_is_rejected(token: str) -> None:
    with pytest.raises(TokenRejected):
        verify([KEY], token, upstream="hiapi", task_id="task_A", now=T0, lives_s=LIVES_S)


def test_a_retired_key_opens_for_two_more_days() -> None:
    keys = [SigningKey("the-new-secret-of-the-stack"), SigningKey(KEY.secret, retired_at=T0)]

    assert verify(keys, TOKEN, upstream="hiapi", task_id="task_A", now=T0 + RETIRED_KEYS_LIVE_S, lives_s=LIVES_S) == 3
    with pytest.raises(TokenRejected, match="kid"):
        verify(keys, TOKEN, upstream="hiapi", task_id="task_A", now=T0 + RETIRED_KEYS_LIVE_S + 1, lives_s=LIVES_S)


def test_a_token_dies_when_no_news_of_its_attempt_can_come_any_more() -> None:
    """A day to wait for a slot, a day of repeats, a day's deadline, and a day of looking for late pictures."""
    ends = T0 + 4 * 86_400

    assert verify([KEY], TOKEN, upstream="hiapi", task_id="task_A", now=ends, lives_s=LIVES_S) == 3
    with pytest.raises(TokenRejected, match="old"):
        verify([KEY], TOKEN, upstream="hiapi", task_id="task_A", now=ends + 1, lives_s=LIVES_S)


def test_the_secret_stays_out_of_the_repr() -> None:
    assert KEY.secret not in repr(KEY)
