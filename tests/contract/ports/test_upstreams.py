"""What every upstream promises to the use-cases: the scripted one and HiAPI's, before its simulator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.domain.news import Says
from darkroom.errors import SignatureRejected, UpstreamTaskNotFound
from darkroom.ports import Upstream
from local.simulator.server import Simulator
from tests.support.memory import MemorySecrets, MemoryUpstream

MODEL = "gpt-image-2/text-to-image"
KEY = "sim-key-0123456789"
WAIT_S = 30


@dataclass(slots=True)
class Case:
    """An upstream under test, and the way to make what it says next."""

    upstream: Upstream
    forget: Callable[[], None]
    distrust: Callable[[], None]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0, latency_s=10, webhook_secret="whsec_0123456789abcdef", api_key=KEY) as running:
        yield running


@pytest.fixture(params=["memory", "hiapi"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "memory":
        memory = MemoryUpstream()
        return Case(
            memory,
            forget=lambda: memory.looks.append(UpstreamTaskNotFound("scripted")),
            distrust=lambda: memory.hears.append(SignatureRejected("scripted")),
        )
    simulator: Simulator = request.getfixturevalue("simulator")
    simulator.admin.reset()
    secrets = MemorySecrets({"hiapi_api_key": KEY, "hiapi_webhook_secret": "whsec_0123456789abcdef"})
    return Case(HiApi(base_url=simulator.url, secrets=secrets), forget=simulator.admin.reset, distrust=lambda: None)


def freeze(upstream: Upstream, prompt: str = "a lighthouse") -> bytes:
    return upstream.freeze(model=MODEL, route=None, input={"prompt": prompt, "aspect_ratio": "1:1"}, callback_url=None)


def test_the_same_request_freezes_to_the_same_bytes(case: Case) -> None:
    assert freeze(case.upstream) == freeze(case.upstream)
    assert freeze(case.upstream) != freeze(case.upstream, "a harbour")


def test_repeats_under_one_key_are_one_task(case: Case) -> None:
    body = freeze(case.upstream)

    first = case.upstream.submit(body, key="task_1:1", timeout_s=WAIT_S)
    again = case.upstream.submit(body, key="task_1:1", timeout_s=WAIT_S)

    assert case.upstream.promises.collapses_repeats
    assert (first.replayed, again.replayed) == (False, True)
    assert again.upstream_task_id == first.upstream_task_id


def test_another_key_is_another_task(case: Case) -> None:
    body = freeze(case.upstream)

    made = {case.upstream.submit(body, key=f"task_1:{attempt}", timeout_s=WAIT_S).upstream_task_id for attempt in (1, 2)}

    assert len(made) == 2


def test_a_look_at_a_fresh_task_says_that_it_is_at_work(case: Case) -> None:
    accepted = case.upstream.submit(freeze(case.upstream), key="task_1:3", timeout_s=WAIT_S)

    news = case.upstream.look(accepted.upstream_task_id, attempt=3, timeout_s=WAIT_S)

    assert news.says not in (Says.SUCCEEDED, Says.FAILED)
    assert (news.by, news.attempt, news.upstream_task_id) == ("poll", 3, accepted.upstream_task_id)


def test_a_task_that_it_does_not_know_is_not_found(case: Case) -> None:
    accepted = case.upstream.submit(freeze(case.upstream), key="task_1:1", timeout_s=WAIT_S)
    case.forget()

    with pytest.raises(UpstreamTaskNotFound):
        case.upstream.look(accepted.upstream_task_id, attempt=1, timeout_s=WAIT_S)


def test_a_callback_that_it_did_not_sign_is_rejected(case: Case) -> None:
    case.distrust()
    forged = {"X-HiAPI-Timestamp": "1763600000", "X-HiAPI-Signature": "0" * 64}

    with pytest.raises(SignatureRejected):
        case.upstream.hear(forged, b'{"taskId":"up-1","status":"success"}', attempt=1, now=1_763_600_000)
