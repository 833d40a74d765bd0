"""More tasks than the upstream takes at a time: they wait here instead of failing there."""

from tests.pipeline.bursts import Allowed, burst
from tests.pipeline.running import Up

ALLOWED = Allowed(in_flight=5, per_minute=600, minute_s=10)
# Nobody needs to be asked about: callbacks come, however slow the machine is.
PATIENT = {"DARKROOM_FIRST_CHECK_S": "60", "DARKROOM_RECHECK_MAX_S": "60"}


def test_a_burst_within_limits_that_are_known_is_never_refused() -> None:
    with Up(**ALLOWED.believed(), **PATIENT) as up:
        local = burst(up, tasks=30, allowed=ALLOWED, latency_s=0.2)

    assert local.ended == {"succeeded": 30}
    assert local.refused == 0
    assert (local.totals["accepted"], local.totals["posts"], local.totals["gets"]) == (30, 30, 0)


def test_limits_that_are_not_known_are_learned_from_a_handful_of_refusals() -> None:
    wrong = Allowed(in_flight=8, per_minute=600, minute_s=10)

    with Up(**wrong.believed(), **PATIENT) as up:
        local = burst(up, tasks=15, allowed=ALLOWED, latency_s=0.5)

    assert local.ended == {"succeeded": 15}
    assert local.refused <= 8
    assert local.totals["accepted"] == 15
