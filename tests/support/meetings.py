"""The races that are run: where the actors meet, who they are, and what must be true afterwards."""

from functools import partial

from darkroom.domain.news import Says
from darkroom.errors import UpstreamRefused, UpstreamUnavailable
from darkroom.ports import Job
from darkroom.usecases.receive_callback import Received
from tests.support.gateway import SILENT
from tests.support.races import Race, Ring
from tests.support.stories import ONE_SLOT, OTHER, SUBMISSION_UNKNOWN
from tests.support.witness import NEVER_RUDE, ONE_END, PAID_ONCE
from tests.support.world import World

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


def _at_work_and_overdue(ring: Ring) -> None:
    _running(ring)
    ring.world.gateway.of_task(ring.task_id).says = Says.GENERATING
    ring.world.now += 61


def _failed_and_overdue(ring: Ring) -> None:
    _running(ring)
    ring.world.gateway.fail(ring.task_id)
    ring.world.now += 61


def _failed_for_nothing_and_overdue(ring: Ring) -> None:
    _running(ring)
    ring.world.gateway.fail(ring.task_id, passing=True)
    ring.world.now += 61


def _to_be_tried_again(ring: Ring) -> None:
    """The first attempt has failed for nothing; two messages ask for the second one."""
    _failed_for_nothing_and_overdue(ring)
    ring.world.call_back(ring.task_id)
    ring.world.queue.jobs *= 2
    ring.world.now += 61


def _refused_for_now(ring: Ring) -> None:
    ring.world.gateway.before_accepting = [UpstreamUnavailable("too many", status=429, about_the_request=True)]


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


def _one_waits(ring: Ring) -> None:
    """One has the only slot and has finished; another waits for it."""
    _finished(ring)
    ring.world.create()


def _two_wait(ring: Ring) -> None:
    _one_waits(ring)
    ring.world.create(owner="press")


# -- who meets ------------------------------------------------------------------------------------------


def _callbacks(ring: Ring, *, number: int) -> None:
    for one in range(number):
        ring.callback(f"callback {one:02}")


def _callback_and_look(ring: Ring) -> None:
    ring.callback()
    ring.look()


def _end_and_look(ring: Ring) -> None:
    """The end is told while an answer is on its way that says "at work": old news comes after new."""

    def end() -> Received:
        ring.world.gateway.succeed(ring.task_id)
        return ring.world.call_back(ring.task_id)

    ring.stage.enter("gateway", end)
    ring.look()


def _two_looks(ring: Ring) -> None:
    ring.look("reconciler 1")
    ring.look("reconciler 2")


def _cancel_and_callback(ring: Ring) -> None:
    ring.cancel()
    ring.callback()
    ring.look()


def _workers_look_and_callback(ring: Ring) -> None:
    """The next attempt is asked for by messages and by a look, while the news of the one before comes once more."""
    token = (ring.world.gateway.of_task(ring.task_id).callback_url or "").rpartition("/")[2]
    body = {"taskId": ring.world.gateway.of_task(ring.task_id).id}
    _workers(ring)
    ring.look()
    ring.stage.enter("late callback", lambda: ring.world.call_back(ring.task_id, token=token, body=body))


def _workers_and_cancel(ring: Ring) -> None:
    _workers_look_and_callback(ring)
    ring.cancel()


def _slow_create_with_another_model(ring: Ring) -> None:
    """The POST is out for so long that the reconciler sends it again; the gateway refuses one of the two for now."""
    ring.stage.enter("create", lambda: ring.world.create(key="order-1", alternatives=(OTHER,)))
    ring.clock(steps=4, seconds=40)
    ring.look()
    ring.cancel()


def _callback_and_create(ring: Ring) -> None:
    """A slot comes free while somebody finds none and begins to wait."""
    ring.callback()
    ring.create("create", key="order-2")


def _callback_and_tick(ring: Ring) -> None:
    ring.callback()
    ring.stage.enter("tick 1", ring.world.tick)
    ring.stage.enter("tick 2", ring.world.tick)
    ring.create("create", key="order-2")


def _cancel_who_is_called(ring: Ring) -> None:
    """The slot of one is handed on to another who is being canceled."""
    world, first = ring.world, ring.task_id
    second = next(task.id for task in world.tasks.tasks.values() if task.id != first)
    ring.callback()
    ring.stage.enter("cancel", lambda: world.cancel(second))
    ring.stage.enter("worker", lambda: world.work(Job(do="submit", task_id=second, attempt=1)))


def _strangers(ring: Ring, *, number: int) -> None:
    for one in range(number):
        ring.create(f"create {one:02}", key=f"order-{one}")


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


def _one_post_each(ring: Ring) -> None:
    keys = [key for key, _ in ring.world.gateway.posts]
    ring.witness.that(PAID_ONCE, len(keys) == len(set(keys)), "a task was sent more than once")


_ONE_SLOT = partial(World, limits=ONE_SLOT)
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
        name="failure for nothing: callback against reconciler",
        prepare=_failed_for_nothing_and_overdue,
        enter=_callback_and_look,
    ),
    Race(name="the second attempt: two workers, a look, old news", prepare=_to_be_tried_again, enter=_workers_look_and_callback),
    Race(name="the second attempt: canceled", prepare=_to_be_tried_again, enter=_workers_and_cancel, ends=_EITHER),
    Race(
        name="a POST that is out too long is refused for now, another model may serve",
        prepare=_refused_for_now,
        enter=_slow_create_with_another_model,
        ends=_EITHER,
    ),
    Race(
        name="late success: callback against reconciler",
        prepare=_long_expired,
        enter=_callback_and_look,
        ends=frozenset({"expired deadline_exceeded with pictures"}),
    ),
    Race(name="old news after the end", prepare=_at_work_and_overdue, enter=_end_and_look),
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
    Race(name="a slot comes free while somebody begins to wait", prepare=_finished, enter=_callback_and_create, world=_ONE_SLOT),
    Race(name="a slot is handed on while it is tended", prepare=_two_wait, enter=_callback_and_tick, world=_ONE_SLOT),
    Race(
        name="a slot is handed on to the canceled", prepare=_one_waits, enter=_cancel_who_is_called, world=_ONE_SLOT, ends=_EITHER
    ),
    Race(
        name="12 creates, one slot",
        enter=partial(_strangers, number=12),
        is_crowded=True,
        afterwards=_one_post_each,
        world=_ONE_SLOT,
    ),
    Race(
        name="12 creates, ten slots",
        enter=partial(_strangers, number=12),
        is_crowded=True,
        afterwards=_one_post_each,
    ),
    Race(
        name="submit job against cancel",
        prepare=_running,
        enter=_worker_and_cancel,
        promises=SILENT,
        ends=_EITHER,
    ),
)
