"""Boundaries that fail: with their port's own fault or with an error that no code expects; once, for a while, or for ever."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from darkroom.errors import DarkroomError, DownloadInterrupted, OutcomeUnknown, StorageUnavailable, UpstreamUnavailable
from darkroom.usecases.look_at_task import STORE_GIVE_UP_S
from tests.support.boundaries import Surprise
from tests.support.crashes import boundaries_of
from tests.support.knife import Knife
from tests.support.life import Life
from tests.support.sampling import sample
from tests.support.stories import SUBMISSION_UNKNOWN, Story, last_words
from tests.support.trials import Trial
from tests.support.witness import NEVER_LOST, NEVER_RUDE

FOREVER = float("inf")
LONGEST_S = 30 * 3600.0
"""Longer than anything here is patient: what can end without the service has ended by then."""

MESSAGES_AT_FIRST = 60
"""Beside one a minute for each task: whoever tries again more often than that fills the queue of a deployment in trouble."""

NEEDED = ("tasks.add", "tasks.get", "tasks.move", "tasks.overdue", "claims.claim")
"""Without these nothing can be known or done: all that can be asked is that everything heals afterwards."""

NEEDED_TO_GO_ON = (
    *("bucket.", "downloads.", "queue.send", "tasks.request_of", "tasks.keep_sent", "accounts.", "upstream.submit"),
)
"""Without these a task waits for a day before it gives up."""


@dataclass(slots=True, kw_only=True)
class Outage(Knife):
    """From the `first` time on that `boundary` is reached, so many `calls` raise what `fault` gives. Nobody is killed."""

    boundary: str
    fault: Callable[[str], Exception]
    first: int = 1
    calls: float = 1
    seen: int = 0

    def __call__(self, boundary: str) -> None:
        Knife.__call__(self, boundary)
        if boundary == self.boundary and self._is_down():
            self.faults += 1
            self.last_fault = boundary
            raise self.fault(boundary)

    def _is_down(self) -> bool:
        self.seen += 1
        return self.first <= self.seen < self.first + self.calls


def fault_at(boundary: str) -> DarkroomError:
    """What a port raises when the service behind it fails just there; after the effect, only its answer is lost."""
    port = boundary.partition(".")[0]
    if port == "downloads":
        return DownloadInterrupted(f"outage: {boundary}")
    if boundary == "upstream.submit:done":
        return OutcomeUnknown(f"outage: {boundary}")
    if boundary in ("upstream.submit", "upstream.look", "upstream.look:done"):
        return UpstreamUnavailable(f"outage: {boundary}")
    return StorageUnavailable(f"outage: {boundary}")


def surprise_at(boundary: str) -> Surprise:
    """What a port raises that has a bug, or whose answer nobody can read."""
    return Surprise(boundary)


def passing_faults(story: Story, *, one_in: int = 1) -> Iterator[Trial]:
    """Each boundary fails once, each time that it is reached, or a sample of those: the story must end as well as without."""
    return _once(story, fault_at, _allowed, one_in=one_in)


def passing_surprises(story: Story, *, one_in: int = 1) -> Iterator[Trial]:
    """The same with what no code expects: the story must end as if a process had died there."""
    return _once(story, surprise_at, lambda story, _: story.ends, one_in=one_in)


def _once(
    story: Story, fault: Callable[[str], Exception], allowed: Callable[[Story, str], frozenset[str]], *, one_in: int
) -> Iterator[Trial]:
    calls = [(boundary, first) for boundary, times in _reached(story).items() for first in range(1, times + 1)]
    for boundary, first in sample(calls, one_in=one_in, salt=f"passing {story.name}"):
        outage = Outage(boundary=boundary, first=first, fault=fault)
        life = story.begin(outage)
        life.run_to_rest()
        words = last_words(life)
        life.witness.that(NEVER_LOST, bool(words) and words <= allowed(story, boundary), f"it ended {sorted(words)}")
        yield _trial(story, life, outage, f"{boundary} fails at its call {first} by {type(fault(boundary)).__name__}")


def short_outages(story: Story, *, calls: int = 6, one_in: int = 1) -> Iterator[Trial]:
    """Each boundary, or a sample of them, fails several times in a row; the story's end may change, the promises may not."""
    for boundary in sample(list(_reached(story)), one_in=one_in, salt=f"short {story.name}"):
        outage = Outage(boundary=boundary, calls=calls, fault=fault_at)
        life = story.begin(outage)
        life.run_to_rest()
        yield _trial(story, life, outage, f"{boundary} fails {calls} times")


def lasting_outages(
    story: Story, *, seconds: float = LONGEST_S, one_in: int = 1, fault: Callable[[str], Exception] = fault_at
) -> Iterator[Trial]:
    """Each boundary, or a sample of them, fails for `seconds`: what does not need it ends meanwhile, the rest afterwards."""
    for boundary in sample(list(_reached(story)), one_in=one_in, salt=f"lasting {story.name}"):
        outage = Outage(boundary=boundary, calls=FOREVER, fault=fault)
        life = story.begin(outage)
        life.run(until=life.world.now + seconds)
        still_open = [task.phase.value for task in life.world.tasks.tasks.values() if not task.is_terminal]
        needed = boundary.startswith(NEEDED) or (seconds < STORE_GIVE_UP_S and boundary.startswith(NEEDED_TO_GO_ON))
        life.witness.that(NEVER_LOST, needed or not still_open, f"without {boundary} it stays {still_open}")
        most = MESSAGES_AT_FIRST + len(life.world.tasks.tasks) * seconds / 60
        few = boundary.startswith(NEEDED) or len(life.sent) <= most
        life.witness.that(NEVER_RUDE, few, f"without {boundary} the queue gets {len(life.sent)} messages")
        outage.calls = 0
        life.run_to_rest()
        yield _trial(story, life, outage, f"{boundary} fails for {seconds / 3600:.0f} hours")


def _reached(story: Story) -> Counter[str]:
    return Counter(one.partition(": ")[2] for one in boundaries_of(story))


def _allowed(story: Story, boundary: str) -> frozenset[str]:
    """Only two lost answers leave a doubt that nobody can end: both about a POST that must not be repeated."""
    lost = story.promises.collapses_repeats or boundary in ("upstream.submit:done", "tasks.move:done")
    return story.ends if lost else story.ends - ({SUBMISSION_UNKNOWN} if len(story.ends) > 1 else set())


def _trial(story: Story, life: Life, outage: Outage, what: str) -> Trial:
    return Trial(what=f"{story.name}; {what}", witness=life.witness, counts=Counter(faults=outage.faults, outages=1))
