"""Fifty at once, and others who come at a bad moment: real threads, real sockets."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from darkroom.domain.task import Phase, Timing
from tests.chaos.emulators.counting import Counted
from tests.chaos.emulators.deployment import Deployment, deployed
from tests.chaos.emulators.outside import Outside, Wish, wait_for
from tests.chaos.emulators.promises import check
from tests.chaos.emulators.scale import TIMEOUT_S, seeds
from tests.chaos.emulators.scripts import Gate, Jostle
from tests.chaos.emulators.wire import Script
from tests.support.aws import Aws

pytestmark = pytest.mark.timeout(TIMEOUT_S)

CROWD = 50
# For the two emulators and this machine's other work; the answers themselves take milliseconds.
PATIENT = httpx.Timeout(100.0)


@pytest.fixture
def outside(deployment: Deployment) -> Iterator[Outside]:
    """A fresh run, whose script is taken away in the end."""
    yield Outside(deployment)
    deployment.wire.script = Script()


@pytest.fixture
def crowd() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(CROWD) as pool:
        yield pool


def post_a_callback(outside: Outside) -> httpx.Response:
    """Over HTTP, as the upstream does it."""
    (generation,) = outside.generations()
    _, path, headers, body = outside.letter(generation)
    return httpx.post(outside.deployment.gateway_url + path, headers=headers, content=body, timeout=PATIENT)


def post_a_wish(outside: Outside, wish: Wish) -> httpx.Response:
    """Over HTTP, as the application does it."""
    return httpx.post(f"{outside.deployment.gateway_url}/v1/tasks", headers=wish.headers, content=wish.body, timeout=PATIENT)


def test_of_fifty_callbacks_one_stores_and_the_others_are_answered_meanwhile(
    outside: Outside, crowd: ThreadPoolExecutor, counted: Counted
) -> None:
    outside.ask(outside.wish())
    outside.finish()
    outside.deployment.wire.script = download = Gate("upstream download")

    answers = [crowd.submit(post_a_callback, outside) for _ in range(CROWD)]
    # One of them holds the picture; nobody else waits for it.
    wait_for(lambda: sum(one.done() for one in answers) == CROWD - 1, "the answers to the repeats")
    assert download.waiting.is_set()
    download.opened.set()
    got = [one.result() for one in answers]

    assert [one.status_code for one in got] == [200] * CROWD
    assert sum(one.json() == {"duplicate": True} for one in got) == CROWD - 1
    outside.go_on()
    assert check(outside).downloads == 1
    counted("callbacks at once", CROWD)


def test_of_fifty_creates_with_one_key_one_is_sent(outside: Outside, crowd: ThreadPoolExecutor, counted: Counted) -> None:
    wish = outside.wish()

    got = list(crowd.map(lambda _: post_a_wish(outside, wish), range(CROWD)))

    assert sorted(one.status_code for one in got) == [200] * (CROWD - 1) + [202]
    assert sum("idempotent-replayed" in one.headers for one in got) == CROWD - 1
    assert len({one.json()["id"] for one in got}) == 1
    outside.go_on()
    assert check(outside).posts == 1
    counted("creates with one key at once", CROWD)


def test_two_reconcilers_ask_about_no_task_twice(outside: Outside, crowd: ThreadPoolExecutor, counted: Counted) -> None:
    for seed in seeds(short=1, long=20):
        run = Outside(outside.deployment, silent=True)
        for _ in range(6):
            run.ask(run.wish())
        run.finish()
        run.deployment.ahead += 70
        run.deployment.wire.script = Jostle(seed)

        list(crowd.map(lambda door, run=run: run.tick(after=0, door=door), ("sweep", "other")))

        run.deployment.wire.script = Script()
        assert {one.counts["gets"] for one in run.generations()} == {1}
        run.go_on()
        assert check(run).downloads == 6
        counted("tasks that two reconcilers met at", 6)


def test_everybody_at_once_over_many_tasks(outside: Outside, crowd: ThreadPoolExecutor, counted: Counted) -> None:
    for seed in seeds(short=1, long=20):
        run = Outside(outside.deployment)
        for _ in range(4):
            run.ask(run.wish())
        run.finish()
        run.deployment.ahead += 70
        run.deployment.wire.script = Jostle(seed)

        doing = [crowd.submit(run.deliver, one) for one in run.generations() for _ in range(3)]
        doing += [crowd.submit(run.cancel, wish) for wish in run.wishes[:2]]
        doing += [crowd.submit(run.tick, after=0) for _ in range(2)] + [crowd.submit(run.ask, wish) for wish in run.wishes]
        doing += [crowd.submit(run.pump) for _ in range(2)]
        for one in doing:
            one.result()

        run.deployment.wire.script = Script()
        run.go_on()
        check(run)
        counted("things done at once", len(doing))


def test_a_holder_whose_lease_has_run_out_finds_the_picture_of_his_successor(outside: Outside, crowd: ThreadPoolExecutor) -> None:
    outside.ask(outside.wish())
    outside.finish()
    (generation,) = outside.generations()
    outside.deployment.wire.script = download = Gate("upstream download")

    holder = crowd.submit(outside.deliver, generation)
    download.waiting.wait(60)
    # He works; his lease ends all the same. The upstream delivers again.
    outside.deployment.ahead += outside.deployment.timing.inline_lease_s + 1
    outside.deployment.wire.script = Script()
    successor = outside.deliver(generation)
    (task,) = outside.tasks().values()
    download.opened.set()

    assert successor is not None
    assert (successor.json, task.phase) == ({"received": True}, Phase.SUCCEEDED)
    late = holder.result()
    assert late is not None
    assert late.status == 200
    outside.go_on()
    assert check(outside).downloads == 2


def test_a_lease_that_runs_out_again_and_again_still_leads_to_one_picture(emulator: Aws, crowd: ThreadPoolExecutor) -> None:
    timing = replace(Timing(), inline_lease_s=0.05, queued_lease_s=0.05)
    with deployed(emulator, timing=timing) as made:
        outside = Outside(made)
        outside.ask(outside.wish())
        outside.finish()
        (generation,) = outside.generations()
        made.wire.script = Jostle(7, longest_s=0.1)

        got = list(crowd.map(lambda _: outside.deliver(generation), range(20)))

        made.wire.script = Script()
        assert {one.status for one in got if one is not None} <= {200, 503}
        outside.go_on()
        check(outside)


def test_a_callback_that_comes_before_the_create_answer_finishes_the_task(emulator: Aws) -> None:
    with deployed(emulator, calls_back=True) as made:
        outside = Outside(made)
        wish = outside.wish(markers="[sim:callback-early]")

        got = post_a_wish(outside, wish)

        (task,) = outside.tasks().values()
        assert (got.status_code, task.phase) == (202, Phase.SUCCEEDED)
        outside.ask(wish)
        found = check(outside)
        assert (found.posts, found.downloads) == (1, 1)
        assert [one["status"] for one in found.generations[0].deliveries] == [200]
