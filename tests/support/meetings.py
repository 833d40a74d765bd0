"""The races that are run: where the actors meet, who they are, and what must be true afterwards."""

from functools import partial

from darkroom.errors import UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Job
from darkroom.usecases.receive_callback import Received
from tests.support.gateway import SILENT
from tests.support.races import Race, Ring
from tests.support.stories import SUBMISSION_UNKNOWN
from tests.support.witness import NEVER_RUDE, ONE_END, PAID_ONCE

MANY = 50

# -- where they meet ------------------------------------------------------------------------------------


def _running(ring: Ring) -> None:
    ring.task_id = ring.world.create().task.id


def _finished(ring: Ring) -> None:
    _running(ring)
    ring.world.gateway.succeed(ring.task_id)


def _overdue(ring: Ring) -> None:
    _finished(ring)
    ring.world.now += 61


def _failed_and_overdue(ring: Ring) -> None:
    _running(ring)
    ring.world.gateway.fail(ring.task_id)
    ring.world.now += 61


def _long_expired(ring: Ring) -> None:
    _running(ring)
    ring.world.live_on(2000)
    ring.world.gateway.succeed(ring.task_id)
    ring.world.now += 400


def _handed_over(ring: Ring) -> None:
    """A callback left the bytes to the worker."""
    _finished(ring)
    delays, ring.world.delays = ring.world.delays, ()
    ring.world.call_back(ring.task_id)
    ring.world.delays = delays


def _queued_twice(ring: Ring) -> None:
    _running(ring)
    ring.world.queue.jobs *= 2


def _put_off(ring: Ring) -> None:
    ring.world.gateway.before_accepting = [UpstreamUnavailable("busy")]


def _refused_once(ring: Ring) -> None:
    ring.world.gateway.before_accepting = [UpstreamRefused("no", reason="content_rejected")]


# -- who meets ------------------------------------------------------------------------------------------


def _callbacks(ring: Ring, *, number: int) -> None:
    for one in range(number):
        ring.callback(f"callback {one:02}")


def _callback_and_look(ring: Ring) -> None:
    ring.callback()
    ring.look()


def _two_looks(ring: Ring) -> None:
    ring.look("reconciler 1")
    ring.look("reconciler 2")


def _cancel_and_callback(ring: Ring) -> None:
    ring.cancel()
    ring.callback()
    ring.look()


def _creates(ring: Ring, *, number: int) -> None:
    for one in range(number):
        ring.create(f"create {one:02}")


def _create_and_callback(ring: Ring) -> None:
    """The callback may come as soon as the gateway has made the generation, long before the answer to the POST."""
    world = ring.world

    def deliver() -> Received:
        generation = next(iter(world.gateway.generations.values()))
        world.gateway.succeed(generation.task_id)
        return world.call_back(generation.task_id)

    ring.create()
    ring.stage.enter("callback", deliver, ready=lambda: bool(world.gateway.generations))


def _slow_create(ring: Ring) -> None:
    """The POST is out for so long that the reconciler sends it again; somebody cancels."""
    ring.create()
    ring.clock(steps=4, seconds=40)
    ring.look()
    ring.cancel()


def _slow_holder(ring: Ring) -> None:
    """Leases of 25 and 150 seconds expire while their holders still work."""
    ring.callback("callback 1")
    ring.callback("callback 2")
    ring.look()
    ring.stage.enter("worker", lambda: ring.world.work(Job(do="store", task_id=ring.task_id, attempt=1)))
    ring.clock(steps=12, seconds=26)


def _workers(ring: Ring) -> None:
    for number, job in enumerate(ring.world.queue.jobs):
        ring.stage.enter(f"worker {number}", partial(ring.world.work, job))
    ring.world.queue.jobs.clear()


def _worker_and_look(ring: Ring) -> None:
    _workers(ring)
    ring.callback()
    ring.look()
    ring.clock(steps=3, seconds=80)


def _worker_and_cancel(ring: Ring) -> None:
    _workers(ring)
    ring.cancel()


# -- what must be true afterwards ------------------------------------------------------------------------


def _one_stored_the_others_duplicates(ring: Ring) -> None:
    words = sorted(getattr(value, "outcome", "nothing") for value in ring.stage.values.values())
    expected = sorted(["stored", *["duplicate"] * (len(words) - 1)])
    ring.witness.that(ONE_END, words == expected, f"the deliveries were answered {words}")
    ring.witness.that(ONE_END, len(ring.world.downloads.opened) == 1, "the picture was fetched more than once")


def _one_task_one_post(ring: Ring) -> None:
    ids = {created.task.id for created in ring.stage.values.values() if created is not None}
    ring.witness.that(PAID_ONCE, len(ids) == 1, f"one key made the tasks {sorted(ids)}")
    ring.witness.that(PAID_ONCE, len(ring.world.gateway.posts) == 1, "one key was sent more than once")


def _asked_once(ring: Ring) -> None:
    ring.witness.that(NEVER_RUDE, len(ring.world.gateway.looks) <= 1, "two sweeps asked about the same silence")


_EITHER = frozenset({"succeeded", "canceled canceled"})
_FAILED = frozenset({"failed generation_failed"})

RACES = (
    Race(
        name="50 duplicate callbacks",
        prepare=_finished,
        enter=partial(_callbacks, number=MANY),
        is_crowded=True,
        afterwards=_one_stored_the_others_duplicates,
    ),
    Race(
        name="3 duplicate callbacks",
        prepare=_finished,
        enter=partial(_callbacks, number=3),
        afterwards=_one_stored_the_others_duplicates,
    ),
    Race(name="callback against reconciler", prepare=_overdue, enter=_callback_and_look),
    Race(
        name="failure: callback against reconciler",
        prepare=_failed_and_overdue,
        enter=_callback_and_look,
        ends=_FAILED,
    ),
    Race(
        name="late success: callback against reconciler",
        prepare=_long_expired,
        enter=_callback_and_look,
        ends=frozenset({"expired deadline_exceeded with pictures"}),
    ),
    Race(name="two reconcilers", prepare=_overdue, enter=_two_looks, afterwards=_asked_once),
    Race(name="cancel against callback", prepare=_overdue, enter=_cancel_and_callback, ends=_EITHER),
    Race(
        name="cancel against a failure",
        prepare=_failed_and_overdue,
        enter=_cancel_and_callback,
        ends=_FAILED | {"canceled canceled"},
    ),
    Race(
        name="50 creates with one key",
        enter=partial(_creates, number=MANY),
        is_crowded=True,
        afterwards=_one_task_one_post,
    ),
    Race(name="2 creates with one key", enter=partial(_creates, number=2), afterwards=_one_task_one_post),
    Race(name="callback before the create's answer", enter=_create_and_callback),
    Race(name="a POST that is out too long, sent again, canceled", enter=_slow_create, ends=_EITHER),
    Race(name="a POST that is out too long is put off, its repeat is taken", prepare=_put_off, enter=_slow_create, ends=_EITHER),
    Race(
        name="a POST that is out too long is refused, its repeat is taken",
        prepare=_refused_once,
        enter=_slow_create,
        ends=_EITHER | {"failed content_rejected"},
    ),
    Race(name="a lease that expires under its holder", prepare=_finished, enter=_slow_holder),
    Race(name="worker against callback and reconciler", prepare=_handed_over, enter=_worker_and_look),
    Race(
        name="one submit job, two workers",
        prepare=_queued_twice,
        enter=_workers,
        promises=SILENT,
        ends=frozenset({"succeeded", SUBMISSION_UNKNOWN}),
    ),
    Race(
        name="submit job against cancel",
        prepare=_running,
        enter=_worker_and_cancel,
        promises=SILENT,
        ends=_EITHER,
    ),
)
